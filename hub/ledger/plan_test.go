package ledger

import (
	"context"
	"database/sql"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub/store"
	"portillon/wire"
)

// explained asks SQLite how it would answer a query (sqlite.org/eqp.html).
type explained struct{ *store.Site }

func (e explained) Query(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	return e.Site.Query(ctx, "EXPLAIN QUERY PLAN "+query, args...)
}

func TestKindsOfOneMachineAreFoundByItsJournals(t *testing.T) {
	db, err := store.Open(t.Context(), filepath.Join(t.TempDir(), "portillon.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, c := range []struct {
		kinds   []wire.Kind
		records string // how they are found
	}{
		{[]wire.Kind{wire.CardAlert}, "ledger_records_kind (site=? AND kind=? AND journal=? AND wall>?)"},
		{[]wire.Kind{wire.Tagged, wire.Untagged}, "PRIMARY KEY (site=? AND journal=? AND seq>?)"},
	} {
		plan := planOf(t, Query{Machine: "laser", Kinds: c.kinds, After: 3}, db.Site("lab"))
		if len(plan) < 2 || !strings.Contains(plan[0], "(site=? AND machine=?)") || !strings.Contains(plan[1], c.records) {
			t.Errorf("%v:\n%s\nwant the machine's journals, then %s", c.kinds, strings.Join(plan, "\n"), c.records)
		}
	}
}

// planOf is how SQLite would answer a query.
func planOf(t *testing.T, q Query, site *store.Site) (plan []string) {
	t.Helper()
	rows, err := q.rows(t.Context(), explained{site})
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var id, parent, unused int
		var detail string
		if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
			t.Fatal(err)
		}
		plan = append(plan, detail)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return plan
}
