package directory

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/memberlist"
	"portillon/policy"
)

// Import is an uploaded list of members: a CSV or XLSX file with a header row, or a members.yaml.
type Import struct {
	Name string // name of the file; the hub uses its extension if the content does not show the format
	Data []byte
	// Mapping assigns fields to columns with unknown headers. The key is the header. The value is one of Fields, or "-" to
	// ignore the column.
	Mapping map[string]string
	// Source is the name of the list; empty means "list". A member whom an import of the same source added, and whom this
	// list does not contain, is suspended until a list of the source contains the member again.
	Source string
	// Until is the last day of membership of all rows, for a list without a column for it. Zero: none.
	Until policy.Date

	remembered rememberedColumns
	program    memberlist.Program // the program from whose API the list was fetched; empty: the list is a file
}

// Preview describes the changes of an import, as the API and the pages show them. Apply writes exactly the changes of
// the preview, or no change.
type Preview struct {
	ID     string `json:"id"`
	Format string `json:"format"` // csv, xlsx or members.yaml
	Reading
	Added     []Row    `json:"added"`
	Changed   []Row    `json:"changed"`
	Gone      []Row    `json:"gone"` // members whom the import suspends
	Unchanged int      `json:"unchanged"`
	Gains     []Right  `json:"gains"`
	Loses     []Right  `json:"loses"`
	Warnings  []string `json:"warnings,omitempty"`
	// Confirm is true if more than 10 % of the source's members are missing from the list, or if the list ends more than
	// 10 % of their memberships. Apply then refuses the import until Imports.Confirm is called.
	Confirm bool      `json:"confirm,omitempty"`
	Applied bool      `json:"applied,omitempty"`
	Until   time.Time `json:"until"` // time when the preview expires
}

// Row is a member in a preview.
type Row struct {
	Row    int             `json:"row,omitempty"` // row number in the file
	Member policy.MemberID `json:"member,omitempty"`
	Name   string          `json:"name"`
	Fields []string        `json:"fields,omitempty"` // names of the fields that change
}

// Right is a role at a machine that a member gains or loses.
type Right struct {
	Member     policy.MemberID  `json:"member,omitempty"`
	Name       string           `json:"name"`
	Machine    policy.MachineID `json:"machine"`
	Role       string           `json:"role"`
	Supervised bool             `json:"supervised,omitempty"` // the role is permitted only while a supervisor is present
}

// Imports imports lists of members: it first shows the changes of an import, then writes them.
type Imports struct {
	core     *core
	practice *practiceSource
	previews *previewStore
	// isFetched reports whether the hub fetches the list of this name from another program.
	isFetched func(name string) bool
}

const (
	previewLife = time.Hour
	maxPreviews = 16

	maxPreviewData = 32 << 20 // bytes of the lists of all previews
	gonePercent    = 10       // suspending a larger share of a source's members needs Confirm
)

// plan is a preview together with the rows that Apply writes.
type plan struct {
	Preview
	account    string
	needs      []actor.Act // rights that the actor needs for the import (needsOf)
	generation int64
	source     string
	writes     []write
	in         Import // as it was sent, so that Remap can read it again
}

// write is one member whom an import adds or changes.
type write struct {
	isNew bool
	*record
	cards    []Card // cards to add
	uncarded []string
	numbered []Card // cards whose numbers are in the list, but which are stored as an HMAC under the previous card key
}

// listed is one row of a list. The import changes only the fields of the member for which the list has a column (has).
type listed struct {
	row    int
	Member // values of the row as a member; Cards contains the cards in the row
	files  []string
	has    map[string]bool
	zone   *time.Location
	whole  bool // true: the list is a members.yaml, so the import removes values that the list does not contain
}

// Preview reads a list and returns the changes that an import of the list would make. Preview writes nothing, and
// stores the preview in memory for an hour. The actor needs actor.WriteMembers and the rights that needsOf returns. The
// error is *fault.Invalid if a file, a column or a row cannot be read.
func (s *Imports) Preview(ctx context.Context, a actor.Actor, in Import) (Preview, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return Preview{}, err
	}
	p, err := s.core.policy(ctx)
	if err != nil {
		return Preview{}, err
	}
	// Read the list, and check the rights that its columns need.
	if in.remembered, err = s.rememberedColumns(ctx); err != nil {
		return Preview{}, err
	}
	l, err := readList(in, zoneOf(p))
	if err == nil {
		err = l.setUntil(in.Until)
	}
	if err != nil {
		return Preview{}, err
	}
	needs := needsOf(l.rows)
	if err := mayImport(a, needs); err != nil {
		return Preview{}, err
	}
	// Compare the rows with the current members.
	x, err := s.core.index.current(ctx)
	if err != nil {
		return Preview{}, err
	}
	former, err := s.formers(ctx)
	if err != nil {
		return Preview{}, err
	}
	in.Source = cmp.Or(strings.TrimSpace(in.Source), l.reading.source())
	if len(in.Source) > maxSource || !isPlain(in.Source) {
		return Preview{}, &fault.Invalid{Faults: []fault.Field{{Field: "source", Given: clip(in.Source, 100),
			Wrong: "the name is too long", Right: "at most 100 characters"}}}
	}
	pl := &plan{account: a.Account, needs: needs, generation: x.generation, source: in.Source, in: in}
	pl.Format, pl.Reading, pl.Warnings = l.format, l.reading, l.warnings(in.Until)
	if err := pl.make(x, l.rows, former, s.core.hashing.hashes()); err != nil {
		return Preview{}, err
	}
	// Determine who gains and who loses a right at a machine.
	practised, unknown, err := s.practice.requiredBy(ctx, p)
	if err != nil {
		return Preview{}, err
	}
	pl.effects(x, p, practised, s.core.now())
	pl.countEnds(x, policy.DateOf(s.core.now(), zoneOf(p)))
	if len(pl.writes) > 0 {
		pl.Warnings = append(pl.Warnings, unknown...)
	}
	s.previews.add(pl)
	return pl.Preview, nil
}

// needsOf returns the rights that an import of these rows needs besides actor.WriteMembers: the right to read members
// for the preview, and the rights for the columns of notes and cards. members.yaml always needs the right for cards,
// because it removes each card that it does not list.
func needsOf(rows []*listed) []actor.Act {
	out := []actor.Act{actor.ReadMembers}
	if slices.ContainsFunc(rows, func(r *listed) bool { return r.has["note"] }) {
		out = append(out, actor.ReadNotes)
	}
	if slices.ContainsFunc(rows, func(r *listed) bool { return r.whole || len(r.Cards) > 0 }) {
		out = append(out, actor.WriteCards)
	}
	return out
}

// mayImport returns *actor.Denied for an actor who lacks one of the rights that an import needs.
func mayImport(a actor.Actor, needs []actor.Act) error {
	for _, act := range needs {
		if err := a.May(act, about("")); err != nil {
			return err
		}
	}
	return nil
}

// Confirm confirms that many members are missing from the list. After Confirm, Apply accepts the import. The error is
// *fault.NotFound if the preview has expired or another account requested it. The actor needs actor.WriteMembers and
// the rights of the preview.
func (s *Imports) Confirm(_ context.Context, a actor.Actor, previewID string) (Preview, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return Preview{}, err
	}
	pl, err := s.previews.find(a, previewID)
	if err != nil {
		return Preview{}, err
	}
	s.previews.mu.Lock()
	defer s.previews.mu.Unlock()
	pl.Confirm = false
	return pl.Preview, nil
}

// Apply writes the changes of a preview in one transaction. The error is *fault.Conflict if the directory has changed
// since the preview, *fault.Invalid if Confirm must be called first, and *fault.NotFound as for Confirm. The actor
// needs actor.WriteMembers and the rights of the preview.
func (s *Imports) Apply(ctx context.Context, a actor.Actor, previewID string) (Preview, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil {
		return Preview{}, err
	}
	pl, err := s.previews.find(a, previewID)
	if err != nil {
		return Preview{}, err
	}
	s.previews.mu.Lock()
	out := pl.Preview
	s.previews.mu.Unlock()
	if out.Confirm {
		return Preview{}, unconfirmed(&out)
	}
	if len(pl.writes) == 0 { // do not write, because a write would cause a new bundle
		out.Applied = true
		return out, s.rememberAlone(ctx, a, pl)
	}
	err = s.core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		// Any write since the preview has changed the generation and makes the preview stale.
		g, err := generationOf(ctx, c.QueryRow(ctx, `SELECT generation FROM directory_state WHERE site = $1`))
		if err != nil {
			return "", "", err
		}
		if g != pl.generation {
			return "", "", &fault.Conflict{What: "preview", ID: previewID, Have: g, Got: pl.generation}
		}
		// Remove cards first, because a removed card may move to another member of the list.
		if err := c.removeCards(ctx, pl.writes); err != nil {
			return "", "", err
		}
		for i := range pl.writes {
			if err := c.writeListed(ctx, &pl.writes[i]); err != nil {
				return "", "", err
			}
		}
		if err := pl.remember(ctx, c.Tx); err != nil {
			return "", "", err
		}
		if err := s.markApplied(ctx, c.Tx, pl); err != nil {
			return "", "", err
		}
		return "", fmt.Sprintf("import %s: %d added, %d changed, %d gone", previewID, len(out.Added), len(out.Changed),
			len(out.Gone)), nil
	})
	if err != nil {
		return Preview{}, err
	}
	s.previews.mu.Lock()
	defer s.previews.mu.Unlock()
	delete(s.previews.plans, previewID)
	out.Applied = true
	return out, nil
}

// writeListed writes one member of an import. writeListed modifies a copy of the record, so that the plan can be
// applied again after an error.
func (c *change) writeListed(ctx context.Context, w *write) error {
	r := *w.record
	r.Cards = slices.Clone(r.Cards)
	if w.isNew {
		r.Version, r.place = 0, 0
	}
	for _, card := range w.cards {
		card.ID = newID("c-")
		if card.State == Active {
			card.Since = c.now.UTC()
		}
		if err := c.insertCard(ctx, r.ID, &card); err != nil {
			return err
		}
	}
	for _, card := range w.numbered {
		if _, err := c.Exec(ctx, `UPDATE card SET number = $4, part = $5 WHERE site = $1 AND member = $2 AND id = $3`,
			string(r.ID), card.ID, card.Number, toInt(card.Part)); err != nil {
			return err
		}
	}
	return c.save(ctx, &r)
}

// removeCards removes the cards of listed members that the list does not contain.
func (c *change) removeCards(ctx context.Context, writes []write) error {
	for _, w := range writes {
		for _, id := range w.uncarded {
			if _, err := c.Exec(ctx, `DELETE FROM card WHERE site = $1 AND member = $2 AND id = $3`, string(w.ID),
				id); err != nil {
				return err
			}
		}
	}
	return nil
}

// formers returns the ids of erased and merged members, which a list must not restore.
func (s *Imports) formers(ctx context.Context) (map[policy.MemberID]bool, error) {
	out := map[policy.MemberID]bool{}
	rows, err := s.core.site.Query(ctx, `SELECT id FROM former_member WHERE site = $1`)
	return out, forEachRow(rows, err, func(rows *sql.Rows) error {
		var id policy.MemberID
		err := rows.Scan(&id)
		out[id] = true
		return err
	})
}
