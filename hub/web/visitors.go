package web

import (
	"cmp"
	"errors"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/visitor"
	"portillon/policy"
)

// visitorPages serves the pages on which administrators let in people with a badge of another lab.
type visitorPages struct {
	visitors Visitors
	members  Members
	taps     Taps
	now      func() time.Time
}

// routes returns the pages and forms of visitors.
func (p *visitorPages) routes() []route {
	return []route{
		{"GET /visitors", p.list}, {"POST /visitors", p.bring}, {"POST /visitors/settings", p.settings},
		{"GET /visitors/{visit}", p.visit}, {"POST /visitors/{visit}", p.letIn}, {"POST /visitors/{visit}/code", p.code},
		{"POST /visitors/{visit}/dismiss", p.dismiss}, {"POST /visitors/{visit}/end", p.end},
	}
}

// visitorsPage is the data of the list of visits, with the form of a new visit.
type visitorsPage struct {
	visitor.Overview
	Bring    form
	Refused  *visitor.Refused // the badge that was just brought lets nobody in
	Settings *form            // nil: the user may not change the settings
	names    map[policy.MemberID]string
}

// NameOf returns the name of a visitor who was let in, or the id if the user may not read names.
func (d visitorsPage) NameOf(id policy.MemberID) string { return cmp.Or(d.names[id], string(id)) }

// bringForm returns the form of a new visit. With who, the form also asks for the name. At the desk, the address has
// the focus, and on the next page the name, so that an administrator begins to type without a click.
func bringForm(action string, who bool) form {
	f := form{ID: "bring", Action: action, Submit: "visitor.check", Upload: true, Fields: []field{
		{Name: "address", Kind: "email", Label: "visitor.address", Hint: "visitor.address.hint", Auto: "off",
			First: true},
		{Name: "file", Kind: "file", Label: "visitor.file", Hint: "visitor.file.hint"},
		{Name: "badge", Kind: "area", Rows: 2, Label: "visitor.text", Hint: "visitor.text.hint"},
	}}
	if who {
		f.Fields[0].Auto, f.Fields[0].First = "email", false
		f.Fields = append([]field{{Name: "name", Kind: "text", Label: "visitor.name", Required: true, Auto: "name"}},
			f.Fields...)
	}
	return f
}

// visitorSettings returns the form of the settings of visits.
func visitorSettings(v visitor.Values) *form {
	on := "off"
	if v.Self {
		on = "on"
	}
	return &form{ID: "settings", Action: "/visitors/settings", Submit: "save", Version: v.Version, Fields: []field{
		{Name: "self", Kind: "select", Label: "visitor.self", Hint: "visitor.self.hint", Value: on, Required: true,
			Choices: []choice{{"off", "display.off"}, {"on", "display.on"}}},
		{Name: "days", Kind: "number", Label: "visitor.days", Value: strconv.Itoa(v.Days), Required: true, Auto: "off"},
		{Name: "keep", Kind: "number", Label: "visitor.keep", Value: strconv.Itoa(v.Keep), Required: true, Auto: "off"},
	}}
}

// show renders the list of visits. change may modify the page's data.
func (p *visitorPages) show(q *request, status int, change func(*visitorsPage)) error {
	all, err := p.visitors.Desk.List(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d := visitorsPage{Overview: all, Bring: bringForm("/visitors", false), names: map[policy.MemberID]string{}}
	for _, v := range append(all.Inside[:len(all.Inside):len(all.Inside)], all.Past...) {
		m, err := p.members.Get(ctxOf(q), q.actor, v.Stay.Member)
		if gone := (*fault.NotFound)(nil); errors.As(ignoreDenied(err), &gone) {
			continue // the keeper forgets this visit soon
		} else if err = ignoreDenied(err); err != nil {
			return err
		}
		d.names[m.ID] = m.Name
	}
	now, err := p.visitors.Settings.Get(ctxOf(q), q.actor)
	if err == nil {
		d.Settings = visitorSettings(now)
	} else if err = ignoreDenied(err); err != nil {
		return err
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "visitors", "visitors", "visitors.title", d)
}

// list answers GET /visitors.
func (p *visitorPages) list(q *request) error { return p.show(q, 200, nil) }

// brought reads the form of a new visit. A program may send the form without a file.
func (q *request) brought() (b visitor.Brought, who visitor.Person, v url.Values, err error) {
	if strings.HasPrefix(q.r.Header.Get("Content-Type"), "multipart/form-data") {
		if b.File, b.Data, err = q.file("file"); err != nil {
			return b, who, nil, err
		}
	}
	if v, err = q.values(); err != nil {
		return b, who, nil, err
	}
	b.Text = v.Get("badge")
	return b, visitor.Person{Name: v.Get("name"), Language: q.lang, Address: v.Get("address")}, v, nil
}

// bring answers POST /visitors.
func (p *visitorPages) bring(q *request) error {
	b, who, v, err := q.brought()
	if err != nil {
		return err
	}
	made, err := p.visitors.Desk.Bring(ctxOf(q), q.actor, b, who)
	if faults := invalid(err); faults != nil {
		return p.show(q, 422, func(d *visitorsPage) {
			d.Bring, d.Refused = refuseBadge(d.Bring.withValues(v), err)
		})
	}
	if err != nil {
		return err
	}
	return q.redirect("/visitors/"+url.PathEscape(made.ID), "badge-good")
}

// refuseBadge shows in a form why a badge lets nobody in. The second result is the hub's report about the badge;
// nil: there is none.
func refuseBadge(f form, err error) (form, *visitor.Refused) {
	var refused *visitor.Refused
	if errors.As(err, &refused) {
		f = f.refuse(invalid(refused.Unwrap()))
		return f, refused
	}
	return f.refuse(invalid(err)), nil
}

// settings answers POST /visitors/settings.
func (p *visitorPages) settings(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.visitors.Settings.Change(ctxOf(q), q.actor, version(v), func(s *visitor.Values) error {
		s.Self = v.Get("self") == "on"
		s.Days, s.Keep = dayCount(v.Get("days")), dayCount(v.Get("keep"))
		return nil
	})
	if faults := invalid(err); faults != nil {
		return p.show(q, 422, func(d *visitorsPage) {
			if d.Settings != nil {
				refused := d.Settings.withValues(v).refuse(faults)
				d.Settings = &refused
			}
		})
	}
	if err != nil {
		return err
	}
	return q.redirect("/visitors", "saved")
}

// dayCount returns a number of days, or 0, which every service rejects.
func dayCount(s string) int {
	n, err := strconv.Atoi(strings.TrimSpace(s))
	if err != nil {
		return 0
	}
	return n
}

// visitPage is the data of the page of one visit.
type visitPage struct {
	visitor.Visit
	Consent string
	Mails   bool
	Taps    []directory.Tap
	Form    form
	Tap     string // id of the chosen tap
	// Identity and Agreed are the boxes that the user has ticked.
	Identity, Agreed bool
}

// title returns the title of the page.
func (d visitPage) title(l tongue) string {
	if d.Name != "" {
		return l.t("visit.title.of", d.Name)
	}
	return l.t("visit.title")
}

const (
	listedTaps = 5                // taps of unknown cards that the page of a visit lists
	freshTap   = 10 * time.Minute // a tap within this time is chosen for the user
)

// page returns the data of the page of a visit.
func (p *visitorPages) page(q *request) (visitPage, error) {
	v, err := p.visitors.Desk.Get(ctxOf(q), q.actor, q.r.PathValue("visit"))
	if err != nil {
		return visitPage{}, err
	}
	all, err := p.visitors.Desk.List(ctxOf(q), q.actor)
	if err != nil {
		return visitPage{}, err
	}
	d := visitPage{Visit: v, Consent: q.tongue().of(visitor.Consent(all.Keep)), Mails: all.Mails && v.Address != ""}
	taps, _, err := p.taps.Unknown(ctxOf(q), q.actor, directory.Page{Limit: listedTaps})
	if err = ignoreDenied(err); err != nil {
		return visitPage{}, err
	}
	for _, t := range taps {
		if t.Assignable {
			d.Taps = append(d.Taps, t)
		}
	}
	if len(d.Taps) > 0 && p.now().Sub(d.Taps[0].At) < freshTap {
		d.Tap = d.Taps[0].ID
	}
	d.Form = form{ID: "letin", Version: v.Version, Fields: []field{
		{Name: "name", Kind: "text", Label: "visitor.name", Value: v.Name, Required: true, Auto: "off", First: v.Name == ""},
		{Name: "code", Kind: "text", Label: "visitor.code", Hint: "visitor.code.hint", Auto: "off", First: v.Name != ""},
		{Name: "number", Kind: "text", Label: "visitor.number", Hint: "visitor.number.hint", Auto: "off"},
		{Name: "until", Kind: "date", Label: "visitor.until", Value: all.Today.AddDays(all.Days - 1).String(),
			Required: true, Auto: "off"},
	}}
	return d, nil
}

// Field returns a field of the form, with its id.
func (d visitPage) Field(name string) map[string]any {
	for _, f := range d.Form.Fields {
		if f.Name == name {
			return map[string]any{"f": f, "id": d.Form.ID + "-" + name}
		}
	}
	return nil
}

// In reports whether the visitor was let in.
func (d visitPage) In() bool { return d.Stay.Member != "" }

// visit answers GET /visitors/{visit}.
func (p *visitorPages) visit(q *request) error {
	d, err := p.page(q)
	if err != nil {
		return err
	}
	return q.render(200, "visit", "visitors", "visit.title", d)
}

// letIn answers POST /visitors/{visit}.
func (p *visitorPages) letIn(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	e := visitor.Entry{Name: v.Get("name"), Code: strings.TrimSpace(v.Get("code")), Identity: v.Get("identity") != "",
		Consent: v.Get("consent") != "", Tap: v.Get("tap"), Number: strings.TrimSpace(v.Get("number"))}
	if e.Number != "" { // a typed number replaces the tap that the page has chosen
		e.Tap = ""
	}
	if e.Until, err = policy.ParseDate(v.Get("until")); err != nil {
		e.Until = policy.Date{} // the service refuses this day
	}
	_, err = p.visitors.Desk.LetIn(ctxOf(q), q.actor, q.r.PathValue("visit"), version(v), e)
	var gone *fault.NotFound
	faults := invalid(err)
	if errors.As(err, &gone) && gone.What == "tap" {
		faults = []fault.Field{{Field: "card", Given: "", Wrong: "the tap is not listed any more",
			Right: "tap the card again"}}
	}
	if faults != nil {
		d, err := p.page(q) // read the visit again, because the proof may have been stored
		if err != nil {
			return err
		}
		d.Form = d.Form.withValues(v).refuse(faults)
		d.Identity, d.Agreed, d.Tap = e.Identity, e.Consent, e.Tap
		return q.render(422, "visit", "visitors", "visit.title", d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/visitors", "visitor-in")
}

// act answers a form that performs one act on a visit.
func (p *visitorPages) act(q *request, err error, to, done string) error {
	if err != nil {
		return err
	}
	return q.redirect(to, done)
}

// code answers POST /visitors/{visit}/code.
func (p *visitorPages) code(q *request) error {
	id := q.r.PathValue("visit")
	return p.act(q, p.visitors.Desk.MailCode(ctxOf(q), q.actor, id), "/visitors/"+url.PathEscape(id), "code-mailed")
}

// dismiss answers POST /visitors/{visit}/dismiss.
func (p *visitorPages) dismiss(q *request) error {
	return p.act(q, p.visitors.Desk.Dismiss(ctxOf(q), q.actor, q.r.PathValue("visit")), "/visitors", "visitor-dismissed")
}

// end answers POST /visitors/{visit}/end.
func (p *visitorPages) end(q *request) error {
	return p.act(q, p.visitors.Desk.End(ctxOf(q), q.actor, q.r.PathValue("visit")), "/visitors", "visitor-ended")
}
