package account

import (
	"context"
	"errors"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Limits of printed codes.
const (
	printedLife  = 90 * 24 * time.Hour
	maxPrinted   = 200 // members per call
	printedEach  = 10  // maximum number of printed codes per member
	printedRight = "1 to 200 members, 1 to 10 codes each"
)

// PrintedCodes signs members in by codes on paper, for members without e-mail.
type PrintedCodes struct {
	core   *core
	limits *throttle
	member func(context.Context, policy.MemberID) (Person, error) // looks up a member; nil: Print accepts every id
	codes  *oneTimeCodes
}

// Print creates codes on paper for members without e-mail. A member can sign in once with each code, within 90 days. A
// member's earlier codes become invalid. The actor needs actor.WriteMembers. Print refuses a member who is an
// administrator or an owner, because otherwise an actor who may only change members could sign in as an administrator.
// If one member is refused, Print creates no codes.
func (s *PrintedCodes) Print(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]Printed,
	error) {
	if err := a.May(actor.WriteMembers, actor.Target{}); err != nil {
		return nil, err
	}
	if len(members) == 0 || len(members) > maxPrinted || each < 1 || each > printedEach {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "members", Wrong: "too many or none", Right: printedRight}}}
	}
	// Look up all members before writing anything.
	people := make([]Person, len(members))
	for i, m := range members {
		people[i] = Person{ID: m}
		if s.member != nil {
			var err error
			if people[i], err = s.member(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	var out []Printed
	err := s.core.site.Write(ctx, func(tx *store.Tx) error {
		for _, p := range people {
			some, err := s.printFor(ctx, tx, a, p, each)
			if err != nil {
				return err
			}
			out = append(out, some...)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// printFor replaces the printed codes of one member by new codes. The database stores only the hashes of the codes.
func (s *PrintedCodes) printFor(ctx context.Context, tx *store.Tx, a actor.Actor, p Person, each int) (out []Printed,
	err error) {
	x, err := byMember(ctx, tx, p.ID)
	if gone := (*fault.NotFound)(nil); err != nil && !errors.As(err, &gone) {
		return nil, err
	}
	if x.isTrusted() || p.ID == "" {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "members", Given: shorten(string(p.ID), 60),
			Wrong: "administrators and owners sign in with a password", Right: "a member without such a role"}}}
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND kind = 'printed' AND member = $2`,
		string(p.ID)); err != nil {
		return nil, err
	}
	for range each {
		code, err := s.core.newCode(typedCode)
		if err != nil {
			return nil, err
		}
		ends := s.core.now() + printedLife.Milliseconds()
		_, err = tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
			VALUES ($1, $2, 'printed', '', $3, '', $4, $5)`, hashOf(code), string(p.ID), []byte{}, ends)
		if err != nil {
			return nil, err
		}
		out = append(out, Printed{Member: p.ID, Name: p.Name, Code: groupCode(code), Expires: timeOf(ends)})
	}
	return out, s.core.audit(ctx, tx, a, actor.WriteMembers, "member "+string(p.ID), "codes printed to sign in with")
}

// UseCode signs in the member to whom a printed code belongs. Each code works only once. The error is ErrCode, or
// *Throttled after ten wrong codes from an address.
func (s *PrintedCodes) UseCode(ctx context.Context, code string) (actor.Actor, error) {
	if err := s.limits.spendGuess(ctx); err != nil {
		return actor.Actor{}, err
	}
	var m policy.MemberID
	hash := hashOf(parseTypedCode(code))
	err := s.core.site.QueryRow(ctx, `SELECT member FROM account_code
		WHERE site = $1 AND hash = $2 AND kind = 'printed' AND expires > $3`,
		hash, s.core.now()).
		Scan(&m)
	if err != nil {
		return actor.Actor{}, convertMissingRow(err)
	}
	a, err := s.codes.signIn(ctx, hash, "printed", m)
	if err != nil {
		return actor.Actor{}, err
	}
	return a, s.limits.refundGuess(ctx)
}
