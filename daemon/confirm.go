package daemon

import (
	"context"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// This file handles the two things that a member confirms by tapping their card and touching the screen: an unsigned
// form in their name, or an intervention that was logged in their session.
//
// A form is unsigned if it was sent from a phone, or from the machine's screen after another person had tapped their
// card. Everyone who has the code of a form may send the form, so the form proves nothing about the person who sent it.
// An unsigned form waits ten minutes for the confirmation of its member. Within the ten minutes, the member can tap
// their card and confirm the form with a touch at the machine. Until the confirmation, the form creates no record in
// the member's name and switches nothing. However, a reported problem is recorded at once, without a member.
//
// If the policy requires that interventions are endorsed at-the-time, the responsible maintainer endorses the
// intervention with one touch at the machine's own screen, within a minute of their own tap. An intervention is
// recorded even if nobody endorses it, and a maintainer who fills in the form at the machine has thereby endorsed it.
// An intervention that nobody endorses within ten minutes after the session stays unendorsed. When the daemon ends, the
// interventions that still wait also stay unendorsed.

// holdUnsigned stores a submitted form until its member confirms it.
func (p *PanelActions) holdUnsigned(ctx context.Context, f form, e panel.Entry) (policy.Text, error) {
	waits, danger := panel.FormWaits(), e.Item == string(wire.Dangerous)
	room := p.model.forms.roomFor(f.opener)
	if f.Do == panel.OpenReport && (room || danger) {
		if err := p.recordUnsigned(ctx, f, e); err != nil {
			return policy.Text{}, err
		}
		waits = panel.ReportWaits(danger)
		if danger {
			p.model.forms.dangerAt = p.cfg.Now()
		}
	} else if !room {
		return policy.Text{}, panel.TooManyWait
	}
	p.model.forms.useUp(f.Token)
	if room {
		p.model.forms.waiting = append(
			p.model.forms.waiting,
			unsignedForm{form: f, id: p.cfg.NewID(), entry: e, ends: p.cfg.Now().Add(formLife)},
		)
	}
	p.cfg.Logger.Info("form waits for its member", "do", f.Do, "member", f.opener)
	p.engine.show()
	return waits, nil
}

// recordUnsigned records a reported problem without naming a member.
func (p *PanelActions) recordUnsigned(ctx context.Context, f form, e panel.Entry) error {
	if !p.model.forms.mayReport(reportKey{f.opener, true}) {
		return panel.TooMany
	}
	if err := p.engine.keepPhoto(e); err != nil {
		return err
	}
	n := p.cfg.Journal.Len()
	p.engine.apply(
		ctx,
		session.Report{
			Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name, Claimed: f.opener},
		},
	)
	return p.engine.requireWrittenSince(n)
}

// confirm records a form in the name of its member, who is at the machine and touched "confirm".
func (p *PanelActions) confirm(ctx context.Context, id string, who policy.MemberID) error {
	u, ok := p.model.forms.waitingFor(id, who)
	if !ok {
		return panel.NotNow
	}
	if err := p.recordForm(ctx, u.form, u.entry); err != nil {
		return err
	}
	p.model.forms.remove(id)
	// The record of the tag already names the danger, so no second text is written.
	if u.Do == panel.OpenReport && u.entry.Item == string(wire.Dangerous) {
		p.model.forms.dangerAt = time.Time{}
	}
	p.cfg.Logger.Info("form confirmed", "do", u.Do, "member", who)
	p.engine.show()
	return nil
}

// deny drops a form after its member has denied sending it.
func (p *PanelActions) deny(id string, who policy.MemberID) error {
	u, ok := p.model.forms.waitingFor(id, who)
	if !ok {
		return panel.NotNow
	}
	p.model.forms.remove(id)
	u.dropPhoto()
	p.cfg.Logger.Warn("form denied by its member", "do", u.Do, "member", who)
	p.engine.show()
	return nil
}

// attest records that an endorser, who is at the machine and touched "endorse", confirms an intervention.
func (p *PanelActions) attest(ctx context.Context, id string, who policy.MemberID) error {
	p.model.expireAttests()
	a, ok := p.model.attests.find(id, who)
	if !ok {
		return panel.NotNow
	}
	n := p.cfg.Journal.Len()
	p.engine.apply(ctx, session.Attest{By: who, Session: a.session, Intervention: a.id, What: a.kind})
	if err := p.engine.requireWrittenSince(n); err != nil {
		return err
	}
	p.model.attests.remove(id)
	p.engine.show()
	return nil
}

// decline removes the question from the panel after the endorser has declined. The intervention stays recorded, without
// an endorsement.
func (p *PanelActions) decline(id string, who policy.MemberID) error {
	p.model.expireAttests()
	a, ok := p.model.attests.find(id, who)
	if !ok {
		return panel.NotNow
	}
	p.model.attests.remove(id)
	p.cfg.Logger.Warn("endorser declined an intervention", "kind", a.kind, "member", a.by, "endorser", who)
	p.engine.show()
	return nil
}
