package daemon

import (
	"context"
	"errors"
	"slices"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// This file handles the touches of people at the panel. The member who tapped last may touch the panel's buttons for a
// minute. A form that they opened is valid for ten minutes, even if other members tap meanwhile. A touch, or the
// opening of a form, is accepted only from a screen at the machine (panel.Touch.Here, panel.FormRequest.Here). A page
// elsewhere on the network can only display. If a form is sent from elsewhere, with the form's code, the form is
// unsigned (confirm.go).

var _ panel.Actions = (*PanelActions)(nil)

// Do implements panel.Actions.
func (p *PanelActions) Do(ctx context.Context, o panel.Touch) error {
	return p.runInLoop(ctx, func(ctx context.Context) error { return p.touch(ctx, o) })
}

// Form implements panel.Actions.
func (p *PanelActions) Form(ctx context.Context, a panel.FormRequest) (f panel.Form, err error) {
	err = p.runInLoop(ctx, func(context.Context) error {
		if a.Token != "" {
			x, ok := p.model.forms.find(a.Token)
			if !ok {
				return panel.FormOver
			}
			f = x.Form
			return nil
		}
		f, err = p.open(a)
		return err
	})
	return f, err
}

// Write implements panel.Actions.
func (p *PanelActions) Write(ctx context.Context, token string, e panel.Entry) (waits policy.Text, err error) {
	err = p.runInLoop(ctx, func(ctx context.Context) error {
		waits, err = p.fillIn(ctx, token, e)
		return err
	})
	return waits, err
}

// runInLoop runs do in the machine's loop.
func (p *PanelActions) runInLoop(ctx context.Context, do func(context.Context) error) error {
	var err error
	rep := p.loop.within(ctx, func(ctx context.Context) control.Reply {
		err = p.localizeRefusal(do(ctx))
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return err
}

// localizeRefusal converts a refusal to one in the words of this machine, and returns any other error unchanged.
func (p *PanelActions) localizeRefusal(err error) error {
	no := panel.Refusal{}
	if mach, known := p.model.rules.machine(); known && errors.As(err, &no) {
		return panel.Refusal(mach.Plain(policy.Text(no)))
	}
	return err
}

// touch executes a touch.
func (p *PanelActions) touch(ctx context.Context, o panel.Touch) error {
	model := p.model
	who := model.currentMember()
	n := p.cfg.Journal.Len()
	switch {
	case !o.Here:
		return panel.OnlyHere
	case o.At != 0 && o.At != model.presence.generation:
		return panel.AnotherCardTapped
	case o.Do == panel.Extend: // anybody present could end the session with their card, so anybody may also extend it
		p.extend(ctx)
		return ok(p.cfg.Journal.Len() > n)
	case o.Do == panel.PowerOff: // opening the relay only makes the machine safer
		p.engine.apply(ctx, session.PowerOff{By: model.state.Current.Member})
		return p.engine.requireWrittenSince(n)
	case who == "":
		return panel.CardFirst
	}
	return p.touchBy(ctx, who, o)
}

// touchBy executes a touch of the member who is at the machine.
func (p *PanelActions) touchBy(ctx context.Context, who policy.MemberID, o panel.Touch) error {
	switch o.Do {
	case panel.TakeRole:
		var role policy.Role
		if err := role.UnmarshalText([]byte(o.Arg)); err != nil || role == policy.NoRole {
			return panel.ChooseFromList
		}
		return ok(who == p.model.state.Current.Member && p.engine.chooseRole(ctx, role))
	case panel.Untag:
		return p.untag(ctx, who, o.Arg)
	case panel.Confirm:
		return p.confirm(ctx, o.Arg, who)
	case panel.Deny:
		return p.deny(o.Arg, who)
	case panel.Attest:
		return p.attest(ctx, o.Arg, who)
	case panel.Decline:
		return p.decline(o.Arg, who)
	case panel.Vouch:
		return p.vouch(ctx, who, o.Items)
	}
	return panel.ChooseFromList
}

// untag removes a tag. A tag for due maintenance cannot be removed by a touch, but only by doing the maintenance.
func (p *PanelActions) untag(ctx context.Context, who policy.MemberID, id string) error {
	if OriginOf(id) == TagFromMaintenance {
		return panel.ChooseFromList
	}
	n := p.cfg.Journal.Len()
	p.engine.apply(ctx, session.RemoveTag{ID: id, By: who})
	err := p.engine.requireWrittenSince(n)
	if err == nil && len(p.model.state.Holds.Tags) == 0 {
		p.cfg.Panel.Flash(panel.Returned(p.model.rules.name(who)), flash/2)
	}
	return err
}

// vouch records the skills that a learner has shown, if the policy names them.
func (p *PanelActions) vouch(ctx context.Context, who policy.MemberID, skills []string) error {
	mach, known := p.model.rules.machine()
	isUnknown := func(s string) bool { return !has(mach.Vouch, s) }
	if !known || len(skills) == 0 || slices.ContainsFunc(skills, isUnknown) {
		return panel.ChooseFromList
	}
	n := p.cfg.Journal.Len()
	slices.Sort(skills)
	p.engine.apply(ctx, session.Vouch{By: who, Skills: slices.Compact(skills)})
	return p.engine.requireWrittenSince(n)
}

// extend asks the policy again. The time that the current session has used counts, but the session itself does not
// count towards the quota.
func (p *PanelActions) extend(ctx context.Context) {
	person, known := p.model.rules.person(p.model.state.Current.Member)
	if !known {
		return
	}
	member := *p.model.practice.with(person.Member)
	used := policy.Practice{Machine: p.cfg.Machine}
	if len(member.Practice) > 0 && member.Practice[0].Machine == p.cfg.Machine {
		used = member.Practice[0]
		member.Practice = slices.Clone(member.Practice[1:])
	}
	now := p.cfg.Now().In(p.model.rules.roster.Policy.Zone)
	member.Practice = append([]policy.Practice{used.Using(now, now.Sub(p.model.state.Current.Since))}, member.Practice...)
	var supervisor *policy.Member
	if s, known := p.model.rules.person(p.model.state.Current.Supervisor); known {
		supervisor = p.model.practice.with(s.Member)
	}
	q := p.engine.decider.question(&member, supervisor, p.model.state.Current.Role)
	p.engine.apply(ctx, session.Extend{Decision: p.model.rules.roster.Policy.Decide(q)})
}
