package enrol

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// A machine that returns documents without end must not prevent other machines from returning documents. Without the
// returned documents, a restored hub would publish bundles that the machines refuse.
func TestReturnedDocumentsAreRateLimitedPerMachine(t *testing.T) {
	b := newBench(t)
	taken := map[policy.MachineID]int{}
	h := b.returns().handler(100, func(_ context.Context, id policy.MachineID, _ []byte) error { taken[id]++; return nil })
	returns := func(id policy.MachineID, body io.Reader) int {
		w := httptest.NewRecorder()
		h(w, httptest.NewRequest("POST", "/machine/v1/returned/manifest", body), id)
		return w.Code
	}
	for range 1000 {
		returns("evil", strings.NewReader("x"))
	}
	for _, what := range []string{"policy", "manifest"} {
		if got := returns("laser", strings.NewReader(what)); got != http.StatusOK {
			t.Errorf("%s of another machine: %d", what, got)
		}
	}
	// The hub reads at most two documents of the machine evil per minute, so that other machines can return documents,
	// too.
	b.now = b.now.Add(time.Hour)
	before := taken["evil"]
	for range 10 {
		for range 20 {
			returns("evil", strings.NewReader("x"))
		}
		b.now = b.now.Add(time.Minute)
	}
	if n := taken["evil"] - before; n > 25 {
		t.Errorf("%d returns in ten minutes", n)
	}
}
