package daemon

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"

	"portillon/daemon/panel"
	"portillon/policy"
	"portillon/wire"
)

// This file handles forms: a form is a permission to write one entry once.

// open creates a form for the person at the machine.
func (p *PanelActions) open(a panel.FormRequest) (panel.Form, error) {
	model := p.model
	who := model.currentMember()
	switch {
	case !a.Here:
		return panel.Form{}, panel.ScanCode
	case a.At != 0 && a.At != model.presence.generation:
		return panel.Form{}, panel.AnotherCardTapped
	case who == "" && a.Do == panel.OpenReport:
		model.presence.expectReporter(p.cfg.Now())
		if model.state.Running() {
			return panel.Form{}, panel.CardToReportInUse
		}
		return panel.Form{}, panel.CardToReport
	case who == "":
		return panel.Form{}, panel.CardFirst
	}
	f, err := p.newForm(a.Do, who)
	if err != nil {
		return panel.Form{}, err
	}
	if a.Item != "" && !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == a.Item }) {
		return panel.Form{}, panel.ChooseFromList
	}
	token := make([]byte, 16)
	rand.Read(token)
	f.Item, f.Token, f.Ends = a.Item, hex.EncodeToString(token), p.cfg.Now().Add(formLife)
	if !model.forms.add(f) {
		return panel.Form{}, panel.TooManyForms
	}
	return f.Form, nil
}

// newForm returns a form of this kind for the member at the machine, if they may fill it in.
func (p *PanelActions) newForm(kind panel.Action, who policy.MemberID) (form, error) {
	model := p.model
	mach, known := model.rules.machine()
	if !known {
		return form{}, panel.NotNow
	}
	name := model.rules.name(who)
	f := form{opener: who, by: who, session: model.state.Current.Session, started: p.cfg.Now()}
	f.Do, f.At = kind, model.presence.generation
	switch kind {
	case panel.OpenReport:
		f.role, f.Stop = model.roleOf(who), string(wire.Dangerous)
		f.Title, f.Items = panel.ReportQuestion(name), problems()
	case panel.OpenTag:
		if !model.isMaintaining(who) {
			return form{}, panel.NotNow
		}
		f.role, f.Stop, f.Title, f.Items = policy.Maintainer, "*", panel.TagQuestion(name), problems()
	case panel.OpenLog:
		w := model.work(who)
		if w.Session == "" {
			return form{}, panel.NotNow
		}
		f.by, f.endorser, f.session, f.since = w.By, w.Endorser, w.Session, w.Since
		f.Parts, f.Minutes = true, minutesOf(w, p.cfg.Now())
		f.Title, f.Items = panel.InterventionQuestion(model.rules.name(w.By)), model.rules.interventionKinds(mach)
	default:
		return form{}, panel.ChooseFromList
	}
	return f, nil
}

// fillIn processes a form that a person has submitted. The form cannot be used again once its entry is recorded or
// waits for the member's confirmation. If a form was sent from elsewhere, or after another card was presented, nothing
// happens in the member's name until the member confirms the form.
func (p *PanelActions) fillIn(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	f, known := p.model.forms.find(token)
	if !known {
		return waits, panel.FormOver
	}
	if !slices.ContainsFunc(f.Items, func(c panel.Choice) bool { return c.ID == e.Item }) {
		return waits, panel.ChooseFromList
	}
	if most := p.model.maxMinutes(f); f.Do == panel.OpenLog && e.Minutes > most {
		return waits, panel.TooManyMinutes(most)
	}
	if !e.Here || !p.model.isOpenerPresent(f) {
		return p.holdUnsigned(ctx, f, e)
	}
	if err := p.recordForm(ctx, f, e); err != nil {
		return waits, err
	}
	p.model.forms.useUp(token)
	return waits, nil
}

func problems() []panel.Choice {
	var out []panel.Choice
	for _, p := range wire.Problems() {
		out = append(out, panel.Choice{ID: string(p), Label: panel.ProblemName(string(p))})
	}
	return out
}
