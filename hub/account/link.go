package account

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// noRow turns a missing row into ErrCode.
func noRow(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrCode
	}
	return err
}

// LinkPath is the page that an e-mail link opens, with ?code=…. GET shows a button and changes nothing (Link): scanners
// of mail follow links. POST signs in (UseLink).
const LinkPath = "/sign-in/link"

// MailLink sends a link to an e-mail address that the directory knows. The answer is the same where it knows none. The
// link works in the browser whose request ctx comes from, once, for 15 minutes.
func (s *Service) MailLink(ctx context.Context, address string) error {
	if s.o.Mail == nil || !s.o.Settings().Links {
		return ErrNoMail
	}
	if !visitorOf(ctx).session {
		return ErrNoBrowser
	}
	to, err := parseAddress(address)
	if err != nil {
		return err
	}
	r := s.rates()
	if err := s.spend(ctx, limit{r.mailFrom, network(visitorOf(ctx).address)}); err != nil {
		return err
	}
	browser, err := s.browser(ctx, true)
	if err != nil {
		return err
	}
	people, err := s.mayLink(ctx, to)
	if err != nil {
		return err
	}
	code, err := s.newCode(linkCode)
	if err != nil {
		return err
	}
	return s.site.Write(ctx, func(tx *store.Tx) error {
		var full *Throttled
		switch err := s.spendIn(ctx, tx, limit{r.mailTo, to}); {
		case errors.As(err, &full), err == nil && len(people) == 0:
			return nil // nobody learns whether the directory knows the address
		case err != nil:
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
			VALUES ($1, $2, 'link', '', '', $3, $4, $5)`, hashOf(code), to, hashOf(browser), s.now()+linkLife.Milliseconds())
		if err != nil {
			return err
		}
		return s.enqueue(ctx, tx, s.linkMail(to, code, people[0].Language))
	})
}

// parseAddress reads a bare e-mail address. A line feed in it would be a header of a mail.
func parseAddress(address string) (string, error) {
	a, err := mail.ParseAddress(address)
	if err != nil || len(address) > 254 || a.Name != "" || a.Address != strings.TrimSpace(address) ||
		!isPrintable(a.Address) {
		return "", &fault.Invalid{Faults: []fault.Field{{Field: "email", Given: shorten(address, 60),
			Wrong: "not an e-mail address",
			Right: "one address, as in lea@biklab.example"}}}
	}
	return nameKey(a.Address), nil
}

// mayLink are the members whom a link to an address may sign in: never an administrator, an owner, a disabled
// account or a blocked member.
func (s *Service) mayLink(ctx context.Context, address string) ([]Person, error) {
	if s.o.People.ByAddress == nil {
		return nil, nil
	}
	all, err := s.o.People.ByAddress(ctx, address)
	if err != nil {
		return nil, err
	}
	var out []Person
	for _, p := range all {
		x, err := byMember(ctx, s.site, p.ID)
		gone := (*fault.NotFound)(nil)
		if err != nil && !errors.As(err, &gone) {
			return nil, err
		}
		x.Member = p.ID // who has no account yet gets one at the first sign-in
		shut, err := s.isShut(ctx, x)
		if err != nil {
			return nil, err
		}
		if p.ID != "" && !x.isTrusted() && !shut {
			out = append(out, p)
		}
	}
	return out, nil
}

// link is the address of the page. Its host is from the hub's configuration, never from a request.
func (s *Service) link(code string) string {
	u := s.o.URL.JoinPath(LinkPath)
	u.RawQuery = url.Values{"code": {code}}.Encode()
	return u.String()
}

// Link says whom a link would sign in, and changes nothing. Without the browser that asked for it, it returns ErrCode.
func (s *Service) Link(ctx context.Context, code string) ([]Person, error) {
	if err := s.allowed(ctx, s.site, s.guessLimit(ctx)); err != nil {
		return nil, err
	}
	address, err := s.linkAddress(ctx, s.site, code)
	if errors.Is(err, ErrCode) {
		return nil, errors.Join(ErrCode, s.guess(ctx))
	}
	if err != nil {
		return nil, err
	}
	people, err := s.mayLink(ctx, address)
	if err == nil && len(people) == 0 {
		err = ErrCode
	}
	return people, err
}

func (s *Service) linkAddress(ctx context.Context, q oneRow, code string) (address string, err error) {
	browser, err := s.browser(ctx, false)
	if err != nil || browser == "" {
		return "", errors.Join(ErrCode, err)
	}
	err = q.QueryRow(ctx, `SELECT address FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'link' AND browser =
		$3 AND expires > $4`,
		hashOf(ungrouped(code)), hashOf(browser), s.now()).Scan(&address)
	return address, noRow(err)
}

// UseLink signs in by an e-mail link, once. Where the address belongs to several members and member is empty, it
// returns *Choose and the link stays valid.
func (s *Service) UseLink(ctx context.Context, code string, member policy.MemberID) (actor.Actor, error) {
	people, err := s.Link(ctx, code)
	if err != nil {
		return actor.Actor{}, err
	}
	if member == "" && len(people) > 1 {
		return actor.Actor{}, &Choose{Members: people}
	}
	for _, p := range people {
		if member == "" || p.ID == member {
			return s.useOnce(ctx, hashOf(ungrouped(code)), "link", p.ID)
		}
	}
	return actor.Actor{}, ErrCode
}

// useOnce removes a code and signs its member in. Of several who use it at once, one is let in.
func (s *Service) useOnce(ctx context.Context, hash []byte, kind string, m policy.MemberID) (actor.Actor, error) {
	if shut, err := s.isShut(ctx, row{Account: Account{Member: m}}); err != nil || shut {
		return actor.Actor{}, cmp.Or(err, ErrCode)
	}
	var x row
	err := s.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND hash = $2 AND kind = $3 AND expires > $4`,
			hash, kind, s.now())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrCode, err)
		}
		if x, err = s.ofMember(ctx, tx, m); err != nil {
			return err
		}
		if x.isTrusted() || x.Disabled {
			return ErrCode
		}
		_, err = tx.Exec(ctx, `UPDATE account SET seen = $3 WHERE site = $1 AND id = $2`, x.ID, s.now())
		return err
	})
	if err != nil {
		return actor.Actor{}, err
	}
	how := "link"
	if kind != "link" {
		how = "code"
	}
	if err := s.begin(ctx, x, how); err != nil {
		return actor.Actor{}, err
	}
	return s.actorOf(ctx, x)
}

// ofMember is a member's account. A member who signs in for the first time gets one, named by their id.
func (s *Service) ofMember(ctx context.Context, tx *store.Tx, m policy.MemberID) (row, error) {
	x, err := byMember(ctx, tx, m)
	if gone := (*fault.NotFound)(nil); !errors.As(err, &gone) {
		return x, err
	}
	if x, err = s.fresh(Account{Name: string(m), Member: m, Site: actor.Member}); err != nil {
		return row{}, err
	}
	if err := s.unique(ctx, tx, x); err != nil {
		return row{}, err
	}
	tx.Changed(store.Accounts)
	return x, insert(ctx, tx, x)
}

// Bounds of printed codes.
const (
	printedLife  = 90 * 24 * time.Hour
	maxPrinted   = 200 // members at a time
	printedEach  = 10  // codes of a member at most
	printedRight = "1 to 200 members, 1 to 10 codes each"
)

// PrintedCodes makes codes on paper for members without e-mail, each of which signs its member in once, within 90 days.
// A member's earlier codes end. Nobody can make one that signs in an administrator or an owner.
func (s *Service) PrintedCodes(ctx context.Context, a actor.Actor, members []policy.MemberID, each int) ([]Printed,
	error) {
	if err := a.May(actor.WriteMembers, actor.Target{}); err != nil {
		return nil, err
	}
	if len(members) == 0 || len(members) > maxPrinted || each < 1 || each > printedEach {
		return nil, &fault.Invalid{Faults: []fault.Field{{Field: "members", Wrong: "too many or none", Right: printedRight}}}
	}
	people := make([]Person, len(members))
	for i, m := range members {
		people[i] = Person{ID: m}
		if s.o.People.Member != nil {
			var err error
			if people[i], err = s.o.People.Member(ctx, m); err != nil {
				return nil, err
			}
		}
	}
	var out []Printed
	err := s.site.Write(ctx, func(tx *store.Tx) error {
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

func (s *Service) printFor(ctx context.Context, tx *store.Tx, a actor.Actor, p Person, each int) (out []Printed,
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
		code, err := s.newCode(typedCode)
		if err != nil {
			return nil, err
		}
		ends := s.now() + printedLife.Milliseconds()
		_, err = tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
			VALUES ($1, $2, 'printed', '', $3, '', $4, $5)`, hashOf(code), string(p.ID), []byte{}, ends)
		if err != nil {
			return nil, err
		}
		out = append(out, Printed{Member: p.ID, Name: p.Name, Code: grouped(code), Expires: at(ends)})
	}
	return out, s.Audit(ctx, tx, a, actor.WriteMembers, "member "+string(p.ID), "codes printed to sign in with")
}

// UseCode signs in by a printed code, once.
func (s *Service) UseCode(ctx context.Context, code string) (actor.Actor, error) {
	if err := s.guess(ctx); err != nil {
		return actor.Actor{}, err
	}
	var m policy.MemberID
	hash := hashOf(ungrouped(code))
	err := s.site.QueryRow(ctx, `SELECT member FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'printed' AND
		expires > $3`,
		hash, s.now()).Scan(&m)
	if err != nil {
		return actor.Actor{}, noRow(err)
	}
	a, err := s.useOnce(ctx, hash, "printed", m)
	if err != nil {
		return actor.Actor{}, err
	}
	return a, s.goodGuess(ctx)
}
