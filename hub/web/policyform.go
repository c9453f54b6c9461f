package web

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/policy"
)

// policyForms serves the form for the usual changes of the policy. The form changes the text of the policy in force, or
// the text of a draft that the request contains. The answer to a change is the page of the policy with the changed
// text, its effect and its replay; nothing is stored.
type policyForms struct {
	drafts Drafts
	pages  *policyPages
}

// routes returns the form.
func (p *policyForms) routes() []route {
	return []route{{"GET /policy/edit", p.page}, {"POST /policy/edit", p.post}}
}

// policyFormPage is the data of the form's page.
type policyFormPage struct {
	Outline publish.Outline
	At      string // place that the form changes, as in target; empty: the page lists all places
	Target  target
	Form    form
	Limits  []form // further groups of fields, each with its title in Submit
	Grants  []grantLine
	Week    *weekForm // nil: the form changes no opening hours
	Remove  bool      // true: the grant can be removed
}

// target is the place that a form changes.
type target struct {
	kind    string // one of grant, new-grant, hours, machine, badge
	machine publish.OutlineMachine
	grant   int
}

// grantLine is a grant in the list of a machine.
type grantLine struct {
	Index   int
	Grant   publish.OutlineGrant
	Checked bool // true: the form of opening hours changes this grant
}

// Rule returns the value of a rule of the grant.
func (g grantLine) Rule(name publish.Rule) string { return g.Grant.Rules[name] }

// Badge returns the badge of a rule of the grant.
func (g grantLine) Badge(name publish.Rule) policy.BadgeID {
	return policy.BadgeID(g.Grant.Rules[name])
}

// title returns the title of the page.
func (d policyFormPage) title(l tongue) string {
	name := l.nameOf(d.Target.machine.Name, string(d.Target.machine.ID))
	switch d.Target.kind {
	case "grant":
		role := d.Target.machine.Grants[d.Target.grant].Role
		return l.t("edit.grant.title", name, l.known("role.", role.String()))
	case "":
		return l.t("edit.title")
	}
	return l.t("edit."+d.Target.kind+".title", name)
}

// Kind returns the kind of place that the form changes.
func (d policyFormPage) Kind() string { return d.Target.kind }

// Several reports whether the grant needs several badges, which the form cannot change.
func (d policyFormPage) Several() bool {
	return d.Target.kind == "grant" && len(d.Target.machine.Grants[d.Target.grant].Several) > 0
}

// Called returns the name of a machine in the language of the page, or its id.
func (policyFormPage) Called(lang string, name policy.Text, id string) string {
	return tongue{lang: lang}.nameOf(name, id)
}

// Lines returns the grants of a machine.
func (policyFormPage) Lines(m publish.OutlineMachine) (out []grantLine) {
	for i, g := range m.Grants {
		out = append(out, grantLine{Index: i, Grant: g})
	}
	return out
}

// weekCodes are the words of opening hours that the list translates.
var weekCodes = regexp.MustCompile(`\b(Mo|Tu|We|Th|Fr|Sa|Su|PH|off)\b`)

// hours returns the opening hours of a grant for people. Hours that name dates stay as they are in the text.
func (l tongue) hours(g publish.OutlineGrant) string {
	text := g.Rules[ruleHours]
	switch {
	case text == "":
		return l.t("edit.when.any")
	case !g.Weekly:
		return text
	}
	text = strings.NewReplacer("-", "–", ",", ", ", ";", " ;").Replace(g.Week.String())
	if l.lang == "en" {
		text = strings.ReplaceAll(text, " ;", ";")
	}
	return weekCodes.ReplaceAllStringFunc(text, func(code string) string {
		return l.t("edit.in." + strings.ToLower(code))
	})
}

// find returns the place that a text such as "laser.2" names. The text is "machine", "badge", or the id of a machine
// with the index of a grant, "new" or "hours".
func find(o publish.Outline, at string) (target, error) {
	if at == "" || at == "machine" || at == "badge" {
		return target{kind: at}, nil
	}
	id, part, _ := strings.Cut(at, ".")
	i := slices.IndexFunc(o.Machines, func(m publish.OutlineMachine) bool { return string(m.ID) == id })
	if i < 0 {
		return target{}, errNoPage
	}
	t := target{machine: o.Machines[i]}
	switch n, err := strconv.Atoi(part); {
	case part == "new":
		t.kind = "new-grant"
	case part == "hours":
		t.kind = "hours"
	case err == nil && n >= 0 && n < len(t.machine.Grants):
		t.kind, t.grant = "grant", n
	default:
		return target{}, errNoPage
	}
	return t, nil
}

// page answers GET /policy/edit.
func (p *policyForms) page(q *request) error { return p.show(q, 200, q.r.URL.Query(), nil) }

// post answers POST /policy/edit: it shows the form for the text of a draft, or makes the change of the form.
func (p *policyForms) post(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if !v.Has("do") {
		return p.show(q, 200, v, nil)
	}
	o, err := p.drafts.Outline(ctxOf(q), q.actor, v.Get("text"))
	if err != nil {
		return err
	}
	at, err := find(o, v.Get("at"))
	if err != nil {
		return err
	}
	if v.Get("text") == "" && number(v.Get("of")) != o.Number {
		// The index of the grant may mean another grant now.
		v.Set("of", strconv.FormatInt(o.Number, 10))
		return p.show(q, 412, v, []fault.Field{{Field: "text", Wrong: "another policy was published meanwhile",
			Right: "look at the values again, then send the form again"}})
	}
	text := ""
	change, faults := changeOf(o, at, v)
	if len(faults) == 0 {
		text, err = p.drafts.Edit(ctxOf(q), q.actor, v.Get("text"), change)
		faults = invalid(err)
	}
	switch {
	case len(faults) > 0:
		return p.show(q, 422, v, faults)
	case err != nil:
		return err
	}
	draft, err := p.drafts.Check(ctxOf(q), q.actor, text)
	if err != nil {
		return err
	}
	return p.pages.showPolicy(q, 200, func(d *policyPage) {
		d.Text, d.Draft = text, &draft
		if of := number(v.Get("of")); of > 0 {
			d.Of = of
		}
	})
}

// show renders the form with the values that the user sent.
func (p *policyForms) show(q *request, status int, v url.Values, faults []fault.Field) error {
	text := ""
	if q.r.Method == "POST" {
		text = v.Get("text")
	}
	if err := q.actor.May(actor.PublishPolicy, actor.Target{}); err != nil {
		return err
	}
	o, err := p.drafts.Outline(ctxOf(q), q.actor, text)
	if err != nil {
		return err
	}
	d := policyFormPage{Outline: o, At: v.Get("at")}
	if of := number(v.Get("of")); of > 0 {
		d.Outline.Number = of
	}
	if d.Target, err = find(o, d.At); err != nil {
		return err
	}
	d.fill(q.tongue())
	if v.Has("do") {
		d.Form = d.Form.withValues(v)
		for i := range d.Limits {
			d.Limits[i] = d.Limits[i].withValues(v)
		}
		if d.Week != nil {
			d.Week.withValues(v)
		}
	}
	d.refuse(faults)
	return q.render(status, "policyform", "policy", "edit.title", d)
}

// fill makes the groups of fields for the place.
func (d *policyFormPage) fill(l tongue) {
	t := d.Target
	switch t.kind {
	case "grant":
		g := t.machine.Grants[t.grant]
		d.Form, d.Limits = d.ruleForms(l, g)
		d.Week, d.Remove = newWeekForm(d.Outline, g), len(t.machine.Grants) > 1
	case "new-grant":
		d.Form, d.Limits = d.ruleForms(l, publish.OutlineGrant{Weekly: true})
		d.Form.Fields = append([]field{roleField(l, policy.User)}, d.Form.Fields...)
		d.Week = newWeekForm(d.Outline, publish.OutlineGrant{Weekly: true})
	case "hours":
		d.Form = form{ID: "edit"}
		first := publish.OutlineGrant{Weekly: true}
		for i, g := range t.machine.Grants {
			if g.Rules[ruleHours] != "" && first.Rules[ruleHours] == "" {
				first = g
			}
			same := first.Rules[ruleHours] != "" && g.Rules[ruleHours] == first.Rules[ruleHours]
			d.Grants = append(d.Grants, grantLine{Index: i, Grant: g, Checked: same})
		}
		d.Week = newWeekForm(d.Outline, first)
	case "machine":
		d.Form = form{ID: "edit", Fields: append(newIDFields("machine"), roleField(l, policy.User),
			d.badgeField(l, "badge", "", true),
			field{Name: "max", Kind: "text", Label: "edit.max", Hint: "edit.max.hint", Auto: "off"})}
	case "badge":
		var issuers []choice
		for _, i := range d.Outline.Issuers {
			issuers = append(issuers, choice{string(i.ID), l.nameOf(policy.Text{FR: i.Name, EN: i.Name}, string(i.ID))})
		}
		d.Form = form{ID: "edit", Fields: append(newIDFields("badge"),
			field{Name: "issuer", Kind: "pick", Label: "edit.issuer", Choices: issuers, Required: true},
			field{Name: "achievement", Kind: "url", Label: "edit.achievement", Hint: "edit.achievement.hint", Required: true,
				Auto: "off"})}
	}
}

// newIDFields returns the fields for the id and the names of a new machine or badge.
func newIDFields(kind string) []field {
	return []field{
		{Name: "id", Kind: "text", Label: "edit.id", Hint: "edit.id." + kind, Required: true, Auto: "off"},
		{Name: "fr", Kind: "text", Label: "edit.name.fr", Auto: "off"},
		{Name: "en", Kind: "text", Label: "edit.name.en", Auto: "off"}}
}

// roleField returns the field for the role of a new grant.
func roleField(l tongue, now policy.Role) field {
	f := field{Name: "role", Kind: "pick", Label: "edit.role", Value: now.String(), Required: true}
	for _, r := range policy.Roles() {
		f.Choices = append(f.Choices, choice{r.String(), l.known("role.", r.String())})
	}
	return f
}

// badgeField returns a field in which the user chooses a badge of the policy.
func (d *policyFormPage) badgeField(l tongue, name, now string, required bool) field {
	f := field{Name: name, Kind: "pick", Label: "edit." + name, Value: now, Required: required}
	if !required {
		f.Choices = append(f.Choices, choice{"", l.t("edit.nobody")})
	}
	for _, b := range d.Outline.Badges {
		f.Choices = append(f.Choices, choice{string(b.ID), l.nameOf(b.Name, string(b.ID))})
	}
	return f
}

// refuse shows each fault next to its field.
func (d *policyFormPage) refuse(faults []fault.Field) {
	for _, x := range faults {
		switch {
		case d.Week != nil && d.Week.refuse(x):
		case d.Form.has(x.Field):
			d.Form = d.Form.refuse([]fault.Field{x})
		default:
			at := slices.IndexFunc(d.Limits, func(f form) bool { return f.has(x.Field) })
			if at < 0 {
				d.Form = d.Form.refuse([]fault.Field{x})
				continue
			}
			d.Limits[at] = d.Limits[at].refuse([]fault.Field{x})
		}
	}
}

// Wrong returns the fields with faults, in the order of the page.
func (d policyFormPage) Wrong() (out []field) {
	all := slices.Clone(d.Form.Fields)
	for _, f := range d.Limits {
		all = append(all, f.Fields...)
	}
	if d.Week != nil {
		all = append(all, field{Name: "when", Label: "edit.when", Faults: d.Week.Faults})
		all = append(all, d.Week.Days...)
	}
	return slices.DeleteFunc(all, func(f field) bool { return len(f.Faults) == 0 })
}

// has reports whether the form has a field with this name.
func (f form) has(name string) bool {
	return slices.ContainsFunc(f.Fields, func(x field) bool { return x.Name == name })
}
