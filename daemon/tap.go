package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// tap is steps 2 to 4 of the walk.
func (m *engine) tap(ctx context.Context, x rfid.Tap) {
	defer m.reportOldKey(ctx, x.UID)
	defer m.cfg.Panel.Reading()()
	if x.At.IsZero() {
		x.At = time.Now()
	}
	card := strength(x.Proof)
	p, known := m.model.rules.lookup(x.UID)
	if owner := m.model.state.Owner(x.UID); owner != "" && (!known || p.Member.ID != owner) {
		// a new bundle knows the card no more, or as somebody else's
		m.model.presence.leave()
		m.apply(ctx, session.SessionCard{Card: x.UID})
		return
	}
	if c, refused := m.model.rules.refused(x.UID); refused && !known {
		m.refuseCard(ctx, c, card)
		return
	}
	if !known {
		sealed := m.noteUnknown(x.UID)
		m.model.presence.leave()
		d, basis := m.decider.decide(nil, nil, card)
		m.apply(ctx, session.Stranger{Decision: d, Basis: basis, Sealed: sealed})
		return
	}
	member := m.model.practice.with(p.Member)
	e := session.Tap{Member: member.ID, Card: x.UID, Strength: card, At: x.At}
	e.Decision, e.Basis = m.decider.decide(member, nil, card)
	request := m.model.state.VouchRequest
	e.Asked = m.model.currentMember() == member.ID && request.Open && request.Mentor == member.ID
	m.model.arrived(member.ID, card, e.Decision)
	if m.onlyIdentifies(member.ID) {
		m.show()
		return
	}
	if m.model.state.Current.Member != member.ID && (m.model.state.Phase == session.Awaiting || m.model.state.Current.Supervisor != "") {
		if learner, ok := m.model.rules.roster.Person(m.model.state.Current.Member); ok {
			// of the two cards the weaker counts: a mentor's number can be copied too
			weaker := min(card, m.model.state.Cards.Strength)
			e.Supervising, e.SupervisingBasis = m.decider.decide(m.model.practice.with(learner.Member), member, weaker)
		}
	}
	m.apply(ctx, e)
}

// onlyIdentifies reports whether this tap only says who is there, because the panel asked: to confirm what a phone
// sent, to endorse what was done, or to write down a problem. A tap that would end a session ends it all the same:
// whoever taps out must be able to rely on it.
func (m *engine) onlyIdentifies(id policy.MemberID) bool {
	if m.model.currentMember() != id {
		return false
	}
	waits := m.model.state.Phase == session.Awaiting // whoever waits for a mentor has a minute
	confirms := m.model.forms.ask(id) && !waits
	endorses := !confirms && m.model.attests.ask(id) && !waits // one question at a time
	reports := m.model.presence.answers(m.cfg.Now())
	if !confirms && !endorses && !reports {
		return false
	}
	m.model.presence.askedUntil = time.Time{}
	return !m.model.state.Running() || id != m.model.state.Current.Member && id != m.model.state.Current.Supervisor
}

func (m *rules) person(id policy.MemberID) (roster.Person, bool) {
	if m.roster == nil {
		return roster.Person{}, false
	}
	return m.roster.Person(id)
}

func (m *rules) lookup(uid rfid.UID) (roster.Person, bool) {
	if m.roster == nil {
		return roster.Person{}, false
	}
	if uid == m.typedPart && uid != (rfid.UID{}) {
		return m.roster.LookupPart(uid)
	}
	return m.roster.Lookup(uid)
}

// strength is the reader's word as the policy has it.
func strength(p rfid.Proof) policy.CardStrength {
	if p == rfid.AES {
		return policy.AES
	}
	return policy.NumberOnly
}

// apply is one turn of the session: what it becomes, and what it asks for.
func (m *engine) apply(ctx context.Context, e session.Event) {
	in := session.Input{Now: m.cfg.Now(), Settings: m.model.rules.settings(), Session: m.cfg.NewID(), Event: e}
	if m.model.rules.roster != nil {
		in.Bundle = m.model.rules.roster.Version
	}
	began, before := time.Now(), m.model.state.Phase
	var effects []session.Effect
	m.model.state, effects = session.Next(m.model.state, in)
	if m.model.state.Phase != before {
		m.cfg.Logger.Info("session", "from", before.String(), "to", m.model.state.Phase.String())
		m.cfg.Panel.EndFlash() // an answer to somebody before says nothing of where the machine stands now
	}
	m.execute(ctx, effects, began)
	m.show()
}

func (m *rules) settings() session.Settings {
	s := session.Settings{HasBusy: m.cfg.HasBusy, Ignore: m.cfg.Ignore}
	if m.roster == nil {
		return s
	}
	if mach, ok := m.roster.Policy.Machine(m.cfg.Machine); ok {
		s.Cooldown, s.FinishJob, s.Vouch = mach.Cooldown, mach.WhenIdle == policy.FinishJob, len(mach.Vouch) > 0
	}
	return s
}

// execute does what the session asks, in order: steps 5 to 7. What follows a failure is dropped, and the session hears of
// it.
func (m *engine) execute(ctx context.Context, effects []session.Effect, began time.Time) {
	for _, e := range effects {
		switch e := e.(type) {
		case session.Record:
			if err := m.commit(e); err != nil {
				m.cfg.Logger.Error("the journal did not take a record", "kind", e.Kind, "why", err)
				m.apply(ctx, session.RecordFailed{Record: e})
				return
			}
		case session.Relay:
			if e.On && time.Since(began) > stale && !m.model.relay { // the disk took so long that whoever tapped has walked away
				m.cfg.Logger.Warn("the start was on record too late to close the relay", "after", time.Since(began).Round(time.Millisecond))
				m.apply(ctx, session.Stop{})
				m.cfg.Panel.Flash(panel.TooSlow(), flash)
				return
			}
			if err := m.switchRelay(ctx, e); err != nil {
				m.switchFailed(ctx, err)
				return
			}
		case session.Notify:
			m.flashResult(e)
		}
	}
}

// switchFailed is a start whose relay did not close.
func (m *engine) switchFailed(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // the daemon is ending, and nothing is broken
		m.apply(context.WithoutCancel(ctx), session.Shutdown{})
		return
	case errors.Is(err, relay.ErrContactorOpening): // no fault: nothing would ever take it back
		m.apply(ctx, session.Stop{})
		m.cfg.Panel.Flash(panel.StillStopping(), flash)
		return
	}
	what := session.GuardLost
	if r := relay.Refusal(""); errors.As(err, &r) { // pressed in this moment: the guard knows before we do
		what = session.FaultKind(r)
	}
	m.apply(ctx, session.FaultRaised{What: what, Why: err.Error()})
}

func (m *engine) switchRelay(ctx context.Context, r session.Relay) error {
	err := m.cfg.Switch.Set(ctx, r)
	m.model.relay = r.On && err == nil
	if err != nil {
		m.cfg.Logger.Warn("the guard did not confirm", "on", r.On, "why", err)
		if !r.On { // off without a guard is off: nobody holds the pin
			return nil
		}
	}
	return err
}

// commit writes the record with the facts that must outlive the daemon in the same transaction.
func (m *engine) commit(r session.Record) error {
	facts := m.model.facts(r)
	practice, practised := m.model.practice.after(r, m.cfg.Machine, m.model.believedTime())
	if practised {
		facts[FactPractice+string(r.Member)] = mustJSON(practice)
	}
	err := m.live.duringCommit(func() error { return m.cfg.Journal.Append(r, facts) })
	if err != nil {
		return err
	}
	m.afterCommit(r)
	if practised {
		m.model.practice.of[r.Member] = practice
	}
	if m.cfg.Uplink != nil {
		m.cfg.Uplink.Kick()
	}
	m.markJournalHealthy()
	return nil
}

// The names of the facts that outlive the daemon, in the journal.
const (
	FactTags     = "tags"      // []session.Tag
	FactRemoved  = "removed/"  // and the id of a tag that was taken off; the hub cannot add it again
	FactHours    = "hours"     // session.Hours
	FactUnderWay = "under-way" // UnderWay
	FactDone     = "done/"     // and the kind of maintenance: policy.Done
	FactPractice = "practice/" // and the member's pseudonym: policy.Practice
)

// mustJSON marshals our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
