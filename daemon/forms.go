package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Forms: one-time permissions to write one thing down.

// form is one that was opened, and whose it is.
type form struct {
	panel.Form
	opener       policy.MemberID // who tapped
	by, endorser policy.MemberID // whose work it is, and who answers for it
	session      string
	role         policy.Role
	started      time.Time
}

// open opens a form for whoever stands there.
func (m *Machine) open(a panel.Ask) (panel.Form, error) {
	who := m.stands()
	switch {
	case a.At != 0 && a.At != m.desk.nth:
		return panel.Form{}, panel.NotYou
	case who == "" && a.Do == "report" && a.Here: // the next card says who is there; it starts nothing, and ends no more than it would anyway
		m.asking = m.Now().Add(identify)
		if m.state.Running() {
			return panel.Form{}, panel.CardToReportInUse
		}
		return panel.Form{}, panel.CardToReport
	case who == "":
		return panel.Form{}, panel.CardFirst
	}
	mach, known := m.site()
	if !known {
		return panel.Form{}, panel.NotNow
	}
	f := form{by: who, session: m.state.Session, started: m.Now(), Form: panel.Form{Do: a.Do, Item: a.Item, Lang: m.language(who)}}
	name := m.name(who)
	switch a.Do {
	case "report":
		f.role, f.Stop, f.Title, f.Items = m.roleOf(who), string(wire.Dangerous), panel.WhatIsWrong(name), problems()
	case "tag":
		if !m.maintains(who) {
			return panel.Form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.WhyTag(name), problems()
	case "log":
		w := m.work(who)
		if w.session == "" {
			return panel.Form{}, panel.NotNow
		}
		f.by, f.endorser, f.session = w.by, w.endorser, w.session
		f.Parts, f.Minutes, f.Title = true, w.minutes(m.Now()), panel.WhatWasDone(m.name(w.by))
		f.Items = m.kinds(mach)
	default:
		return panel.Form{}, panel.NotWhat
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.NotWhat
	}
	b := make([]byte, 16)
	rand.Read(b)
	f.Token, f.Ends, f.At = hex.EncodeToString(b), m.Now().Add(formLife), m.desk.nth
	f.opener = who
	m.keepForm(f)
	return f.Form, nil
}

// keepForm lets go of the opener's own oldest form before anybody else's.
func (m *Machine) keepForm(f form) {
	m.forms = append(m.forms, f)
	mine := func(x form) bool { return x.opener == f.opener }
	n := 0
	for _, x := range m.forms {
		if mine(x) {
			n++
		}
	}
	if n > formsEach {
		i := slices.IndexFunc(m.forms, mine)
		m.forms = slices.Delete(m.forms, i, i+1)
	}
	if len(m.forms) > formsMost {
		m.forms = m.forms[1:]
	}
}

func (m *Machine) opened(token string) (form, bool) {
	m.forms = slices.DeleteFunc(m.forms, func(f form) bool { return !m.Now().Before(f.Ends) })
	i := slices.IndexFunc(m.forms, func(f form) bool { return f.Token == token })
	if i < 0 {
		return form{}, false
	}
	return m.forms[i], true
}

// written fills a form in. It is used up once it is on record.
func (m *Machine) written(ctx context.Context, token string, e panel.Entry) error {
	f, known := m.opened(token)
	if !known {
		return panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return panel.NotWhat
	}
	n := m.Journal.Len()
	switch f.Do {
	case "log":
		m.step(ctx, session.Log{What: e.Item, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo, Session: f.session, By: f.by, Endorser: f.endorser})
	case "report":
		if !m.mayReport(f.by) {
			return panel.TooMany
		}
		r := session.Report{By: f.by, Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo}, Now: e.Now}
		if r.Body.What == wire.Dangerous {
			r.Tag = m.tagFor(f, e)
		}
		m.step(ctx, r)
	case "tag":
		m.step(ctx, session.AddTag{Tag: m.tagFor(f, e), Now: e.Now})
	}
	if err := m.saved(n); err != nil {
		return err
	}
	m.forms = slices.DeleteFunc(m.forms, func(x form) bool { return x.Token == token })
	if f.Do == "log" {
		m.upkeep(ctx)
	}
	return nil
}

// mayReport counts what one member reports: a card that was let go on reporting would bury the machine.
func (m *Machine) mayReport(id policy.MemberID) bool {
	if m.reports == nil {
		m.reports = map[policy.MemberID][]time.Time{}
	}
	now := m.Now()
	m.reports[id] = slices.DeleteFunc(m.reports[id], func(at time.Time) bool { return now.Sub(at) >= reportsIn })
	if len(m.reports[id]) >= reportsMax {
		return false
	}
	m.reports[id] = append(m.reports[id], now)
	return true
}

// tagFor is the tag that a form puts on. Its reason is the problem, and what was written of it. One member's danger is one tag, however
// often they report it, and a form's is one however often it is sent.
func (m *Machine) tagFor(f form, e panel.Entry) session.Tag {
	reason := m.speak(panel.ProblemName(e.Item))
	if line, _, _ := strings.Cut(e.Note, "\n"); line != "" {
		if e.Item == string(wire.Dangerous) {
			line = reason + ", " + line
		}
		reason = line
	}
	id := "form-" + f.Token[:8]
	if f.Do == "report" {
		id = "danger-" + string(f.by)
	}
	return session.Tag{ID: id, By: f.by, Role: f.role, Reason: cut(reason, 120), Since: m.Now()}
}

// cut bounds a text in bytes, at a whole character.
func cut(s string, most int) string {
	for len(s) > most {
		r := []rune(s)
		s = string(r[:len(r)-1])
	}
	return s
}

func problems() []panel.Choice {
	var out []panel.Choice
	for _, p := range wire.Problems() {
		out = append(out, panel.Choice{ID: string(p), Label: panel.ProblemName(string(p))})
	}
	return out
}

// kinds are the interventions that may be logged here: in the policy's order, then what else counts.
func (m *Machine) kinds(mach *policy.Machine) []panel.Choice {
	var out []panel.Choice
	for _, x := range mach.Interventions {
		out = append(out, panel.Choice{ID: x.ID, Label: x.Name})
	}
	for _, k := range m.Roster.Policy.InterventionKinds(m.Machine) {
		if !has(mach.Interventions, k) {
			out = append(out, panel.Choice{ID: k, Label: mach.KindName(k)})
		}
	}
	return out
}
