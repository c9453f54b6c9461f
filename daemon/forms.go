package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Forms: one-time permissions to write one thing down.

// The kinds of form (panel.Form.Do).
const (
	formReport = "report" // a problem that a member saw
	formTag    = "tag"    // why a maintainer takes the machine out of service
	formLog    = "log"    // what was done in a maintenance
)

// open opens a form for whoever stands there.
func (m *PanelActions) open(a panel.FormRequest) (panel.Form, error) {
	who := m.engine.model.currentMember()
	switch {
	case !a.Here:
		return panel.Form{}, panel.ScanCode
	case a.At != 0 && a.At != m.engine.model.presence.generation:
		return panel.Form{}, panel.AnotherCardTapped
	case who == "" && a.Do == formReport:
		// the next card says who is there; it starts nothing, and ends no more than it would anyway
		m.engine.model.presence.ask(m.cfg.Now())
		if m.engine.model.state.Running() {
			return panel.Form{}, panel.CardToReportInUse
		}
		return panel.Form{}, panel.CardToReport
	case who == "":
		return panel.Form{}, panel.CardFirst
	}
	mach, known := m.engine.model.rules.machine()
	if !known {
		return panel.Form{}, panel.NotNow
	}
	f := form{by: who, session: m.engine.model.state.Current.Session, started: m.cfg.Now(), Form: panel.Form{Do: a.Do, Item: a.Item}}
	name := m.engine.model.rules.name(who)
	switch a.Do {
	case formReport:
		f.role, f.Stop, f.Title, f.Items = m.engine.model.roleOf(who), string(wire.Dangerous), panel.ReportQuestion(name), problems()
	case formTag:
		if !m.engine.model.maintains(who) {
			return panel.Form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.TagQuestion(name), problems()
	case formLog:
		w := m.engine.model.work(who)
		if w.Session == "" {
			return panel.Form{}, panel.NotNow
		}
		f.by, f.endorser, f.session, f.since = w.By, w.Endorser, w.Session, w.Since
		f.Parts, f.Minutes, f.Title = true, minutesOf(w, m.cfg.Now()), panel.InterventionQuestion(m.engine.model.rules.name(w.By))
		f.Items = m.engine.model.rules.interventionKinds(mach)
	default:
		return panel.Form{}, panel.ChooseFromList
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.ChooseFromList
	}
	b := make([]byte, 16)
	rand.Read(b)
	f.Token, f.Ends, f.At = hex.EncodeToString(b), m.cfg.Now().Add(formLife), m.engine.model.presence.generation
	f.opener = who
	if !m.engine.model.forms.keep(f) {
		return panel.Form{}, panel.TooManyForms
	}
	return f.Form, nil
}

// fillIn fills a form in. It is used up once it is on record, or waits for its member: what was sent from elsewhere,
// or after another card was presented, is nobody's act until they confirm it.
func (m *PanelActions) fillIn(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	f, known := m.engine.model.forms.find(token)
	if !known {
		return waits, panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return waits, panel.ChooseFromList
	}
	if most := m.engine.model.longest(f); f.Do == formLog && e.Minutes > most {
		return waits, panel.TooManyMinutes(most)
	}
	if !e.Here || !m.engine.model.isStillTheirs(f) {
		return m.holdUnsigned(ctx, f, e)
	}
	if err := m.recordForm(ctx, f, e); err != nil {
		return waits, err
	}
	m.engine.model.forms.useUp(token)
	return waits, nil
}

// recordForm writes a form down in the name of those whose it is, who are at the machine.
func (m *PanelActions) recordForm(ctx context.Context, f form, e panel.Entry) error {
	if f.Do == formReport && !m.engine.model.forms.mayReport(reportKey{id: f.by}) {
		return panel.TooMany
	}
	if err := m.engine.keepPhoto(e); err != nil {
		return err
	}
	n := m.cfg.Journal.Len()
	switch f.Do {
	case formLog:
		id := m.engine.model.attestID(e.Item)
		m.engine.apply(ctx, session.Log{What: e.Item, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo.Name, Session: f.session, By: f.by, Endorser: f.endorser,
			ID: id, Attested: id != "" && f.opener == f.endorser}) // whose form it is stands at the machine
	case formReport:
		r := session.Report{By: f.by, Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name}, Now: e.Now}
		if r.Body.What == wire.Dangerous {
			r.Tag = m.tagFor(f, e)
		}
		m.engine.apply(ctx, r)
	case formTag:
		m.engine.apply(ctx, session.AddTag{Tag: m.tagFor(f, e), Now: e.Now})
	}
	if err := m.engine.writtenSince(n); err != nil {
		return err
	}
	if f.Do == formLog {
		m.periodic.upkeep(ctx)
	}
	return nil
}

// tagFor is the tag that a form puts on. Its reason is the problem, and what was written of it. One member's danger is
// one tag, however often they report it, and a form's is one however often it is sent.
func (m *PanelActions) tagFor(f form, e panel.Entry) session.Tag {
	reason := m.engine.model.rules.inSiteLanguage(panel.ProblemName(e.Item))
	if line, _, _ := strings.Cut(e.Note, "\n"); line != "" {
		if e.Item == string(wire.Dangerous) {
			line = reason + ", " + line
		}
		reason = line
	}
	id := "form-" + f.Token[:8]
	if f.Do == formReport {
		id = "danger-" + string(f.by)
	}
	return session.Tag{ID: id, By: f.by, Role: f.role, Reason: cut(reason, 120), Since: m.cfg.Now()}
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

// interventionKinds are the interventions that may be logged here: in the policy's order, then what else counts.
func (m *rules) interventionKinds(mach *policy.Machine) []panel.Choice {
	var out []panel.Choice
	for _, x := range mach.Interventions {
		out = append(out, panel.Choice{ID: x.ID, Label: x.Name})
	}
	for _, k := range m.roster.Policy.InterventionKinds(m.cfg.Machine) {
		if !has(mach.Interventions, k) {
			out = append(out, panel.Choice{ID: k, Label: mach.KindName(k)})
		}
	}
	return out
}
