package ledger

import (
	"context"
	"strings"
	"testing"
	"time"

	"portillon/wire"
)

func TestQueriesOfATimeAreOfOneKind(t *testing.T) {
	for _, n := range []int{0, 2, MaxKinds + 1} {
		q := Query{Since: time.UnixMilli(5), Kinds: make([]wire.Kind, n)}
		if _, err := q.rows(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "want one") {
			t.Errorf("%d kinds: %v", n, err)
		}
	}
}
