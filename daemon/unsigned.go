package daemon

import (
	"context"
	"slices"
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

// unsignedForm is one that waits. It is known at the panel by id: its token stays a secret of whoever holds it.
type unsignedForm struct {
	form
	id    string
	entry panel.Entry
	ends  time.Time
	asked bool // its member's card was presented since
}

// reportKey counts reports. What is unsigned is counted apart: it never uses up what a member may report themselves.
type reportKey struct {
	id       policy.MemberID
	unsigned bool
}

// isStillTheirs reports whether no other card was presented since a form was opened, or its opener's own was, within
// the last minute.
func (m *Machine) isStillTheirs(f form) bool {
	return m.desk.nth == f.At || m.stands() == f.opener
}

// holdUnsigned keeps what was sent until its member confirms it.
func (m *Machine) holdUnsigned(ctx context.Context, f form, e panel.Entry) (policy.Text, error) {
	waits, danger := panel.FormWaits(), e.Item == string(wire.Dangerous)
	room := m.roomFor(f.opener)
	if f.Do == "report" && (room || danger) {
		if err := m.recordUnsigned(ctx, f, e); err != nil {
			return policy.Text{}, err
		}
		waits = panel.ReportWaits(danger)
		if danger {
			m.dangerAt = m.cfg.Now()
		}
	} else if !room {
		return policy.Text{}, panel.TooManyWait
	}
	m.useUp(f.Token)
	if room {
		m.unsigned = append(m.unsigned, unsignedForm{form: f, id: m.cfg.NewID(), entry: e, ends: m.cfg.Now().Add(formLife)})
	}
	m.cfg.Logger.Info("form waits for its member", "do", f.Do, "member", f.opener)
	m.show()
	return waits, nil
}

// roomFor reports whether another form of this member may wait. A form that waits is never dropped for another one.
func (m *Machine) roomFor(id policy.MemberID) bool {
	m.expireUnsigned()
	own := 0
	for _, u := range m.unsigned {
		if u.opener == id {
			own++
		}
	}
	return own < formsEach && len(m.unsigned) < formsMost
}

// recordUnsigned writes a problem down in nobody's name.
func (m *Machine) recordUnsigned(ctx context.Context, f form, e panel.Entry) error {
	if !m.mayReport(reportKey{f.opener, true}) {
		return panel.TooMany
	}
	if err := m.keepPhoto(e); err != nil {
		return err
	}
	n := m.cfg.Journal.Len()
	m.step(ctx, session.Report{Body: wire.ReportBody{What: wire.Problem(e.Item), Note: e.Note, Photo: e.Photo.Name, Claimed: f.opener}})
	return m.saved(n)
}

// toConfirm is the oldest form that waits for this member.
func (m *Machine) toConfirm(id policy.MemberID) (unsignedForm, bool) {
	i := slices.IndexFunc(m.unsigned, func(u unsignedForm) bool { return id != "" && u.opener == id && m.cfg.Now().Before(u.ends) })
	if i < 0 {
		return unsignedForm{}, false
	}
	return m.unsigned[i], true
}

// asksToConfirm reports whether this card is the first of a member since something was sent in their name: it only asks
// them about it.
func (m *Machine) asksToConfirm(id policy.MemberID) bool {
	first := false
	for i, u := range m.unsigned {
		if u.opener == id && !u.asked && m.cfg.Now().Before(u.ends) {
			m.unsigned[i].asked, first = true, true
		}
	}
	return first && m.state.Phase != session.Awaiting // whoever waits for a mentor has a minute
}

// confirm writes a form down in the name of its member, who stands at the machine and touched "confirm".
func (m *Machine) confirm(ctx context.Context, id string, who policy.MemberID) error {
	u, ok := m.waiting(id, who)
	if !ok {
		return panel.NotNow
	}
	if err := m.recordForm(ctx, u.form, u.entry); err != nil {
		return err
	}
	m.removeUnsigned(id)
	if u.Do == "report" && u.entry.Item == string(wire.Dangerous) { // the tag says it now
		m.dangerAt = time.Time{}
	}
	m.cfg.Logger.Info("form confirmed", "do", u.Do, "member", who)
	m.show()
	return nil
}

// deny drops a form whose member says that it is not theirs.
func (m *Machine) deny(id string, who policy.MemberID) error {
	u, ok := m.waiting(id, who)
	if !ok {
		return panel.NotNow
	}
	m.removeUnsigned(id)
	m.dropPhoto(u)
	m.cfg.Logger.Warn("form denied by its member", "do", u.Do, "member", who)
	m.show()
	return nil
}

// waiting is the form of that id, where it is this member's and still waits.
func (m *Machine) waiting(id string, who policy.MemberID) (unsignedForm, bool) {
	m.expireUnsigned()
	i := slices.IndexFunc(m.unsigned, func(u unsignedForm) bool { return u.id == id && u.opener == who })
	if i < 0 {
		return unsignedForm{}, false
	}
	return m.unsigned[i], true
}

func (m *Machine) removeUnsigned(id string) {
	m.unsigned = slices.DeleteFunc(m.unsigned, func(u unsignedForm) bool { return u.id == id })
}

// expireUnsigned drops the forms that waited for too long.
func (m *Machine) expireUnsigned() {
	now := m.cfg.Now()
	m.dropUnsigned(func(u unsignedForm) bool { return !now.Before(u.ends) })
}

// dropUnsigned drops forms with their photos, and says so in the log and at the panel's foot.
func (m *Machine) dropUnsigned(which func(unsignedForm) bool) {
	var rest []unsignedForm
	for _, u := range m.unsigned {
		if !which(u) {
			rest = append(rest, u)
			continue
		}
		m.dropPhoto(u)
		m.cfg.Logger.Warn("form dropped: its member did not confirm it", "do", u.Do, "member", u.opener)
		if u.Do != "report" { // a problem is on record, unsigned
			m.droppedAt = m.cfg.Now()
		}
	}
	m.unsigned = rest
}

// dropPhoto deletes the photo of a form that came to nothing. A problem's is its record's.
func (m *Machine) dropPhoto(u unsignedForm) {
	if u.Do != "report" {
		u.entry.Photo.Drop()
	}
}

// keepPhoto has a form's photo stay on the disk, which may take as long as a commit.
func (m *Machine) keepPhoto(e panel.Entry) error {
	m.disk.Store(max(1, int64(time.Since(m.born))))
	err := e.Photo.Keep()
	m.turned()
	m.disk.Store(0)
	return err
}

// unsignedNote is what the panel's foot says of unsigned forms; empty: nothing.
func (m *Machine) unsignedNote() policy.Text {
	now := m.cfg.Now()
	switch {
	case !m.dangerAt.IsZero() && now.Sub(m.dangerAt) < dangerNoted:
		return panel.DangerUnsigned()
	case len(m.unsigned) > 0:
		return panel.Unconfirmed(m.name(m.unsigned[0].opener))
	case !m.droppedAt.IsZero() && now.Sub(m.droppedAt) < session.ChooseFor:
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
	if u.Do == "log" {
		minutes = u.entry.Minutes
	}
	return []panel.Offer{panel.OfferConfirm(u.id, u.itemName(), minutes), panel.OfferDeny(u.id)}
}
