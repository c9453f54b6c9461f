package daemon

import (
	"context"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// Unsigned forms: what was sent from a phone, or from a screen where another card was presented since. Whoever holds
// the code of a form may send it, so it proves nothing. It waits for ten minutes; its member confirms it with a touch
// at the machine, after their card. Until then it is no record of theirs and switches nothing. A problem is written
// down at once all the same, in nobody's name.

// dangerNoted is how long the panel shows a danger that was reported unsigned, unless a maintainer has worked at the
// machine since.
const dangerNoted = 24 * time.Hour

// isStillTheirs reports whether no other card was presented since a form was opened, or its opener's own was, within
// the last minute.
func (m *model) isStillTheirs(f form) bool {
	return m.presence.generation == f.At || m.currentMember() == f.opener
}

// holdUnsigned keeps what was sent until its member confirms it.
func (m *PanelActions) holdUnsigned(ctx context.Context, f form, e panel.Entry) (policy.Text, error) {
	waits, danger := panel.FormWaits(), e.Item == string(wire.Dangerous)
	room := m.engine.model.forms.roomFor(f.opener)
	if f.Do == formReport && (room || danger) {
		if err := m.recordUnsigned(ctx, f, e); err != nil {
			return policy.Text{}, err
		}
		waits = panel.ReportWaits(danger)
		if danger {
			m.engine.model.forms.dangerAt = m.cfg.Now()
		}
	} else if !room {
		return policy.Text{}, panel.TooManyWait
	}
	m.engine.model.forms.useUp(f.Token)
	if room {
		m.engine.model.forms.waiting = append(m.engine.model.forms.waiting, unsignedForm{form: f, id: m.cfg.NewID(), entry: e, ends: m.cfg.Now().Add(formLife)})
	}
	m.cfg.Logger.Info("form waits for its member", "do", f.Do, "member", f.opener)
	m.engine.show()
	return waits, nil
}

// recordUnsigned writes a problem down in nobody's name.
func (m *PanelActions) recordUnsigned(ctx context.Context, f form, e panel.Entry) error {
	if !m.engine.model.forms.mayReport(reportKey{f.opener, true}) {
		return panel.TooMany
	}
	if err := m.engine.keepPhoto(e); err != nil {
		return err
	}
	n := m.cfg.Journal.Len()
	m.engine.apply(ctx, session.Report{Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name, Claimed: f.opener}})
	return m.engine.writtenSince(n)
}

// confirm writes a form down in the name of its member, who stands at the machine and touched "confirm".
func (m *PanelActions) confirm(ctx context.Context, id string, who policy.MemberID) error {
	u, ok := m.engine.model.forms.waitingFor(id, who)
	if !ok {
		return panel.NotNow
	}
	if err := m.recordForm(ctx, u.form, u.entry); err != nil {
		return err
	}
	m.engine.model.forms.remove(id)
	if u.Do == formReport && u.entry.Item == string(wire.Dangerous) { // the tag says it now
		m.engine.model.forms.dangerAt = time.Time{}
	}
	m.cfg.Logger.Info("form confirmed", "do", u.Do, "member", who)
	m.engine.show()
	return nil
}

// deny drops a form whose member says that it is not theirs.
func (m *PanelActions) deny(id string, who policy.MemberID) error {
	u, ok := m.engine.model.forms.waitingFor(id, who)
	if !ok {
		return panel.NotNow
	}
	m.engine.model.forms.remove(id)
	u.dropPhoto()
	m.cfg.Logger.Warn("form denied by its member", "do", u.Do, "member", who)
	m.engine.show()
	return nil
}

// keepPhoto has a form's photo stay on the disk, which may take as long as a commit.
func (m *engine) keepPhoto(e panel.Entry) error {
	err := m.live.duringCommit(func() error { return e.Photo.Keep() })
	return err
}

// unsignedNote is what the panel's foot says of unsigned forms; empty: nothing.
func (m *views) unsignedNote() policy.Text {
	now := m.cfg.Now()
	switch {
	case !m.model.forms.dangerAt.IsZero() && now.Sub(m.model.forms.dangerAt) < dangerNoted:
		return panel.DangerUnsigned()
	case len(m.model.forms.waiting) > 0:
		return panel.Unconfirmed(m.model.rules.name(m.model.forms.waiting[0].opener))
	case !m.model.forms.droppedAt.IsZero() && now.Sub(m.model.forms.droppedAt) < session.ChooseFor:
		return panel.NotConfirmed()
	}
	return policy.Text{}
}

// itemName is the name of what a form chose.
func (u unsignedForm) itemName() policy.Text {
	for _, c := range u.Items {
		if c.ID == u.entry.Item {
			return c.Label
		}
	}
	return policy.Text{FR: u.entry.Item, EN: u.entry.Item}
}

// confirmOffers are the two buttons of a form that waits.
func (u unsignedForm) confirmOffers() []panel.Offer {
	minutes := 0
	if u.Do == formLog {
		minutes = u.entry.Minutes
	}
	return []panel.Offer{panel.OfferConfirm(u.id, u.itemName(), minutes), panel.OfferDeny(u.id)}
}
