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

// open opens a form for whoever stands there.
func (m *PanelActions) open(a panel.FormRequest) (panel.Form, error) {
	model := m.model
	who := model.currentMember()
	switch {
	case !a.Here:
		return panel.Form{}, panel.ScanCode
	case a.At != 0 && a.At != model.presence.generation:
		return panel.Form{}, panel.AnotherCardTapped
	case who == "" && a.Do == panel.OpenReport:
		model.presence.ask(m.cfg.Now())
		if model.state.Running() {
			return panel.Form{}, panel.CardToReportInUse
		}
		return panel.Form{}, panel.CardToReport
	case who == "":
		return panel.Form{}, panel.CardFirst
	}
	f, err := m.newForm(a.Do, who)
	if err != nil {
		return panel.Form{}, err
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.ChooseFromList
	}
	token := make([]byte, 16)
	rand.Read(token)
	f.Item, f.Token, f.Ends = a.Item, hex.EncodeToString(token), m.cfg.Now().Add(formLife)
	if !model.forms.keep(f) {
		return panel.Form{}, panel.TooManyForms
	}
	return f.Form, nil
}

// newForm is a form of this kind for the member who stands at the machine, where they may fill it in.
func (m *PanelActions) newForm(kind panel.Action, who policy.MemberID) (form, error) {
	model := m.model
	mach, known := model.rules.machine()
	if !known {
		return form{}, panel.NotNow
	}
	name := model.rules.name(who)
	f := form{opener: who, by: who, session: model.state.Current.Session, started: m.cfg.Now()}
	f.Do, f.At = kind, model.presence.generation
	switch kind {
	case panel.OpenReport:
		f.role, f.Stop = model.roleOf(who), string(wire.Dangerous)
		f.Title, f.Items = panel.ReportQuestion(name), problems()
	case panel.OpenTag:
		if !model.maintains(who) {
			return form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.TagQuestion(name), problems()
	case panel.OpenLog:
		w := model.work(who)
		if w.Session == "" {
			return form{}, panel.NotNow
		}
		f.by, f.endorser, f.session, f.since = w.By, w.Endorser, w.Session, w.Since
		f.Parts, f.Minutes = true, minutesOf(w, m.cfg.Now())
		f.Title, f.Items = panel.InterventionQuestion(model.rules.name(w.By)), model.rules.interventionKinds(mach)
	default:
		return form{}, panel.ChooseFromList
	}
	return f, nil
}

// fillIn fills a form in. It is used up once it is on record, or waits for its member: what was sent from elsewhere,
// or after another card was presented, is nobody's act until they confirm it.
func (m *PanelActions) fillIn(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	f, known := m.model.forms.find(token)
	if !known {
		return waits, panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return waits, panel.ChooseFromList
	}
	if most := m.model.longest(f); f.Do == panel.OpenLog && e.Minutes > most {
		return waits, panel.TooManyMinutes(most)
	}
	if !e.Here || !m.model.isStillTheirs(f) {
		return m.holdUnsigned(ctx, f, e)
	}
	if err := m.recordForm(ctx, f, e); err != nil {
		return waits, err
	}
	m.model.forms.useUp(token)
	return waits, nil
}

// recordForm writes a form down in the name of those whose it is, who are at the machine.
func (m *PanelActions) recordForm(ctx context.Context, f form, e panel.Entry) error {
	if f.Do == panel.OpenReport && !m.model.forms.mayReport(reportKey{id: f.by}) {
		return panel.TooMany
	}
	if err := m.engine.keepPhoto(e); err != nil {
		return err
	}
	n := m.cfg.Journal.Len()
	switch f.Do {
	case panel.OpenLog:
		id := m.model.attestID(e.Item)
		m.engine.apply(
			ctx,
			session.Log{
				What:     e.Item,
				Minutes:  e.Minutes,
				Note:     e.Note,
				Parts:    e.Parts,
				Photo:    e.Photo.Name,
				Session:  f.session,
				By:       f.by,
				Endorser: f.endorser,
				ID:       id,
				Attested: id != "" && f.opener == f.endorser,
			},
		) // whose form it is stands at the machine
	case panel.OpenReport:
		r := session.Report{
			By:   f.by,
			Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name},
			Now:  e.Now,
		}
		if r.Body.What == wire.Dangerous {
			r.Tag = m.tagFor(f, e)
		}
		m.engine.apply(ctx, r)
	case panel.OpenTag:
		m.engine.apply(ctx, session.AddTag{Tag: m.tagFor(f, e), Now: e.Now})
	}
	if err := m.engine.writtenSince(n); err != nil {
		return err
	}
	if f.Do == panel.OpenLog {
		m.periodic.upkeep(ctx)
	}
	return nil
}

// tagFor is the tag that a form puts on. Its reason is the problem, and what was written of it. One member's danger is
// one tag, however often they report it, and a form's is one however often it is sent.
func (m *PanelActions) tagFor(f form, e panel.Entry) session.Tag {
	reason := m.model.rules.inSiteLanguage(panel.ProblemName(e.Item))
	if line, _, _ := strings.Cut(e.Note, "\n"); line != "" {
		if e.Item == string(wire.Dangerous) {
			line = reason + ", " + line
		}
		reason = line
	}
	id := "form-" + f.Token[:8]
	if f.Do == panel.OpenReport {
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
