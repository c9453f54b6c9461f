package report

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Page selects a part of a list.
type Page struct {
	After string // the cursor that the previous page returned; empty: the first page
	Limit int    // maximum number of entries; 0: 50; at most 500
}

// The default and the maximum of Page.Limit.
const (
	usualPage = 50
	maxPage   = 500
)

// limit returns the number of entries on a page, with the default and the maximum applied.
func (p Page) limit() int {
	if p.Limit <= 0 {
		return usualPage
	}
	return min(p.Limit, maxPage)
}

// Uses returns the sessions that began in a range, the earliest first. next is the cursor of the next page, or empty on
// the last page.
func (s *Service) Uses(ctx context.Context, a actor.Actor, r Range, p Page) (_ []Use, next string, err error) {
	v, err := s.newView(ctx, a, r)
	if err != nil {
		return nil, "", err
	}
	after, err := parsePlace(p.After)
	if err != nil {
		return nil, "", err
	}
	return s.readPage(ctx, v, after, p.limit())
}

// place is the position of a session in the list that Uses returns. Places are compared by start time, machine,
// generation and sequence number, in the order of the fields.
type place struct {
	began      int64 // milliseconds since 1970
	machine    string
	generation string
	seq        int64
}

// String returns the place as a cursor, which parsePlace parses.
func (p place) String() string {
	return fmt.Sprintf("%d/%s/%s/%d", p.began, p.machine, p.generation, p.seq)
}

// compare returns a negative number if p is before o in the list, and a positive number if p is after o.
func (p place) compare(o place) int {
	return cmp.Or(
		cmp.Compare(p.began, o.began),
		strings.Compare(p.machine, o.machine),
		strings.Compare(p.generation, o.generation),
		cmp.Compare(p.seq, o.seq),
	)
}

// parsePlace parses a cursor. The empty cursor is the place before all sessions.
func parsePlace(s string) (place, error) {
	if s == "" {
		return place{began: math.MinInt64}, nil
	}
	// a longer text is no cursor: a cursor has two numbers, an id of at most 64 bytes and a generation of 16 bytes
	const longest = 200
	parts := strings.Split(s, "/")
	if len(s) <= longest && len(parts) == 4 {
		began, err1 := strconv.ParseInt(parts[0], 10, 64)
		seq, err2 := strconv.ParseInt(parts[3], 10, 64)
		if err1 == nil && err2 == nil {
			return place{began, parts[1], parts[2], seq}, nil
		}
	}
	return place{}, &fault.Invalid{
		Faults: []fault.Field{{Field: "after", Wrong: "no cursor of this list", Right: "what the page before returned"}},
	}
}

// placedUse is a session with its position in the list.
type placedUse struct {
	Use
	place
}

// readPage reads one page of the sessions in a view. The parameter after is the place of the last session on the
// previous page.
func (s *Service) readPage(ctx context.Context, v view, after place, limit int) (_ []Use, next string, err error) {
	var all []placedUse
	if v.machines == nil {
		if all, err = s.usesOfAll(ctx, v, after, limit+1); err != nil {
			return nil, "", err
		}
	}
	for _, m := range v.machines {
		some, err := s.usesOf(ctx, v, m, after, limit+1)
		if err != nil {
			return nil, "", err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(x, y placedUse) int { return x.compare(y.place) })
	if len(all) > limit {
		all, next = all[:limit], all[limit-1].place.String()
	}
	out := make([]Use, len(all))
	for i, f := range all {
		out[i] = s.visible(f, v)
	}
	return out, next, s.addNames(ctx, out)
}

// usesOfAll reads sessions of all machines.
func (s *Service) usesOfAll(ctx context.Context, v view, after place, limit int) ([]placedUse, error) {
	rows, err := s.o.Site.Query(
		ctx,
		`SELECT machine, generation, seq, member, role, began, seconds, cause, running, untrusted FROM report_uses
		WHERE site = $1 AND began >= $2 AND began < $3 AND (began, machine, generation, seq) > ($4, $5, $6, $7)
		ORDER BY began, machine, generation, seq LIMIT $8`,
		max(
			v.from.UnixMilli(),
			after.began,
		),
		v.to.UnixMilli(),
		after.began,
		after.machine,
		after.generation,
		after.seq,
		limit,
	)
	return scanUses(rows, err)
}

// usesOf reads sessions of one machine.
func (s *Service) usesOf(ctx context.Context, v view, m policy.MachineID, after place, limit int) ([]placedUse, error) {
	rows, err := s.o.Site.Query(
		ctx,
		`SELECT machine, generation, seq, member, role, began, seconds, cause, running, untrusted FROM report_uses
		WHERE site = $1 AND machine = $2 AND began >= $3 AND began < $4 AND (began, machine, generation, seq) > ($5,
		$6, $7, $8)
		ORDER BY began, generation, seq LIMIT $9`,
		m,
		max(v.from.UnixMilli(), after.began),
		v.to.UnixMilli(),
		after.began,
		after.machine,
		after.generation,
		after.seq,
		limit,
	)
	return scanUses(rows, err)
}

// scanUses reads and closes the rows of a query of usesOfAll or usesOf. In a running session, the field To is zero.
func scanUses(rows *sql.Rows, err error) (out []placedUse, _ error) {
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var f placedUse
		var running bool
		if err := rows.Scan(&f.machine, &f.generation, &f.seq, &f.Member, &f.Role, &f.began, &f.Seconds, &f.End, &running,
			&f.Untrusted); err != nil {
			return nil, err
		}
		f.Machine, f.From = policy.MachineID(f.machine), time.UnixMilli(f.began).UTC()
		if !running {
			f.To = f.From.Add(time.Duration(f.Seconds) * time.Second)
		}
		out = append(out, f)
	}
	return out, rows.Err()
}

// visible returns a session without the data that the view does not include. For a running session, visible sets the
// length to the time since the start.
func (s *Service) visible(f placedUse, v view) Use {
	u := f.Use
	if u.To.IsZero() {
		u.Seconds = max(0, int64(s.o.Now().Sub(u.From)/time.Second))
	}
	if !v.names {
		u.Member = ""
	}
	return u
}

// addNames sets the names of the members in the sessions.
func (s *Service) addNames(ctx context.Context, of []Use) error {
	if s.o.Names == nil {
		return nil
	}
	var ids []policy.MemberID
	for _, u := range of {
		if u.Member != "" {
			ids = append(ids, u.Member)
		}
	}
	slices.Sort(ids)
	if ids = slices.Compact(ids); len(ids) == 0 {
		return nil
	}
	names, err := s.o.Names(ctx, ids)
	if err != nil {
		return err
	}
	for i := range of {
		of[i].Name = names[of[i].Member]
	}
	return nil
}
