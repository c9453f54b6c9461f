package web

import (
	"errors"
	"net/http"
	"net/url"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/policy"
)

// trialPages serves the page on which a user asks the policy whether a member may use a machine at a time. With GET,
// the page asks the policy in force, so that its address can be shared. With POST, the page asks the text of a draft.
type trialPages struct {
	drafts  Drafts
	members Members
	zone    func() *time.Location
}

// routes returns the page.
func (p *trialPages) routes() []route {
	return []route{{"GET /policy/try", p.page}, {"POST /policy/try", p.page}}
}

// trialPage is the data of the page.
type trialPage struct {
	Form    form
	Outline publish.Outline
	Machine policy.MachineID
	At      string
	Member  policy.MemberID
	Found   []directory.Member // members among whom the user must choose
	// Searched is true if the typed text is not the id of a member. Own is true if the user may ask only about their own
	// member.
	Searched, Own bool
	Answer        *publish.Answer
}

// title returns the title of the page.
func (d trialPage) title(l tongue) string { return l.t("try.title") }

// Address returns the address of this page for another member.
func (d trialPage) Address(m policy.MemberID) string {
	return "/policy/try?" + url.Values{"member": {string(m)}, "machine": {string(d.Machine)}, "at": {d.At}}.Encode()
}

// foundMembers is the maximum number of members among whom the user can choose.
const foundMembers = 20

// trialValues returns the values of a GET or POST.
func (q *request) trialValues() (url.Values, error) {
	if q.r.Method != http.MethodPost {
		return q.r.URL.Query(), nil
	}
	return q.values()
}

// page answers GET and POST /policy/try.
func (p *trialPages) page(q *request) error {
	v, err := q.trialValues()
	if err != nil {
		return err
	}
	text := ""
	if q.r.Method == http.MethodPost {
		text = v.Get("text")
	}
	d := trialPage{Machine: policy.MachineID(v.Get("machine")), At: v.Get("at")}
	if d.Outline, err = p.drafts.Outline(ctxOf(q), q.actor, text); err != nil {
		return err
	}
	d.Own = q.actor.May(actor.ReadMembers, actor.Target{}) != nil
	d.Form = d.form(q.tongue(), v)
	typed := v.Get("member")
	if v.Has("chosen") { // the user has chosen one of the members whom the search found
		typed = v.Get("chosen")
	}
	if err := p.findMember(q, typed, &d); err != nil {
		return err
	}
	at, faults := d.time(p.zone())
	if d.Member != "" && d.Machine != "" && len(faults) == 0 {
		trial := publish.Trial{Member: d.Member, Machine: d.Machine, At: at}
		if d.Outline.Draft {
			trial.Text = d.Outline.Text
		}
		answer, err := p.drafts.Try(ctxOf(q), q.actor, trial)
		if faults = invalid(err); err != nil && faults == nil {
			return err
		}
		if err == nil {
			d.Answer = &answer
		}
	}
	d.Form = d.Form.refuse(faults)
	status := http.StatusOK
	if len(faults) > 0 {
		status = http.StatusUnprocessableEntity
	}
	return q.render(status, "trial", "policy", "try.title", d)
}

// form returns the form with the values of the request.
func (d trialPage) form(l tongue, v url.Values) form {
	machines := []choice{{"", l.t("try.machine.choose")}}
	for _, m := range d.Outline.Machines {
		machines = append(machines, choice{string(m.ID), l.nameOf(m.Name, string(m.ID))})
	}
	f := form{ID: "try", Fields: []field{
		{Name: "machine", Kind: "pick", Label: "try.machine", Choices: machines, Required: true},
		{Name: "at", Kind: "datetime-local", Label: "try.at", Hint: "try.at.hint"}}}
	if !d.Own {
		f.Fields = append([]field{{Name: "member", Kind: "text", Label: "try.member", Hint: "try.member.hint",
			Required: true, Auto: "off"}}, f.Fields...)
	}
	return f.withValues(v)
}

// nameOf returns a name in the language of the page, or the id if there is no name.
func (l tongue) nameOf(name policy.Text, id string) string {
	if s := l.of(name); s != "" {
		return s
	}
	return id
}

// findMember finds the member whom the user has typed, by id or by a search that finds one member.
func (p *trialPages) findMember(q *request, typed string, d *trialPage) error {
	if d.Own {
		d.Member = q.actor.Member
		return nil
	}
	if typed == "" {
		return nil
	}
	var missing *fault.NotFound
	m, err := p.members.Get(ctxOf(q), q.actor, policy.MemberID(typed))
	if err == nil {
		d.Member = m.ID
		return nil
	}
	if !errors.As(err, &missing) {
		return err
	}
	d.Searched = true
	d.Found, _, err = p.members.List(ctxOf(q), q.actor, directory.Filter{Text: typed}, directory.Page{Limit: foundMembers})
	if len(d.Found) == 1 {
		d.Member, d.Found = d.Found[0].ID, nil
	}
	return err
}

// time returns the time that the user has typed, in the site's zone. The zero time means now.
func (d trialPage) time(zone *time.Location) (time.Time, []fault.Field) {
	if d.At == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{"2006-01-02T15:04", "2006-01-02T15:04:05", "2006-01-02 15:04"} {
		if at, err := time.ParseInLocation(form, d.At, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, []fault.Field{{Field: "at", Given: d.At, Wrong: "not a date and a time",
		Right: "2026-11-23T10:00"}}
}
