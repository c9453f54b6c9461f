package webtest

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/visitor"
	"portillon/policy"
)

// VisitCode is the code that the site mails to every visitor.
const VisitCode = "K7QF2-M9X"

// visits are the visits of the site.
type visits struct {
	all    []visitor.Visit
	values visitor.Values
}

// VisitorSettings implements web.VisitorSettings.
type VisitorSettings struct{ Site *Site }

// Desk implements web.VisitorDesk. A badge whose text contains "expired" is not valid, one with "unknown" is of an
// issuer that the policy does not accept, and every other text is a valid badge of lea@other.example.
type Desk struct{ Site *Site }

// Arrivals implements web.Arrivals. The key of a visit is its id.
type Arrivals struct{ Site *Site }

// addVisits adds a person who waits, a person who visits and a person who has left.
func addVisits(s *Site) {
	today := policy.DateOf(s.now, Paris())
	waiting := visitor.Visit{ID: "v-nora", Version: 1, Made: s.now.Add(-4 * time.Minute), Name: "Nora Lind",
		Language: "en", Address: "nora@other.example", Report: goodReport(), Mailed: s.now.Add(-4 * time.Minute)}
	s.directory.visits = visits{values: visitor.Values{Version: 1, Days: 1, Keep: 30}, all: []visitor.Visit{waiting,
		{ID: "v-in", Version: 3, Made: s.now.Add(-2 * time.Hour), Stay: visitor.Stay{Member: "m-tom", Until: today,
			Erase: today.AddDays(30)}},
		{ID: "v-past", Version: 4, Made: s.now.AddDate(0, 0, -9), Stay: visitor.Stay{Member: "m-malik",
			Until: today.AddDays(-9), Erase: today.AddDays(21), Ended: s.now.AddDate(0, 0, -8)}}}}
}

// goodReport returns the report about a valid badge of another lab.
func goodReport() visitor.Report {
	return visitor.Report{Badge: "Laser cutting, autonomous", Issuer: "did:web:other.example", Verdict: "valid",
		Checks: []visitor.Check{{Code: "form", OK: true, Outcome: "ok"}, {Code: "proof", OK: true, Outcome: "ok"},
			{Code: "dates", OK: true, Outcome: "ok"}}, Local: "laser-user",
		Recipient: visitor.Recipient{Readable: true, Addresses: []string{"lea@other.example"}},
		Machines: []visitor.Machine{{ID: "laser", Verdict: "allow", Role: policy.User},
			{ID: "fdm", Verdict: "deny", Fact: policy.Text{FR: "Il vous manque « Impression 3D FDM - 1er pas »",
				EN: "You need “3D printing - first steps”"}, Next: policy.Text{FR: "Prochaine étape : voir un mentor",
				EN: "Next step: see a mentor"}},
			{ID: "vinyl", Verdict: "await", Role: policy.Learner}}}
}

// Get returns the settings of visits.
func (d VisitorSettings) Get(_ context.Context, a actor.Actor) (visitor.Values, error) {
	leave, err := d.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return visitor.Values{}, err
	}
	defer leave()
	return d.Site.directory.visits.values, nil
}

// Change changes the settings of visits, and refuses a length of 0 days.
func (d VisitorSettings) Change(_ context.Context, a actor.Actor, version int64,
	change func(*visitor.Values) error) (visitor.Values, error) {
	leave, err := d.Site.enter(a, actor.WriteSettings, actor.Target{})
	if err != nil {
		return visitor.Values{}, err
	}
	defer leave()
	v := d.Site.directory.visits.values
	if v.Version != version {
		return v, &fault.Conflict{What: "settings", ID: "visitors", Have: v.Version, Got: version}
	}
	if err := change(&v); err != nil {
		return v, err
	}
	if v.Days == 0 {
		return v, bad("days", "0", "not a length of a visit", "1 to 31 days")
	}
	v.Version++
	d.Site.directory.visits.values = v
	return v, nil
}

// List returns all visits.
func (d Desk) List(_ context.Context, a actor.Actor) (visitor.Overview, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return visitor.Overview{}, err
	}
	defer leave()
	v := d.Site.directory.visits
	out := visitor.Overview{Self: v.values.Self, Mails: true, Days: v.values.Days, Keep: v.values.Keep,
		Today: policy.DateOf(d.Site.now, Paris())}
	for _, x := range v.all {
		switch {
		case x.Stay.Member == "":
			out.Waiting = append(out.Waiting, x)
		case x.Stay.Ended.IsZero():
			out.Inside = append(out.Inside, x)
		default:
			out.Past = append(out.Past, x)
		}
	}
	return out, nil
}

// visitOf returns a visit; nil: it does not exist.
func visitOf(s *Site, id string) *visitor.Visit {
	for i := range s.directory.visits.all {
		if s.directory.visits.all[i].ID == id {
			return &s.directory.visits.all[i]
		}
	}
	return nil
}

// Get returns a visit.
func (d Desk) Get(_ context.Context, a actor.Actor, id string) (visitor.Visit, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return visitor.Visit{}, err
	}
	defer leave()
	if v := visitOf(d.Site, id); v != nil {
		return *v, nil
	}
	return visitor.Visit{}, missing("visit", id)
}

// Bring adds a visit.
func (d Desk) Bring(_ context.Context, a actor.Actor, b visitor.Brought, p visitor.Person) (visitor.Visit, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return visitor.Visit{}, err
	}
	defer leave()
	return bring(d.Site, b, p)
}

// bring adds a visit, or returns why the badge lets nobody in.
func bring(s *Site, b visitor.Brought, p visitor.Person) (visitor.Visit, error) {
	text, r := string(b.Data)+b.Text, goodReport()
	r.Recipient.Matches = slices.Contains(r.Recipient.Addresses, p.Address)
	switch {
	case text == "":
		return visitor.Visit{}, bad("badge", "", "there is no badge", "the badge's text, or its address")
	case strings.Contains(text, "expired"):
		r.Verdict, r.Checks[2] = "invalid", visitor.Check{Code: "dates", Outcome: "expired", Detail: "valid until 2025-01-31"}
		r.Machines = []visitor.Machine{{ID: "laser", Verdict: "deny", Fact: policy.Text{FR: "Votre badge a expiré",
			EN: "Your badge has expired"}, Next: r.Machines[1].Next}}
	case strings.Contains(text, "unknown"):
		r.Local, r.Machines = "", slices.DeleteFunc(r.Machines, func(m visitor.Machine) bool { return m.Verdict != "deny" })
	}
	if reason := r.Refuse(p.Address); reason != "" {
		return visitor.Visit{}, &visitor.Refused{Report: r, Reason: reason}
	}
	v := visitor.Visit{ID: s.next("v-new"), Version: 1, Made: s.now, Name: p.Name, Language: p.Language,
		Address: r.Recipient.Addresses[0], Report: r, Mailed: s.now}
	s.directory.visits.all = append([]visitor.Visit{v}, s.directory.visits.all...)
	return v, nil
}

// change calls f with a visit of the site.
func (d Desk) change(a actor.Actor, id string, f func(*visitor.Visit) error) error {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	v := visitOf(d.Site, id)
	if v == nil {
		return missing("visit", id)
	}
	v.Version++
	return f(v)
}

// MailCode mails VisitCode again.
func (d Desk) MailCode(_ context.Context, a actor.Actor, id string) error {
	return d.change(a, id, func(v *visitor.Visit) error { v.Mailed = d.Site.now; return nil })
}

// prove checks a code, and stores proof and consent.
func prove(s *Site, v *visitor.Visit, code string, identity, consent bool) error {
	switch {
	case v.Proof.Kind != "":
	case code == VisitCode:
		v.Proof = visitor.Proven{Kind: visitor.ByMail, At: s.now}
	case code != "":
		return bad("code", "", "the code is wrong, was used, or is too old", "the code of the last mail")
	case identity:
		v.Proof = visitor.Proven{Kind: visitor.Identity, At: s.now}
	}
	if consent && v.Consent.At.IsZero() {
		v.Consent = visitor.Consented{Version: visitor.ConsentVersion, At: s.now}
	}
	return nil
}

// LetIn lets a visitor in, and removes the tap of the card from the list.
func (d Desk) LetIn(_ context.Context, a actor.Actor, id string, _ int64, e visitor.Entry) (out visitor.Visit,
	err error) {
	err = d.change(a, id, func(v *visitor.Visit) error {
		e.Name = cmp.Or(e.Name, v.Name)
		today, days := policy.DateOf(d.Site.now, Paris()), d.Site.directory.visits.values.Days
		if faults := visitor.Missing(*v, e, today, days); faults != nil {
			return &fault.Invalid{Faults: faults}
		}
		if err := prove(d.Site, v, e.Code, e.Identity, e.Consent); err != nil {
			return err
		}
		v.Stay = visitor.Stay{Member: policy.MemberID(d.Site.next("m-visitor")), Until: e.Until, Erase: e.Until.AddDays(30)}
		v.Name, v.Report = "", visitor.Report{}
		d.Site.directory.taps = slices.DeleteFunc(d.Site.directory.taps,
			func(t directory.Tap) bool { return t.ID == e.Tap })
		out = *v
		return nil
	})
	return out, err
}

// Dismiss forgets a visit.
func (d Desk) Dismiss(_ context.Context, a actor.Actor, id string) error {
	return d.change(a, id, func(*visitor.Visit) error {
		d.Site.directory.visits.all = slices.DeleteFunc(d.Site.directory.visits.all,
			func(v visitor.Visit) bool { return v.ID == id })
		return nil
	})
}

// End ends a visit.
func (d Desk) End(_ context.Context, a actor.Actor, id string) error {
	return d.change(a, id, func(v *visitor.Visit) error { v.Stay.Ended = d.Site.now; return nil })
}

// Form returns the number of days of the text of the consent, if visitors may use their own phone.
func (d Arrivals) Form(context.Context) (int, error) {
	d.Site.mu.Lock()
	defer d.Site.mu.Unlock()
	if !d.Site.directory.visits.values.Self {
		return 0, missing("page", "")
	}
	return d.Site.directory.visits.values.Keep, d.Site.broken
}

// Bring adds a visit.
func (d Arrivals) Bring(_ context.Context, b visitor.Brought, p visitor.Person) (string, error) {
	d.Site.mu.Lock()
	defer d.Site.mu.Unlock()
	v, err := bring(d.Site, b, p)
	return v.ID, err
}

// Get returns a visit.
func (d Arrivals) Get(_ context.Context, key string) (visitor.Visit, error) {
	d.Site.mu.Lock()
	defer d.Site.mu.Unlock()
	if v := visitOf(d.Site, key); v != nil && v.Stay.Member == "" {
		return *v, nil
	}
	return visitor.Visit{}, missing("visit", key)
}

// Confirm stores proof and consent.
func (d Arrivals) Confirm(_ context.Context, key, code string, consent bool) (visitor.Visit, error) {
	d.Site.mu.Lock()
	defer d.Site.mu.Unlock()
	v := visitOf(d.Site, key)
	if v == nil {
		return visitor.Visit{}, missing("visit", key)
	}
	if v.Consent.At.IsZero() && !consent {
		return *v, bad("consent", "", "the visitor has not consented", "a consent to the text on this page")
	}
	return *v, prove(d.Site, v, code, false, consent)
}

// PermitPhones permits visits on the visitor's own phone.
func PermitPhones(s *Site) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.directory.visits.values.Self = true
}
