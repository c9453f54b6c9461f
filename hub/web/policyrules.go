package web

import (
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/policy"
)

// These rules have fields of their own kind.
const (
	ruleHours      publish.Rule = "hours"
	ruleBadge      publish.Rule = "badge"
	ruleSupervisor publish.Rule = "supervisor"
)

// ruleGroups are the groups of fields for the rules of a grant, besides badges and opening hours. Each name is the name
// of the rule and of its field.
var ruleGroups = [...]struct {
	title string
	rules []publish.Rule
}{
	{"edit.session", []publish.Rule{"max", "idle", "warn", "extend"}},
	{"edit.quota", []publish.Rule{"day", "week", "sessions"}},
	{"edit.recent", []publish.Rule{"within", "usedwithin", "practice"}},
}

// ruleForms returns the fields of a grant's rules: the badges, and the groups of limits.
func (d *policyFormPage) ruleForms(l tongue, g publish.OutlineGrant) (badges form, limits []form) {
	badges = form{ID: "edit"}
	if !slices.Contains(g.Several, ruleBadge) {
		badges.Fields = append(badges.Fields, d.badgeField(l, "badge", g.Rules[ruleBadge], true))
	}
	if !slices.Contains(g.Several, ruleSupervisor) {
		f := d.badgeField(l, "supervisor", g.Rules[ruleSupervisor], false)
		f.Hint = "edit.supervisor.hint"
		badges.Fields = append(badges.Fields, f, field{Name: "learners", Kind: "text", Label: "edit.learners",
			Hint: "edit.learners.hint", Value: g.Rules["learners"], Auto: "off"})
	}
	for _, group := range ruleGroups {
		f := form{ID: "edit", Submit: group.title}
		for _, r := range group.rules {
			if !slices.Contains(g.Several, r) {
				label := ruleLabel(r)
				f.Fields = append(f.Fields, field{Name: string(r), Kind: "text", Label: label, Hint: label + ".hint",
					Value: g.Rules[r], Auto: "off"})
			}
		}
		if len(f.Fields) > 0 {
			limits = append(limits, f)
		}
	}
	return badges, limits
}

// ruleLabel returns the message key of a rule.
func ruleLabel(r publish.Rule) string {
	if r == "day" { // the keys edit.day.… are the days of the week
		return "edit.dayquota"
	}
	return "edit." + string(r)
}

// weekForm has the fields for opening hours: a choice, and one field for each day. Hours that name dates have one field
// for their text instead.
type weekForm struct {
	When   string // one of any, week, text
	Text   string
	Days   []field
	Weekly bool
	Faults []fault.Field // faults of the choice or of the text
	was    publish.OutlineGrant
}

// dayNames are the names of the fields for the days of policy.Week, and for public holidays.
var dayNames = [...]string{"mo", "tu", "we", "th", "fr", "sa", "su"}

// sameAsWeekday is the value of the field for public holidays that have the times of their weekday.
const sameAsWeekday = "="

// newWeekForm returns the fields for the hours of a grant.
func newWeekForm(o publish.Outline, g publish.OutlineGrant) *weekForm {
	w := &weekForm{When: "week", Text: g.Rules[ruleHours], Weekly: g.Weekly, was: g}
	switch {
	case w.Text == "":
		w.When = "any"
	case !g.Weekly:
		w.When = "text"
	}
	for i, name := range dayNames {
		w.Days = append(w.Days, field{Name: "d-" + name, Kind: "text", Label: "edit.day." + name, Auto: "off",
			Value: readable(g.Week.Days[i])})
	}
	if o.Holidays {
		f := field{Name: "d-ph", Kind: "text", Label: "edit.day.ph", Hint: "edit.day.ph.hint", Auto: "off",
			Value: sameAsWeekday}
		if g.Week.OnHolidays {
			f.Value = readable(g.Week.Holidays)
		}
		w.Days = append(w.Days, f)
	}
	return w
}

// readable writes times as a person writes them, with a space after each comma.
func readable(all []policy.Span) string {
	return strings.ReplaceAll(policy.FormatSpans(all), ",", ", ")
}

// withValues fills in what the user has sent.
func (w *weekForm) withValues(v url.Values) {
	w.When, w.Text = v.Get("when"), v.Get("hours")
	w.Days = form{Fields: w.Days}.withValues(v).Fields
}

// refuse adds a fault to the field of a day or to the hours, and reports whether the fault is about hours.
func (w *weekForm) refuse(x fault.Field) bool {
	for i := range w.Days {
		if w.Days[i].Name == x.Field {
			w.Days[i].Faults = append(w.Days[i].Faults, x)
			return true
		}
	}
	if x.Field == string(ruleHours) {
		w.Faults = append(w.Faults, x)
	}
	return x.Field == string(ruleHours)
}

// hours returns the text of the hours that the user has entered. If the user has changed nothing, hours returns the
// text as it stands in the policy.
func (w *weekForm) hours(v url.Values) (string, []fault.Field) {
	switch v.Get("when") {
	case "any":
		return "", nil
	case "text":
		if s := strings.TrimSpace(v.Get("hours")); s != "" {
			return s, nil
		}
		return "", noHours()
	}
	var week policy.Week
	var faults []fault.Field
	for _, f := range w.Days {
		typed := strings.TrimSpace(v.Get(f.Name))
		if f.Name == "d-ph" && typed == sameAsWeekday {
			continue
		}
		spans, err := policy.ParseSpans(typed)
		if err != nil {
			faults = append(faults, fault.Field{Field: f.Name, Given: typed, Wrong: err.Error()})
		}
		if i := slices.Index(dayNames[:], strings.TrimPrefix(f.Name, "d-")); i >= 0 {
			week.Days[i] = spans
		} else {
			week.Holidays, week.OnHolidays = spans, true
		}
	}
	text := week.String()
	switch {
	case len(faults) > 0:
		return "", faults
	case text == "":
		return "", noHours()
	case w.was.Weekly && text == w.was.Week.String():
		return w.was.Rules[ruleHours], nil
	}
	return text, nil
}

// noHours returns the fault of opening hours without any time.
func noHours() []fault.Field {
	return []fault.Field{{Field: "hours", Wrong: "no day has a time", Right: "choose “at any time”, or give a time"}}
}

// changeOf returns the change that the user has asked for.
func changeOf(o publish.Outline, t target, v url.Values) (publish.TextChange, []fault.Field) {
	machine := t.machine.ID
	if v.Get("do") == "remove" && t.kind == "grant" {
		return publish.RemoveGrant{Machine: machine, Grant: t.grant}, nil
	}
	name := policy.Text{FR: strings.TrimSpace(v.Get("fr")), EN: strings.TrimSpace(v.Get("en"))}
	role, _ := policy.ParseRole(v.Get("role")) // the policy refuses the zero role
	switch t.kind {
	case "grant":
		rules, faults := rulesOf(o, t.machine.Grants[t.grant], v)
		return publish.SetRules{Machine: machine, Grant: t.grant, Rules: rules}, faults
	case "new-grant":
		rules, faults := rulesOf(o, publish.OutlineGrant{Weekly: true}, v)
		return publish.AddGrant{Machine: machine, Role: role, Rules: rules}, faults
	case "hours":
		return hoursOf(o, t, v)
	case "machine":
		return publish.AddMachine{ID: policy.MachineID(typed(v, "id")), Name: name, Role: role,
			Rules: publish.Rules{ruleBadge: v.Get("badge"), "max": typed(v, "max")}}, nil
	}
	return publish.AddBadge{ID: policy.BadgeID(typed(v, "id")), Name: name, Issuer: policy.IssuerID(v.Get("issuer")),
		Achievement: strings.TrimSpace(v.Get("achievement"))}, nil
}

// rulesOf returns the rules of a grant as the user has entered them. A rule without a field stays as it is.
func rulesOf(o publish.Outline, g publish.OutlineGrant, v url.Values) (publish.Rules, []fault.Field) {
	out := publish.Rules{}
	for _, r := range []publish.Rule{ruleBadge, ruleSupervisor, "learners", "max", "idle", "warn", "extend", "day", "week",
		"sessions", "within", "usedwithin", "practice"} {
		if v.Has(string(r)) {
			out[r] = typed(v, string(r))
		}
	}
	if !v.Has("when") {
		return out, nil
	}
	text, faults := newWeekForm(o, g).hours(v)
	out[ruleHours] = text
	return out, faults
}

// hoursOf returns the change of the opening hours of several grants.
func hoursOf(o publish.Outline, t target, v url.Values) (publish.TextChange, []fault.Field) {
	text, faults := newWeekForm(o, publish.OutlineGrant{}).hours(v)
	var out publish.TextChanges
	for _, s := range v["grant"] {
		if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < len(t.machine.Grants) {
			out = append(out, publish.SetRules{Machine: t.machine.ID, Grant: n, Rules: publish.Rules{ruleHours: text}})
		}
	}
	if len(out) == 0 {
		faults = append(faults, fault.Field{Field: "grant", Wrong: "no rule is chosen", Right: "choose at least one"})
	}
	return out, faults
}

// typedDuration is a duration as a person types it. An id such as 3d-jig is no duration.
var typedDuration = regexp.MustCompile(`^([0-9]+(j|d|h|min|m|s))+$`)

// typed returns an id, a number or a duration as the policy writes it: without spaces, with d for days ("3 j") and m
// for minutes.
func typed(v url.Values, name string) string {
	s := strings.ToLower(strings.Join(strings.Fields(v.Get(name)), ""))
	if s == "aucun" || s == "aucune" {
		return "none"
	}
	if typedDuration.MatchString(s) {
		s = strings.NewReplacer("min", "m", "j", "d").Replace(s)
	}
	return s
}
