package hub

import (
	"context"
	"errors"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/store"
	"portillon/hub/visitor"
	"portillon/hub/web"
	"portillon/policy"
)

// openVisitors opens the visits of people with a badge of another lab.
func openVisitors(h *Hub) (err error) {
	sv, pages := h.services, h.pagesServer
	d := visitorDirectory{sv.directory, sv.directory.Visitors()}
	pages.visitors, err = visitor.New(context.Background(), visitor.Options{
		Site:  h.core.db.Site(h.core.c.Site),
		Now:   h.core.now,
		Log:   h.core.log,
		Zone:  func() *time.Location { return sv.policies.zone() },
		Audit: sv.audit.Append,
		Codes: visitorCodes{sv.accounts.AddressCodes},
		Directory: visitor.Directory{Examine: d.examine, Admit: d.admit, End: d.visitors.End,
			Erase: d.erase},
	})
	return err
}

// pageVisitors returns the services of package visitor that the pages call.
func pageVisitors(v *visitor.Services) web.Visitors {
	return web.Visitors{Settings: v.Settings, Desk: v.Desk, Arrivals: v.Arrivals}
}

// visitorCodes mails codes to visitors, and converts the error of a wrong code.
type visitorCodes struct{ *account.AddressCodes }

// Prove implements visitor.Codes.
func (c visitorCodes) Prove(ctx context.Context, subject, address, code string) error {
	err := c.AddressCodes.Prove(ctx, subject, address, code)
	if errors.Is(err, account.ErrCode) {
		return visitor.ErrCode
	}
	return err
}

// visitorDirectory has the functions of the directory that package visitor calls.
type visitorDirectory struct {
	directory *directory.Services
	visitors  *directory.Visitors
}

// examine verifies the badge that a person brings.
func (d visitorDirectory) examine(ctx context.Context, a actor.Actor, b visitor.Brought,
	address string) (visitor.Examined, error) {
	x, err := d.visitors.Examine(ctx, a, directory.Brought{Name: b.File, Data: b.Data, URL: b.Text}, address)
	if err != nil {
		return visitor.Examined{}, err
	}
	return visitor.Examined{Report: visitorReport(x), File: x.File, Data: x.Data}, nil
}

// visitorReport converts what the directory says about a badge.
func visitorReport(x directory.Examined) visitor.Report {
	out := visitor.Report{Badge: x.Badge.Name, Issuer: x.Badge.Issuer, Verdict: x.Badge.Verdict, Why: x.Why,
		Local: x.Badge.Local, Holder: x.Holder, Recipient: visitor.Recipient{Readable: x.Badge.Issuer != "",
			Addresses: x.Addresses, Hashed: x.Hashed, Subject: x.Subject, Matches: x.IsRecipient}}
	for _, m := range x.Matches {
		out.Own = out.Own || m.Other == nil
	}
	for _, c := range x.Badge.Checks {
		out.Checks = append(out.Checks, visitor.Check(c))
	}
	for _, m := range x.Machines {
		to := visitor.Machine{ID: m.Machine, Verdict: m.Verdict.String(), Fact: m.Why.Fact, Next: m.Why.Next}
		if m.Verdict != policy.Deny {
			to.Role = m.Role
		}
		out.Machines = append(out.Machines, to)
	}
	return out
}

// admit adds a visitor to the directory.
func (d visitorDirectory) admit(ctx context.Context, a actor.Actor, x visitor.Admission) (policy.MemberID, error) {
	return d.visitors.Admit(ctx, a, directory.Admission{Name: x.Name, Language: x.Language, Email: x.Email,
		Subject: x.Subject, Until: x.Until, Tap: x.Tap, Number: x.Number, Also: x.Also,
		Badge: directory.Brought{Name: x.File, Data: x.Data, URL: x.Origin}})
}

// erase erases a visitor from the directory.
func (d visitorDirectory) erase(ctx context.Context, a actor.Actor, id policy.MemberID) error {
	m, err := d.directory.Members.Get(ctx, a, id)
	if err != nil {
		return err
	}
	return d.directory.Erasures.Erase(ctx, a, id, m.Version)
}

// forgetMember removes the data of an erased member that other services than the directory store.
func (p *pagesServer) forgetMember(ctx context.Context, tx *store.Tx, a actor.Actor, id policy.MemberID,
	addresses []string) error {
	if err := p.visitors.Forget(ctx, tx, id); err != nil {
		return err
	}
	return p.issuing.forgetMember(ctx, tx, a, id, addresses)
}

// mergeMember moves the data of a merged member that other services than the directory store.
func (p *pagesServer) mergeMember(ctx context.Context, tx *store.Tx, a actor.Actor, keep, drop policy.MemberID) error {
	if err := p.visitors.Forget(ctx, tx, keep, drop); err != nil {
		return err
	}
	return p.issuing.mergeMember(ctx, tx, a, keep, drop)
}

// people returns the functions of the directory that the accounts call. A visitor may read only their own record,
// so no role at the hub follows from a visitor's badges or account.
func (p *pagesServer) people() account.People {
	out := p.services.people()
	standing := out.Standing
	out.Standing = func(ctx context.Context, id policy.MemberID) (account.Standing, error) {
		of, err := standing(ctx, id)
		if err != nil || of != account.Current && of != account.Lapsed {
			return of, err
		}
		visits, err := p.visitors.IsVisitor(ctx, id)
		switch {
		case err != nil:
			return "", err
		case visits:
			return account.Visitor, nil
		}
		return of, nil
	}
	return out
}
