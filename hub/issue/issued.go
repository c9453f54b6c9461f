package issue

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Issued is a badge that the hub has issued.
type Issued struct {
	ID         string          `json:"id"`
	Badge      policy.BadgeID  `json:"badge"`
	Member     policy.MemberID `json:"member,omitempty"`     // empty: the member was erased
	Credential string          `json:"credential,omitempty"` // id of the badge in the directory
	By         string          `json:"by"`                   // name of the account that decided
	Why        string          `json:"why"`
	Evidence   Evidence        `json:"evidence,omitzero"`
	At         time.Time       `json:"issued"`
	Until      time.Time       `json:"expires,omitzero"`
	Entry      Entry           `json:"status"`
	Revoked    *Revocation     `json:"revoked,omitempty"`
	Undoable   bool            `json:"undoable"` // true: Undo can still take the badge back
}

// Entry is the place of a badge in the site's status lists.
type Entry struct {
	List  int `json:"list"`
	Index int `json:"index"`
}

// Revocation says when, by whom and why a badge was revoked.
type Revocation struct {
	At     time.Time `json:"at"`
	By     string    `json:"by"`
	Reason string    `json:"reason,omitempty"`
	Undone bool      `json:"undone"` // true: the badge was taken back by Undo
}

// Filter selects issued badges. A filter with only empty fields selects all.
type Filter struct {
	Member policy.MemberID
	Badge  policy.BadgeID
}

// Page selects a part of a list.
type Page struct {
	After string // cursor that the previous page returned; empty: the first page
	Limit int    // number of badges: at most 500; 0 means 50
}

// columns are the columns that scan reads.
const columns = `id, badge, member, credential, decided_by, why, evidence, issued, expires, list, entry, revoked,
	revoked_by, reason, undone`

// scan reads a badge from a row.
func (s *Service) scan(row interface{ Scan(...any) error }) (Issued, error) {
	var n Issued
	var r Revocation
	var evidence string
	var issued, expires, revoked, undone int64
	err := row.Scan(&n.ID, &n.Badge, &n.Member, &n.Credential, &n.By, &n.Why, &evidence, &issued, &expires, &n.Entry.List,
		&n.Entry.Index, &revoked, &r.By, &r.Reason, &undone)
	if err != nil {
		return n, err
	}
	n.At, n.Until = fromMillis(issued), fromMillis(expires)
	if r.At, r.Undone = fromMillis(revoked), undone != 0; revoked != 0 {
		n.Revoked = &r
	}
	n.Undoable = n.Revoked == nil && n.Member != "" && s.o.Now().Sub(n.At) < undoWithin
	return n, json.Unmarshal([]byte(evidence), &n.Evidence)
}

// Issued lists the badges that the hub has issued, the newest first. next is the cursor of the next page; empty: this
// page is the last. The actor needs actor.AwardBadges.
func (s *Service) Issued(ctx context.Context, a actor.Actor, f Filter, p Page) (out []Issued, next string, err error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return nil, "", err
	}
	before, id, err := parseCursor(p.After)
	if err != nil {
		return nil, "", err
	}
	limit := min(p.Limit, 500)
	if limit <= 0 {
		limit = 50
	}
	rows, err := s.o.Site.Query(ctx, `SELECT `+columns+` FROM issue_badge WHERE site = $1
		AND (issued < $2 OR issued = $2 AND id > $3) AND ($4 = '' OR member = $4) AND ($5 = '' OR badge = $5)
		ORDER BY issued DESC, id LIMIT $6`, before, id, string(f.Member), string(f.Badge), int64(limit+1))
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	out = []Issued{}
	for rows.Next() {
		n, err := s.scan(rows)
		if err != nil {
			return nil, "", err
		}
		if len(out) == limit {
			last := out[limit-1]
			return out, fmt.Sprintf("%d %s", millis(last.At), last.ID), nil
		}
		out = append(out, n)
	}
	return out, "", rows.Err()
}

// parseCursor parses the cursor of a page: time and id of the last badge of the page before.
func parseCursor(after string) (before int64, id string, err error) {
	if after == "" {
		return 1<<62 - 1, "", nil
	}
	at, id, _ := strings.Cut(after, " ")
	if before, err = strconv.ParseInt(at, 10, 62); err != nil {
		return 0, "", invalid("after", after, "not a cursor of this list", "begin again, without after")
	}
	return before, id, nil
}

// get reads one badge. The error is *fault.NotFound if there is no such badge.
func (s *Service) get(ctx context.Context, id string) (Issued, error) {
	n, err := s.scan(s.o.Site.QueryRow(ctx, `SELECT `+columns+` FROM issue_badge WHERE site = $1 AND id = $2`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return n, &fault.NotFound{What: "badge", ID: clip(id, 64)}
	}
	return n, err
}

// Get returns one badge that the hub has issued. The actor needs actor.AwardBadges.
func (s *Service) Get(ctx context.Context, a actor.Actor, id string) (Issued, error) {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return Issued{}, err
	}
	return s.get(ctx, id)
}

// Undo takes a badge back within an hour after its issue: the member loses the badge, and verifiers find it revoked.
// The actor needs actor.AwardBadges. The error is *fault.Invalid if the hour is over or the badge is revoked.
func (s *Service) Undo(ctx context.Context, a actor.Actor, id string) error {
	return s.withdraw(ctx, a, id, Revocation{Undone: true})
}

// Revoke revokes a badge. The member keeps the badge, which no machine accepts any more. The actor needs
// actor.AwardBadges. The error is *fault.Invalid if the reason is missing or the badge is revoked already.
func (s *Service) Revoke(ctx context.Context, a actor.Actor, id, reason string) error {
	return s.withdraw(ctx, a, id, Revocation{Reason: strings.TrimSpace(reason)})
}

// withdraw revokes a badge. With r.Undone, withdraw also removes the badge from the member.
func (s *Service) withdraw(ctx context.Context, a actor.Actor, id string, r Revocation) error {
	if err := a.May(actor.AwardBadges, actor.Target{}); err != nil {
		return err
	}
	s.changing.Lock()
	defer s.changing.Unlock()
	n, err := s.get(ctx, id)
	if err != nil {
		return err
	}
	if err := n.checkWithdrawal(r); err != nil {
		return err
	}
	l, err := s.lists.read(ctx, n.Entry.List)
	if err != nil {
		return err
	}
	l.draft.Set = append(l.draft.Set, n.Entry.Index)
	if err := s.lists.sign(l); err != nil {
		return err
	}
	ch, verb := Change{Lists: map[string][]byte{l.draft.ID: l.data}}, "revoked"
	switch held := (Credential{Member: n.Member, ID: n.Credential}); {
	case n.Member == "": // the member was erased, with the badge
	case r.Undone:
		ch.Remove, verb = []Credential{held}, "taken back"
	default:
		ch.Check = []Credential{held}
	}
	now := s.o.now()
	return s.o.Apply(ctx, a, ch, func(tx *store.Tx) (string, error) {
		_, err := tx.Exec(ctx, `UPDATE issue_badge SET revoked = $3, revoked_by = $4, revoked_member = $5, reason = $6,
			undone = $7 WHERE site = $1 AND id = $2`, id, millis(now), a.Name, string(a.Member), r.Reason, toInt(r.Undone))
		if err != nil {
			return "", err
		}
		return fmt.Sprintf("badge %s %s", n.Badge, verb), l.save(ctx, tx, now)
	})
}

// checkWithdrawal returns *fault.Invalid if a badge cannot be revoked in this way.
func (n Issued) checkWithdrawal(r Revocation) error {
	switch {
	case n.Revoked != nil:
		return invalid("badge", n.ID, "the badge is revoked already", "")
	case r.Undone && !n.Undoable:
		return invalid("badge", n.ID, "more than an hour has passed since the badge was issued",
			"revoke the badge with a reason")
	case !r.Undone && r.Reason == "":
		return invalid("reason", "", "a reason is needed", fmt.Sprintf("1 to %d bytes", maxWhy))
	}
	if faults := checkText("reason", r.Reason, maxWhy); len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	return nil
}

// toInt returns a boolean as the database stores it: 1 or 0.
func toInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
