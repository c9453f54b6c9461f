package ledger

import (
	"context"
	"database/sql"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/store"
	"portillon/wire"
)

func TestQueriesWithATimeNeedExactlyOneKind(t *testing.T) {
	for _, n := range []int{0, 2, MaxKinds + 1} {
		q := Query{Since: time.UnixMilli(5), Kinds: make([]wire.Kind, n)}
		if _, err := q.rows(context.Background(), nil); err == nil || !strings.Contains(err.Error(), "want exactly one") {
			t.Errorf("%d kinds: %v", n, err)
		}
	}
}

// planRecorder records the plan of each query instead of running the query.
type planRecorder struct {
	*store.Site
	plan []string
}

func (x *planRecorder) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	rows, err := x.Site.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var step string
		if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
			return nil, err
		}
		x.plan = append(x.plan, step)
	}
	return nil, rows.Err()
}

// An export of a member's data must not read the records about all members.
func TestQueriesByMemberUseAnIndex(t *testing.T) {
	l, err := Open(filepath.Join(t.TempDir(), "portillon.db"), "biklab", Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for name, q := range map[string]Query{
		"all machines": {Member: "m-1"},
		"of a machine": {Member: "m-1", Machine: "laser", After: 7},
	} {
		x := &planRecorder{Site: l.site}
		if _, err := q.rows(context.Background(), x); err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(x.plan, func(s string) bool {
			return strings.Contains(s, "ledger_records_member (site=? AND journal=? AND member=? AND seq>?)")
		}) {
			t.Errorf("%s: %q", name, x.plan)
		}
	}
}

// Each query must use an index that restricts more than the site, so that the query reads only the selected records.
func TestQueriesByKindUseAnIndex(t *testing.T) {
	l, err := Open(filepath.Join(t.TempDir(), "portillon.db"), "biklab", Keys{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	g := wire.Generation("")
	for name, q := range map[string]Query{
		"one kind":     {Kinds: []wire.Kind{wire.Refused}},
		"of a machine": {Kinds: []wire.Kind{wire.CardAlert}, Machine: "laser", After: 7},
		"two kinds":    {Kinds: []wire.Kind{wire.Tagged, wire.Untagged}, Machine: "laser", Generation: &g},
		"of a time":    {Kinds: []wire.Kind{wire.Refused}, Since: time.UnixMilli(5)},
		"a part": {Kinds: []wire.Kind{wire.Refused, wire.Tagged}, Machine: "laser", Generation: &g, Limit: 10,
			After: 5},
		"all of one member": {Kinds: []wire.Kind{wire.Intervened}, Member: "m-1"},
	} {
		x := &planRecorder{Site: l.site}
		if _, err := q.rows(context.Background(), x); err != nil {
			t.Fatal(err)
		}
		i := slices.IndexFunc(x.plan, func(s string) bool { return strings.HasPrefix(s, "SEARCH r USING ") })
		if i < 0 || !strings.Contains(x.plan[i], "journal=?") {
			t.Errorf("%s: %q", name, x.plan)
		}
		// The hub runs this query after each batch of each machine.
		if name == "of a machine" && !strings.Contains(x.plan[0], "(site=? AND machine=?)") {
			t.Errorf("%s: the journals of all machines are read: %q", name, x.plan)
		}
	}
}
