package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/policy"
)

// memberPages serves the list of members, the page of one member, and the user's own record.
type memberPages struct {
	directory Directory
}

// routes returns the pages and forms.
func (p *memberPages) routes() []route {
	return []route{
		{"GET /me", p.me}, {"GET /members", p.members},
		{"GET /members/new", p.newMember}, {"POST /members", p.addMember},
		{"GET /members/{id}", p.member}, {"POST /members/{id}", p.changeMember}, {"POST /members/{id}/block", p.blockMember},
	}
}

// found is one page of a list of members, with the filters that selected the members.
type found struct {
	Members []directory.Member
	Filter  directory.Filter
	After   string
	Next    string // address of the next page of the list; empty: this is the last page
	Choice  map[string]string
	Base    string
	Name    string
	Keep    map[string]string // values of further hidden fields of the search form, by field name
}

// States returns the states by which the list can be filtered.
func (found) States() []string {
	return []string{directory.StateCurrent, directory.StateEnding, directory.StateLapsed, directory.StateBlocked,
		directory.StateNoCard, directory.StateNoBadge}
}

// find reads the page of the list that the query of the request selects. base is the address of the list.
func (p *memberPages) find(q *request, base string, limit int) (found, error) {
	v := q.r.URL.Query()
	f := found{Filter: directory.Filter{Text: strings.TrimSpace(v.Get("q")), Machine: policy.MachineID(v.Get("machine")),
		Badge: policy.BadgeID(v.Get("badge")), State: v.Get("state")},
		After: v.Get("after"), Base: base}
	list, next, err := p.directory.Members.List(ctxOf(q), q.actor, f.Filter, directory.Page{After: f.After, Limit: limit})
	if err != nil {
		return f, err
	}
	f.Members = list
	if next != "" {
		v.Set("after", next)
		v.Del("done")
		f.Next = base + "?" + v.Encode()
	}
	return f, nil
}

// members answers GET /members.
func (p *memberPages) members(q *request) error {
	f, err := p.find(q, "/members", 50)
	if err != nil {
		return err
	}
	return q.render(200, "members", "members", "members.title", f)
}

// memberForm returns the form of a member. If notes is true, the form includes the note, which only administrators see.
func memberForm(m directory.Member, notes bool) form {
	until := ""
	if m.Until != (policy.Date{}) {
		until = m.Until.String()
	}
	f := form{ID: "person", Action: "/members/" + url.PathEscape(string(m.ID)), Submit: "save", Version: m.Version,
		Fields: []field{
			{Name: "name", Kind: "text", Label: "member.name", Value: m.Name, Required: true, Auto: "off"},
			{Name: "until", Kind: "date", Label: "member.until", Hint: "member.until.hint", Value: until},
			{Name: "emails", Kind: "area", Label: "member.emails", Hint: "one.a.line", Value: strings.Join(m.Emails, "\n"),
				Rows: 2},
			{Name: "language", Kind: "select", Label: "member.language", Value: m.Language,
				Choices: []choice{{"", "language.site"}, {"fr", "language.fr"}, {"en", "language.en"}}},
			{Name: "guardians", Kind: "area", Label: "member.guardians", Hint: "member.guardians.hint",
				Value: strings.Join(m.Guardians, "\n"), Rows: 2},
			{Name: "subjects", Kind: "area", Label: "member.subjects", Hint: "member.subjects.hint",
				Value: strings.Join(m.Subjects, "\n"), Rows: 2},
		}}
	if notes {
		f.Fields = append(f.Fields, field{Name: "note", Kind: "area", Label: "member.note", Hint: "member.note.hint",
			Value: m.Note, Rows: 3})
	}
	// Add the displayed values as hidden fields, so that the hub can compare them after a conflict.
	for i := range f.Fields {
		f.Fields[i].Before = shownValue{Value: f.Fields[i].Value, Sent: m.ID != ""}
	}
	if m.ID == "" {
		f.Action, f.Submit = "/members", "add"
	}
	return f
}

// applyForm writes the values of a form into m. applyForm changes only the fields that the form contains.
func applyForm(m *directory.Member, v url.Values) error {
	if v.Has("until") {
		m.Until = policy.Date{}
		if s := strings.TrimSpace(v.Get("until")); s != "" {
			d, err := policy.ParseDate(s)
			if err != nil || d.Year == 0 {
				return &fault.Invalid{Faults: []fault.Field{{Field: "until", Given: s, Wrong: "not a date", Right: "2027-08-31"}}}
			}
			m.Until = d
		}
	}
	for name, to := range map[string]*string{"name": &m.Name, "language": &m.Language, "note": &m.Note} {
		if v.Has(name) {
			*to = strings.TrimSpace(v.Get(name))
		}
	}
	for name, to := range map[string]*[]string{"emails": &m.Emails, "guardians": &m.Guardians, "subjects": &m.Subjects} {
		if v.Has(name) {
			*to = lines(v.Get(name))
		}
	}
	return nil
}

// mayReadNotes reports whether the user may see notes.
func mayReadNotes(q *request) bool { return q.actor.May(actor.ReadNotes, actor.Target{}) == nil }

// newMember answers GET /members/new.
func (p *memberPages) newMember(q *request) error {
	// Check the right before the form is shown, so that no user fills in a form that the hub then refuses.
	if err := q.actor.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	return q.render(200, "newmember", "members", "members.new", memberForm(directory.Member{}, mayReadNotes(q)))
}

// addMember answers POST /members.
func (p *memberPages) addMember(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	var m directory.Member
	if err = applyForm(&m, v); err == nil {
		m, err = p.directory.Members.Add(ctxOf(q), q.actor, m)
	}
	if faults := invalid(err); faults != nil {
		f := memberForm(directory.Member{}, mayReadNotes(q)).withValues(v).refuse(faults)
		return q.render(422, "newmember", "members", "members.new", f)
	}
	if err != nil {
		return err
	}
	return q.redirect("/members/"+url.PathEscape(string(m.ID)), "member-added")
}

// memberPage is the data of the page of one member.
type memberPage struct {
	directory.Member
	Form, Card, File, URL form
	Conflict              []difference
	Refused               []directory.Badge // files of the user's upload that the hub rejected, each with the reason
	Codes                 []account.Printed // new sign-in codes, which are shown only once
}

// title returns the title of the page.
func (m memberPage) title(tongue) string { return m.Name }

// mePage is the data of the page of the user's own record. The title of mePage differs from that of memberPage.
type mePage struct{ directory.Member }

// memberPageOf returns the data of a member's page, with its forms.
func memberPageOf(q *request, m directory.Member) memberPage {
	at := "/members/" + url.PathEscape(string(m.ID))
	return memberPage{Member: m, Form: memberForm(m, mayReadNotes(q)),
		Card: form{ID: "card", Action: at + "/cards", Submit: "card.add", Fields: []field{
			{Name: "number", Kind: "text", Label: "card.number", Hint: "card.number.hint", Required: true, Auto: "off"},
			{Name: "note", Kind: "text", Label: "card.note", Auto: "off"}}},
		File: form{ID: "file", Action: at + "/badges", Submit: "badge.add", Upload: true, Fields: []field{
			{Name: "file", Kind: "file", Label: "badge.file", Hint: "badge.file.hint", Required: true}}},
		URL: form{ID: "url", Action: at + "/badges/url", Submit: "badge.add", Fields: []field{
			{Name: "url", Kind: "url", Label: "badge.url", Hint: "badge.url.hint", Required: true, Auto: "off"}}}}
}

// memberID returns the id of the member in the request's path.
func memberID(q *request) policy.MemberID { return policy.MemberID(q.r.PathValue("id")) }

// memberHome returns the path of the page of the member in the request.
func memberHome(q *request) string { return "/members/" + url.PathEscape(string(memberID(q))) }

// member answers GET /members/{id}.
func (p *memberPages) member(q *request) error {
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, memberID(q))
	if err != nil {
		return err
	}
	return q.render(200, "member", "members", "members.title", memberPageOf(q, m))
}

// me answers GET /me with the user's own record.
func (p *memberPages) me(q *request) error {
	m, err := p.directory.Members.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(200, "me", "me", "me.title", mePage{m})
}

// showAgain renders the member's page. change may modify the page's data, for example to return a form with faults or
// to show codes.
func (p *memberPages) showAgain(q *request, status int, change func(*memberPage)) error {
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, memberID(q))
	if err != nil {
		return err
	}
	d := memberPageOf(q, m)
	change(&d)
	return q.render(status, "member", "members", "members.title", d)
}

// changeMember answers POST /members/{id}.
func (p *memberPages) changeMember(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.directory.Members.Change(ctxOf(q), q.actor, memberID(q), version(v), func(m *directory.Member) error {
		return applyForm(m,
			v)
	})
	if faults := invalid(err); faults != nil {
		return p.showAgain(q, 422, func(d *memberPage) {
			d.Form = d.Form.withValues(v).refuse(faults)
			d.Form.Version = version(v)
		})
	}
	if conflict(err) {
		return p.conflict(q, v)
	}
	if err != nil {
		return err
	}
	return q.redirect(memberHome(q), "member-changed")
}

// conflict reports whether err means that another user has changed the data since they were read.
func conflict(err error) bool {
	var c *fault.Conflict
	return errors.As(err, &c)
}

// difference is a field in a conflict, with the value that the user read, the current value, and the user's new value.
type difference struct {
	Label, Was, Now, Mine string
}

// conflict shows the changes that another user has made since the form was displayed. The form on this page contains
// the values that this user sent, and the current version.
func (p *memberPages) conflict(q *request, v url.Values) error {
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, memberID(q))
	if err != nil {
		return err
	}
	d := memberPageOf(q, m)
	now := d.Form
	d.Form = d.Form.withValues(v)
	d.Form.Version, d.Form.Submit = m.Version, "conflict.mine"
	for i, f := range now.Fields {
		was := strings.ReplaceAll(v.Get("was."+f.Name), "\r", "")
		mine := strings.ReplaceAll(v.Get(f.Name), "\r", "")
		d.Form.Fields[i].Before.Value = f.Value
		if !v.Has(f.Name) || f.Value == was && mine == was {
			continue
		}
		if mine == was { // only the other user has changed this field, so fill in the other user's value
			d.Form.Fields[i].Value = f.Value
		}
		d.Conflict = append(d.Conflict, difference{Label: f.Label, Was: was, Now: f.Value, Mine: mine})
	}
	return q.render(http.StatusPreconditionFailed, "conflict", "members", "members.title", d)
}

// blockMember answers POST /members/{id}/block.
func (p *memberPages) blockMember(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	block := v.Get("blocked") == "yes"
	_, err = p.directory.Members.Change(ctxOf(q), q.actor, memberID(q), version(v), func(m *directory.Member) error {
		m.Blocked = block
		return nil
	})
	if err != nil {
		return err
	}
	return q.redirect(memberHome(q), fmt.Sprintf("member-blocked-%v", block))
}

// before reports whether date a is an earlier day than date b.
func before(a, b policy.Date) bool {
	return a.Year < b.Year || a.Year == b.Year && (a.Month < b.Month || a.Month == b.Month && a.Day < b.Day)
}
