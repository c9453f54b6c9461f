package directory

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
)

// forEachRow calls f for every row, closes rows, and returns the first error. The parameters rows and err are the
// results of Query.
func forEachRow(rows *sql.Rows, err error, f func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := f(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// batch is the number of members that one statement reads. Each statement below always has this number of parameters,
// so that the database prepares the statement only once.
const batch = 50

// record is a member with fields that only this package needs. The records of the index are never modified.
type record struct {
	Member
	place int64
	files []string // names of badge files in the member's entry of members.yaml
	held  []held   // the part of each badge that decisions need, in the order of Badges
}

// load reads members with their values, cards and badges, in the order of ids. load skips ids without a member.
func load(ctx context.Context, r reader, ids []policy.MemberID) ([]*record, error) {
	var out []*record
	for len(ids) > 0 {
		n := min(batch, len(ids))
		args := make([]any, batch)
		for i := range args {
			args[i] = ""
			if i < n {
				args[i] = string(ids[i])
			}
		}
		byID := map[policy.MemberID]*record{}
		for _, f := range []func(context.Context, reader, []any, map[policy.MemberID]*record) error{loadRows, loadValues,
			loadCards, loadBadges} {
			if err := f(ctx, r, args, byID); err != nil {
				return nil, err
			}
		}
		for _, id := range ids[:n] {
			if m := byID[id]; m != nil {
				out = append(out, m)
			}
		}
		ids = ids[n:]
	}
	return out, nil
}

// loadRows reads the rows of a batch of members into byID.
func loadRows(ctx context.Context, r reader, args []any, byID map[policy.MemberID]*record) error {
	rows, err := r.Query(ctx, `SELECT id, version, place, name, language, until_day, blocked, gone, note, external,
			source, changed
		FROM member WHERE site = $1 AND id IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17,
			$18, $19,
		$20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
		$36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51)`, args...)
	return forEachRow(rows, err, func(rows *sql.Rows) error {
		m, err := scanMember(rows)
		if err == nil {
			byID[m.ID] = m
		}
		return err
	})
}

// scanMember scans the columns that loadRows and loadAll select.
func scanMember(rows *sql.Rows) (*record, error) {
	var m record
	var until string
	var blocked, gone, changed int64
	err := rows.Scan(&m.ID, &m.Version, &m.place, &m.Name, &m.Language, &until, &blocked, &gone, &m.Note, &m.External,
		&m.Source, &changed)
	if err != nil {
		return nil, err
	}
	if until != "" {
		if m.Until, err = policy.ParseDate(until); err != nil {
			return nil, err
		}
	}
	m.Blocked, m.Gone, m.Changed = blocked != 0, gone != 0, fromMillis(changed)
	return &m, nil
}

// These are the kinds of values in the table member_value.
const (
	emailValue    = "email"
	subjectValue  = "subject"
	guardianValue = "guardian"
	fileValue     = "badge-file"
)

// loadValues reads the addresses, subjects, guardians and listed badge files of a batch of members into byID.
func loadValues(ctx context.Context, r reader, args []any, byID map[policy.MemberID]*record) error {
	rows, err := r.Query(ctx, `SELECT member, kind, value FROM member_value WHERE site = $1 AND member IN ($2, $3, $4,
			$5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
		$20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
		$36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51)
		ORDER BY member, kind, place`, args...)
	return forEachRow(rows, err, func(rows *sql.Rows) error { return scanValue(rows, byID) })
}

// scanValue adds the value in a row to its member. scanValue skips a value of an unknown kind.
func scanValue(rows *sql.Rows, byID map[policy.MemberID]*record) error {
	var id policy.MemberID
	var kind, value string
	if err := rows.Scan(&id, &kind, &value); err != nil {
		return err
	}
	m := byID[id]
	if m == nil {
		return nil
	}
	switch kind {
	case emailValue:
		m.Emails = append(m.Emails, value)
	case subjectValue:
		m.Subjects = append(m.Subjects, value)
	case guardianValue:
		m.Guardians = append(m.Guardians, value)
	case fileValue:
		m.files = append(m.files, value)
	}
	return nil
}

// loadCards reads the cards of a batch of members into byID, in the order of their places.
func loadCards(ctx context.Context, r reader, args []any, byID map[policy.MemberID]*record) error {
	rows, err := r.Query(ctx, `SELECT member, id, number, part, state, since, note FROM card WHERE site = $1 AND
			member IN ($2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
		$20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
		$36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51)
		ORDER BY member, place`, args...)
	return forEachRow(rows, err, func(rows *sql.Rows) error { return scanCard(rows, byID) })
}

// scanCard adds the card in a row to its member.
func scanCard(rows *sql.Rows, byID map[policy.MemberID]*record) error {
	var id policy.MemberID
	var c Card
	var part, since int64
	if err := rows.Scan(&id, &c.ID, &c.Number, &part, &c.State, &since, &c.Note); err != nil {
		return err
	}
	c.Part, c.Since, c.Last = part != 0, fromMillis(since), lastDigits(c.Number)
	if m := byID[id]; m != nil {
		m.Cards = append(m.Cards, c)
	}
	return nil
}

// lastDigits returns the last four digits of a card number. An actor who may not see the number of a card sees only
// these digits.
func lastDigits(number string) string { return number[max(0, len(number)-4):] }

// held is the part of a badge that decisions need. standing is the result of the status lists, and checked is the time
// when they were read. hosted is true if the badge was proved by its address instead of a signature.
type held struct {
	issuer, achievement string
	proved, hosted      bool
	standing            string
	issued, until       time.Time
	checked             time.Time
	to                  recipient
}

// recipient contains the data by which a badge identifies the person to whom the badge was issued. The database
// stores a recipient as JSON.
type recipient struct {
	Subject     string               `json:"subject,omitempty"`
	Identifiers []openbadge.Identity `json:"identifiers,omitempty"`
}

// badge returns a badge with only the fields that openbadge.Badge.IsFor needs.
func (r recipient) badge() *openbadge.Badge {
	return &openbadge.Badge{Subject: r.Subject, Identifiers: r.Identifiers}
}

// loadBadges reads the badges of a batch of members, with all checks, into byID, in the order of their places.
func loadBadges(ctx context.Context, r reader, args []any, byID map[policy.MemberID]*record) error {
	rows, err := r.Query(ctx, `SELECT member, id, file, name, issuer, achievement, verdict, proved, hosted_at,
			standing, checked, recipient,
		checks, issued, expires, origin, verified FROM badge WHERE site = $1 AND member IN ($2, $3, $4, $5, $6, $7, $8,
			$9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19,
		$20, $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33, $34, $35,
		$36, $37, $38, $39, $40, $41, $42, $43, $44, $45, $46, $47, $48, $49, $50, $51)
		ORDER BY member, place`, args...)
	return forEachRow(rows, err, func(rows *sql.Rows) error { return scanBadge(rows, byID) })
}

// scanBadge adds the badge in a row to its member, as a Badge for people and as a held for decisions.
func scanBadge(rows *sql.Rows, byID map[policy.MemberID]*record) error {
	var b Badge
	var h held
	var hosted string
	var proved, checked, issued, expires, verified int64
	var to, checks []byte
	if err := rows.Scan(&b.Member, &b.ID, &b.File, &b.Name, &b.Issuer, &h.achievement, &b.Verdict, &proved, &hosted,
		&h.standing, &checked, &to,
		&checks, &issued, &expires, &b.From, &verified); err != nil {
		return err
	}
	m := byID[b.Member]
	if m == nil {
		return nil
	}
	if len(checks) > 0 { // loadAll selects an empty text instead of the checks
		if err := json.Unmarshal(checks, &b.Checks); err != nil {
			return err
		}
	}
	if err := json.Unmarshal(to, &h.to); err != nil {
		return err
	}
	b.Issued, b.Expires, b.Verified = fromMillis(issued), fromMillis(expires), fromMillis(verified)
	h.issuer, h.proved, h.hosted, h.issued, h.until, h.checked = b.Issuer, proved != 0, hosted != "", b.Issued,
		b.Expires, fromMillis(checked)
	m.Badges, m.held = append(m.Badges, b), append(m.held, h)
	return nil
}

// loadOne reads one member. The error is *fault.NotFound if the member does not exist.
func loadOne(ctx context.Context, r reader, id policy.MemberID) (*record, error) {
	all, err := load(ctx, r, []policy.MemberID{id})
	if err != nil {
		return nil, err
	}
	if len(all) != 1 || id == "" {
		return nil, &fault.NotFound{What: "member", ID: string(id)}
	}
	return all[0], nil
}

// loadAll reads every member with four statements, in the order of places. loadAll leaves out the checks of badges,
// which are most of the data, because the index does not need them.
func loadAll(ctx context.Context, r reader) ([]*record, error) {
	var out []*record
	byID := map[policy.MemberID]*record{}
	rows, err := r.Query(ctx, `SELECT id, version, place, name, language, until_day, blocked, gone, note, external,
			source, changed
		FROM member WHERE site = $1 ORDER BY place, id`)
	err = forEachRow(rows, err, func(rows *sql.Rows) error {
		m, err := scanMember(rows)
		if err == nil {
			out = append(out, m)
			byID[m.ID] = m
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	rows, err = r.Query(ctx, `SELECT member, kind, value FROM member_value WHERE site = $1 ORDER BY member, kind, place`)
	if err := forEachRow(rows, err, func(rows *sql.Rows) error { return scanValue(rows, byID) }); err != nil {
		return nil, err
	}
	rows, err = r.Query(ctx, `SELECT member, id, number, part, state, since, note FROM card WHERE site = $1 ORDER BY
			member, place`)
	if err := forEachRow(rows, err, func(rows *sql.Rows) error { return scanCard(rows, byID) }); err != nil {
		return nil, err
	}
	rows, err = r.Query(ctx, `SELECT member, id, file, name, issuer, achievement, verdict, proved, hosted_at,
			standing, checked, recipient,
		'', issued, expires, origin, verified FROM badge WHERE site = $1 ORDER BY member, place`)
	return out, forEachRow(rows, err, func(rows *sql.Rows) error { return scanBadge(rows, byID) })
}

// save writes a member's row and values, but not the cards and badges. save increments the version, and marks the
// member as changed.
func (c *change) save(ctx context.Context, m *record) error {
	until := ""
	if m.Until != (policy.Date{}) {
		until = m.Until.String()
	}
	// Increment the version. Callers use save even if only cards or badges have changed, because the version must
	// change.
	m.Version, m.Changed = m.Version+1, c.now.UTC().Truncate(time.Millisecond)
	// Give a new member a place after all other members.
	if m.place == 0 {
		if err := c.QueryRow(ctx, `SELECT COALESCE(MAX(place), 0) + 1 FROM member WHERE site =
			$1`).Scan(&m.place); err != nil {
			return err
		}
	}
	_, err := c.Exec(ctx, `INSERT INTO member (site, id, version, place, name, language, until_day, blocked, gone,
			note, external, source, changed)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (site, id) DO UPDATE SET version = excluded.version, name = excluded.name, language = excluded.language,
		until_day = excluded.until_day, blocked = excluded.blocked, gone = excluded.gone, note = excluded.note,
		external = excluded.external, source = excluded.source, changed = excluded.changed WHERE member.site = $1`,
		string(m.ID), m.Version, m.place, m.Name, m.Language, until, toInt(m.Blocked), toInt(m.Gone), m.Note, m.External,
		m.Source, millis(m.Changed))
	if err != nil {
		return err
	}
	c.touch(m.ID)
	// Delete all values of the member and write them again in order, because a member has only few values.
	if _, err := c.Exec(ctx, `DELETE FROM member_value WHERE site = $1 AND member = $2`, string(m.ID)); err != nil {
		return err
	}
	for _, kind := range []struct {
		name   string
		values []string
	}{{emailValue, m.Emails}, {subjectValue, m.Subjects}, {guardianValue, m.Guardians}, {fileValue, m.files}} {
		for i, v := range kind.values {
			if _, err := c.Exec(ctx, `INSERT INTO member_value (site, member, kind, place, value) VALUES ($1, $2, $3, $4, $5)`,
				string(m.ID), kind.name, i, v); err != nil {
				return err
			}
		}
	}
	return nil
}

var _ reader = (*store.Tx)(nil)
var _ reader = (*store.Site)(nil)
