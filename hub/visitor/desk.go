package visitor

import (
	"cmp"
	"context"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// Desk lets visitors in, for administrators. Every method needs actor.WriteMembers. The methods that change the
// directory also need the directory's rights about badges and cards.
type Desk struct{ visits *visits }

// Overview are the visits of a site.
type Overview struct {
	Waiting []Visit // people whom nobody has let in, the newest first
	Inside  []Visit // people who are let in
	Past    []Visit // people whose stay has ended, and whose data are not erased yet
	Self    bool    // visitors may bring their badge on their own phone
	Mails   bool    // the hub can mail codes
	Days    int     // longest visit
	Keep    int     // days after a visit until the data are erased
	Today   policy.Date
}

// may returns nil if the actor may let visitors in.
func may(a actor.Actor) error { return a.May(actor.WriteMembers, actor.Target{}) }

// List returns all visits.
func (s *Desk) List(ctx context.Context, a actor.Actor) (Overview, error) {
	if err := may(a); err != nil {
		return Overview{}, err
	}
	all, err := s.visits.all(ctx)
	if err != nil {
		return Overview{}, err
	}
	now := s.visits.settings.current()
	out := Overview{Self: now.Self, Mails: s.visits.o.Codes.Sends(), Days: now.Days, Keep: now.Keep,
		Today: s.visits.o.today()}
	for _, v := range all {
		switch {
		case v.Stay.Member == "":
			out.Waiting = append(out.Waiting, v.Visit)
		case v.Stay.Ended.IsZero():
			out.Inside = append(out.Inside, v.Visit)
		default:
			out.Past = append(out.Past, v.Visit)
		}
	}
	return out, nil
}

// Get returns a visit. The error is *fault.NotFound if the visit does not exist.
func (s *Desk) Get(ctx context.Context, a actor.Actor, id string) (Visit, error) {
	if err := may(a); err != nil {
		return Visit{}, err
	}
	v, err := load(ctx, s.visits.o.Site, id)
	return v.Visit, err
}

// Bring verifies the badge of a person, stores the visit, and mails a code to the badge's address if the hub knows
// the address. The error is *Refused for a badge that lets nobody in.
func (s *Desk) Bring(ctx context.Context, a actor.Actor, b Brought, p Person) (Visit, error) {
	if err := cmp.Or(may(a), a.May(actor.WriteBadges, actor.Target{})); err != nil {
		return Visit{}, err
	}
	v, _, err := s.visits.bring(ctx, a, b, p, false)
	return v, err
}

// MailCode mails a new code to the address of a visit.
func (s *Desk) MailCode(ctx context.Context, a actor.Actor, id string) error {
	if err := may(a); err != nil {
		return err
	}
	v, err := load(ctx, s.visits.o.Site, id)
	if err != nil {
		return err
	}
	if v.Address == "" || !s.visits.o.Codes.Sends() { // the visit of somebody who is in has no address any more
		return &fault.Invalid{Faults: []fault.Field{{Field: "code", Wrong: "the hub cannot mail a code to this visitor",
			Right: "an identity that you saw"}}}
	}
	return s.visits.mail(ctx, &v)
}

// LetIn makes a person a member with the badge and a card, until a day. The error is *fault.Invalid if something is
// missing (Missing), the code is wrong or the person is already in; *fault.Conflict if the visit has another
// version; or an error of Directory.Admit. If the error is about the card, proof and consent are stored.
func (s *Desk) LetIn(ctx context.Context, a actor.Actor, id string, version int64, e Entry) (Visit, error) {
	if err := may(a); err != nil {
		return Visit{}, err
	}
	v, err := load(ctx, s.visits.o.Site, id)
	if err != nil {
		return Visit{}, err
	}
	if v.Stay.Member != "" {
		return Visit{}, &fault.Invalid{Faults: []fault.Field{{Field: "card", Wrong: "the visitor is in already, with a card",
			Right: "another card on the member's page"}}}
	}
	if v.Version != version {
		return Visit{}, &fault.Conflict{What: "visit", ID: id, Have: v.Version, Got: version}
	}
	p, err := Person{Name: cmp.Or(e.Name, v.Name)}.tidy()
	if err != nil {
		return Visit{}, err
	}
	e.Name = p.Name
	now := s.visits.settings.current()
	if faults := Missing(v.Visit, e, s.visits.o.today(), now.Days); len(faults) > 0 {
		return Visit{}, &fault.Invalid{Faults: faults}
	}
	if err := s.visits.prove(ctx, a, &v, e.Code, e.Identity, e.Consent); err != nil {
		return Visit{}, err
	}
	return s.visits.admit(ctx, a, &v, e, now.Keep)
}

// admit makes the person of a visit a member, and removes from the visit what names the person.
func (s *visits) admit(ctx context.Context, a actor.Actor, v *stored, e Entry, keep int) (Visit, error) {
	x := Admission{Name: e.Name, Language: v.Language, Email: v.Address, Until: e.Until, File: v.file, Origin: v.origin,
		Data: v.data, Tap: e.Tap, Number: e.Number}
	if x.Email == "" {
		x.Subject = v.Report.Recipient.Subject
	}
	after := *v
	x.Also = func(ctx context.Context, tx *store.Tx, id policy.MemberID) error {
		after.Stay = Stay{Member: id, Until: e.Until, Erase: e.Until.AddDays(keep)}
		return cmp.Or(update(ctx, tx, &after), anonymise(ctx, tx, v.ID))
	}
	limited, cancel := context.WithTimeout(ctx, examineTime) // the directory may ask the issuer again
	defer cancel()
	if _, err := s.o.Admit(limited, a, x); err != nil {
		return Visit{}, err
	}
	after.Name, after.Address, after.Report = "", "", Report{}
	return after.Visit, nil
}

// Dismiss forgets a person whom nobody has let in.
func (s *Desk) Dismiss(ctx context.Context, a actor.Actor, id string) error {
	if err := may(a); err != nil {
		return err
	}
	v, err := load(ctx, s.visits.o.Site, id)
	if err != nil {
		return err
	}
	if v.Stay.Member != "" {
		return &fault.Invalid{Faults: []fault.Field{{Field: "visit", Wrong: "the visitor is in already",
			Right: "the end of the visit"}}}
	}
	return s.visits.forget(ctx, a, id, "dismissed")
}

// forget removes a visit.
func (s *visits) forget(ctx context.Context, a actor.Actor, id, why string) error {
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		return cmp.Or(remove(ctx, tx, id), s.o.Audit(ctx, tx, a, actor.WriteMembers, "visit "+id, why))
	})
}

// End ends a visit before its last day: End blocks the member and removes the card.
func (s *Desk) End(ctx context.Context, a actor.Actor, id string) error {
	if err := may(a); err != nil {
		return err
	}
	v, err := load(ctx, s.visits.o.Site, id)
	if err != nil {
		return err
	}
	if v.Stay.Member == "" || !v.Stay.Ended.IsZero() {
		return &fault.Invalid{Faults: []fault.Field{{Field: "visit", Wrong: "the visitor is not in",
			Right: "a visitor who is in"}}}
	}
	return s.visits.end(ctx, a, &v)
}

// end ends a visit. The visitor's data are erased some days later, as after a visit that ended by itself.
func (s *visits) end(ctx context.Context, a actor.Actor, v *stored) error {
	if err := s.o.End(ctx, a, v.Stay.Member); err != nil {
		return err
	}
	v.Stay.Ended = s.o.Now()
	if today := s.o.today(); today.Before(v.Stay.Until) {
		v.Stay.Erase = today.AddDays(s.settings.current().Keep)
	}
	return s.o.Site.Write(ctx, func(tx *store.Tx) error { return update(ctx, tx, v) })
}
