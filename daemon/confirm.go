package daemon

import (
	"context"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// What a member confirms with a touch at the machine, after their card: an unsigned form of theirs, and an intervention
// that was logged in their session.
//
// Unsigned forms: what was sent from a phone, or from a screen where another card was presented since. Whoever holds
// the code of a form may send it, so it proves nothing. It waits for ten minutes; its member confirms it with a touch
// at the machine, after their card. Until then it is no record of theirs and switches nothing. A problem is written
// down at once all the same, in nobody's name.
//
// Attestations: where the policy's evidence is endorsed at-the-time, the maintainer in whose session an intervention
// was logged confirms it with one touch at the machine's own screen, within a minute of their own tap. The intervention
// is on record either way, and a maintainer who sends the form themself has confirmed it by that. What nobody confirms
// until ten minutes after the session stays unconfirmed; so does what waits when the daemon ends.

// holdUnsigned keeps what was sent until its member confirms it.
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

// recordUnsigned writes a problem down in nobody's name.
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
	return p.engine.writtenSince(n)
}

// confirm writes a form down in the name of its member, who stands at the machine and touched "confirm".
func (p *PanelActions) confirm(ctx context.Context, id string, who policy.MemberID) error {
	u, ok := p.model.forms.waitingFor(id, who)
	if !ok {
		return panel.NotNow
	}
	if err := p.recordForm(ctx, u.form, u.entry); err != nil {
		return err
	}
	p.model.forms.remove(id)
	if u.Do == panel.OpenReport && u.entry.Item == string(wire.Dangerous) { // the tag says it now
		p.model.forms.dangerAt = time.Time{}
	}
	p.cfg.Logger.Info("form confirmed", "do", u.Do, "member", who)
	p.engine.show()
	return nil
}

// deny drops a form whose member says that it is not theirs.
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

// attest writes down that an endorser, who stands at the machine and touched "endorse", confirms an intervention.
func (p *PanelActions) attest(ctx context.Context, id string, who policy.MemberID) error {
	p.model.expireAttests()
	a, ok := p.model.attests.find(id, who)
	if !ok {
		return panel.NotNow
	}
	n := p.cfg.Journal.Len()
	p.engine.apply(ctx, session.Attest{By: who, Session: a.session, Intervention: a.id, What: a.kind})
	if err := p.engine.writtenSince(n); err != nil {
		return err
	}
	p.model.attests.remove(id)
	p.engine.show()
	return nil
}

// decline drops the question: the intervention stays on record, unconfirmed.
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
