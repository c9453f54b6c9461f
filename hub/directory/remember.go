package directory

import (
	"context"
	"database/sql"
	"maps"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/hub/store"
	"portillon/policy"
)

// rememberedColumns are the fields that administrators of a site assigned to columns, by program and header.
type rememberedColumns map[memberlist.Program]map[string]string

// Mapping is what an administrator changes of how a list is read.
type Mapping struct {
	Columns map[string]string // header → field, or "-" for none; other columns keep their field
	Until   policy.Date       // of all rows, for a list without a last day of membership; zero: none
}

// maxRemembered limits the columns that a site remembers for one program.
const maxRemembered = 500

// rememberedColumns reads the columns that the site remembers.
func (s *Imports) rememberedColumns(ctx context.Context) (rememberedColumns, error) {
	out := rememberedColumns{}
	rows, err := s.core.site.Query(ctx, `SELECT program, header, field FROM import_column WHERE site = $1`)
	return out, forEachRow(rows, err, func(rows *sql.Rows) error {
		var program memberlist.Program
		var header, field string
		if err := rows.Scan(&program, &header, &field); err != nil {
			return err
		}
		if out[program] == nil {
			out[program] = map[string]string{}
		}
		out[program][header] = field
		return nil
	})
}

// assigned returns the columns of a list whose assignment must be stored, and those whose stored assignment must be
// removed because the hub would read the column in the same way without it.
func (pl *plan) assigned() (store map[string]string, remove []string) {
	store = map[string]string{}
	had := pl.in.remembered[pl.Program]
	for _, h := range pl.Headers {
		field, given := pl.in.Mapping[h.Header]
		switch usual := mappedField(h.usual, field); {
		case !given || field == had[h.Header]:
		case field == usual:
			if had[h.Header] != "" {
				remove = append(remove, h.Header)
			}
		case len(had)+len(store) < maxRemembered:
			store[h.Header] = field
		}
	}
	return store, remove
}

// remember stores the assignments of an applied import.
func (pl *plan) remember(ctx context.Context, tx *store.Tx) error {
	assigned, remove := pl.assigned()
	for _, header := range slices.Sorted(maps.Keys(assigned)) {
		if _, err := tx.Exec(ctx, `INSERT INTO import_column (site, program, header, field) VALUES ($1, $2, $3, $4)
			ON CONFLICT (site, program, header) DO UPDATE SET field = excluded.field WHERE import_column.site = $1`,
			string(pl.Program), header, assigned[header]); err != nil {
			return err
		}
	}
	for _, header := range remove {
		if _, err := tx.Exec(ctx, `DELETE FROM import_column WHERE site = $1 AND program = $2 AND header = $3`,
			string(pl.Program), header); err != nil {
			return err
		}
	}
	return nil
}

// rememberAlone stores the assignments of an import that changes no member.
func (s *Imports) rememberAlone(ctx context.Context, a actor.Actor, pl *plan) error {
	if assigned, remove := pl.assigned(); len(assigned)+len(remove) == 0 {
		return nil
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		if err := pl.remember(ctx, tx); err != nil {
			return err
		}
		return s.core.audit(ctx, tx, a, actor.WriteMembers, "", "import "+pl.ID+": columns")
	})
}

// Remap reads the list of a preview again with other fields for its columns, and another last day of membership, and
// returns the new preview. The former preview is discarded. The site remembers the assignment when the new preview is
// applied. The error is *fault.NotFound as for Confirm, and *fault.Invalid as for Preview. The actor needs
// actor.WriteMembers and the rights of both previews.
func (s *Imports) Remap(ctx context.Context, a actor.Actor, previewID string, by Mapping) (Preview, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return Preview{}, err
	}
	pl, err := s.previews.find(a, previewID)
	if err != nil {
		return Preview{}, err
	}
	in, ok := s.previews.list(pl)
	if !ok {
		return Preview{}, &fault.NotFound{What: "preview", ID: clip(previewID, 64)}
	}
	in.Mapping = maps.Clone(in.Mapping)
	if in.Mapping == nil {
		in.Mapping = map[string]string{}
	}
	for header, field := range by.Columns {
		if !slices.ContainsFunc(pl.Headers, func(h Header) bool { return h.Header == header }) {
			return Preview{}, &fault.Invalid{Faults: []fault.Field{{Field: "columns", Given: clip(header, 100),
				Wrong: "the list has no column of this name", Right: "a column of the list"}}}
		}
		in.Mapping[header] = field
	}
	if in.program == "" || by.Until != (policy.Date{}) { // hub.yaml has the last day of a list from a program
		in.Until = by.Until
	}
	p, err := s.Preview(ctx, a, in)
	if err == nil {
		s.previews.remove(previewID)
	}
	return p, err
}
