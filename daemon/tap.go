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
	"portillon/wire"
)

// tap is steps 2 to 4 of the walk.
func (m *Machine) tap(ctx context.Context, x rfid.Tap) {
	defer m.reportOldKey(ctx, x.UID)
	defer m.cfg.Panel.Reading()()
	if x.At.IsZero() {
		x.At = time.Now()
	}
	card := strength(x.Proof)
	p, known := m.lookup(x.UID)
	if owner := m.state.Owner(x.UID); owner != "" && (!known || p.Member.ID != owner) {
		// a new bundle knows the card no more, or as somebody else's
		m.left()
		m.step(ctx, session.SessionCard{Card: x.UID})
		return
	}
	if c, refused := m.refused(x.UID); refused && !known {
		m.refuseCard(ctx, c, card)
		return
	}
	if !known {
		sealed := m.noteUnknown(x.UID)
		m.left()
		d, basis := m.decide(nil, nil, card)
		m.step(ctx, session.Stranger{Decision: d, Basis: basis, Sealed: sealed})
		return
	}
	member := m.withPractice(p.Member)
	e := session.Tap{Member: member.ID, Card: x.UID, Strength: card, At: x.At}
	e.Decision, e.Basis = m.decide(member, nil, card)
	request := m.state.VouchRequest
	e.Asked = m.stands() == member.ID && request.Open && request.Mentor == member.ID
	m.arrived(member.ID, card, e.Decision)
	if m.onlyIdentifies(member.ID) {
		m.show()
		return
	}
	if m.state.Current.Member != member.ID && (m.state.Phase == session.Awaiting || m.state.Current.Supervisor != "") {
		if learner, ok := m.cfg.Roster.Person(m.state.Current.Member); ok {
			// of the two cards the weaker counts: a mentor's number can be copied too
			weaker := min(card, m.state.Cards.Strength)
			e.Supervising, e.SupervisingBasis = m.decide(m.withPractice(learner.Member), member, weaker)
		}
	}
	m.step(ctx, e)
}

// onlyIdentifies reports whether this tap only says who is there, because the panel asked: to confirm what a phone
// sent, to endorse what was done, or to write down a problem. A tap that would end a session ends it all the same:
// whoever taps out must be able to rely on it.
func (m *Machine) onlyIdentifies(id policy.MemberID) bool {
	if m.stands() != id {
		return false
	}
	confirms, reports := m.asksToConfirm(id) || m.asksToAttest(id), m.cfg.Now().Before(m.asking)
	if !confirms && !reports {
		return false
	}
	m.asking = time.Time{}
	if reports {
		m.reporter = m.desk.nth
	}
	return !m.state.Running() || id != m.state.Current.Member && id != m.state.Current.Supervisor
}

func (m *Machine) person(id policy.MemberID) (roster.Person, bool) {
	if m.cfg.Roster == nil {
		return roster.Person{}, false
	}
	return m.cfg.Roster.Person(id)
}

func (m *Machine) lookup(uid rfid.UID) (roster.Person, bool) {
	if m.cfg.Roster == nil {
		return roster.Person{}, false
	}
	if uid == m.typedPart && uid != (rfid.UID{}) {
		return m.cfg.Roster.LookupPart(uid)
	}
	return m.cfg.Roster.Lookup(uid)
}

// strength is the reader's word as the policy has it.
func strength(p rfid.Proof) policy.CardStrength {
	if p == rfid.AES {
		return policy.AES
	}
	return policy.NumberOnly
}

// decide asks the policy. Without a policy the zero Decision refuses, on no basis.
func (m *Machine) decide(member, supervisor *policy.Member, card policy.CardStrength) (policy.Decision, *policy.Basis) {
	if m.cfg.Roster == nil {
		return policy.Decision{}, nil
	}
	q := m.question(member, supervisor, policy.NoRole)
	q.Card = card
	return m.judge(q)
}

// judge is the decision of the policy in force, and what it rested on, for the record.
func (m *Machine) judge(q policy.Question) (policy.Decision, *policy.Basis) {
	d := m.cfg.Roster.Policy.Decide(q)
	b := policy.BasisOf(q, d)
	b.Policy, b.Bundle = m.cfg.Roster.PolicyNumber, m.cfg.Roster.Version
	return d, &b
}

func (m *Machine) question(member, supervisor *policy.Member, as policy.Role) policy.Question {
	q := policy.Question{At: m.cfg.Now(), Machine: m.cfg.Machine, Member: member, Supervisor: supervisor,
		Tagged: len(m.state.Holds.Tags) > 0, Fault: len(m.state.Holds.Faults) > 0, As: as, Card: m.state.Cards.Strength, Answering: m.answers(member, supervisor)}
	if m.cfg.Trusted() {
		q.Clock = policy.Trusted
	}
	if m.cfg.Roster != nil {
		q.Issued = m.cfg.Roster.Issued
	}
	if m.cfg.LastTrusted != nil {
		q.LastTrusted = m.cfg.LastTrusted()
	}
	return q
}

// answers counts the sessions that the supervisor answers for here, but the member's own. This machine has one, and
// knows of no other's: what learners: says across machines nobody can judge here.
func (m *Machine) answers(member, supervisor *policy.Member) int {
	if s := m.state; supervisor == nil || !s.Running() || s.Current.Supervisor != supervisor.ID || member != nil && s.Current.Member == member.ID {
		return 0
	}
	return 1
}

// withPractice adds what the member has done at this machine, which this machine's own journal knows.
func (m *Machine) withPractice(p *policy.Member) *policy.Member {
	pr, ok := m.practice[p.ID]
	if !ok {
		return p
	}
	out := *p
	out.Practice = append([]policy.Practice{pr}, p.Practice...)
	return &out
}

// step is one turn of the session: what it becomes, and what it asks for.
func (m *Machine) step(ctx context.Context, e session.Event) {
	in := session.Input{Now: m.cfg.Now(), Settings: m.settings(), Session: m.cfg.NewID(), Event: e}
	if m.cfg.Roster != nil {
		in.Bundle = m.cfg.Roster.Version
	}
	began, before := time.Now(), m.state.Phase
	var effects []session.Effect
	m.state, effects = session.Next(m.state, in)
	if m.state.Phase != before {
		m.cfg.Logger.Info("session", "from", before.String(), "to", m.state.Phase.String())
		m.cfg.Panel.Settle() // an answer to somebody before says nothing of where the machine stands now
	}
	m.carry(ctx, effects, began)
	m.show()
}

func (m *Machine) settings() session.Settings {
	s := session.Settings{HasBusy: m.cfg.HasBusy, Ignore: m.cfg.Ignore}
	if m.cfg.Roster == nil {
		return s
	}
	if mach, ok := m.cfg.Roster.Policy.Machine(m.cfg.Machine); ok {
		s.Cooldown, s.FinishJob, s.Vouch = mach.Cooldown, mach.WhenIdle == policy.FinishJob, len(mach.Vouch) > 0
	}
	return s
}

// carry does what the session asks, in order: steps 5 to 7. What follows a failure is dropped, and the session hears of
// it.
func (m *Machine) carry(ctx context.Context, effects []session.Effect, began time.Time) {
	for _, e := range effects {
		switch e := e.(type) {
		case session.Record:
			if err := m.commit(e); err != nil {
				m.cfg.Logger.Error("the journal did not take a record", "kind", e.Kind, "why", err)
				m.step(ctx, session.RecordFailed{Record: e})
				return
			}
		case session.Relay:
			if e.On && time.Since(began) > stale && !m.relay { // the disk took so long that whoever tapped has walked away
				m.cfg.Logger.Warn("the start was on record too late to close the relay", "after", time.Since(began).Round(time.Millisecond))
				m.step(ctx, session.Stop{})
				m.cfg.Panel.Flash(panel.TooSlow(), flash)
				return
			}
			if err := m.switchTo(ctx, e); err != nil {
				m.unswitched(ctx, err)
				return
			}
		case session.Notify:
			m.tell(e)
		}
	}
}

// unswitched is a start whose relay did not close.
func (m *Machine) unswitched(ctx context.Context, err error) {
	switch {
	case ctx.Err() != nil: // the daemon is ending, and nothing is broken
		m.step(context.WithoutCancel(ctx), session.Shutdown{})
		return
	case errors.Is(err, relay.ErrMoment): // no fault: nothing would ever take it back
		m.step(ctx, session.Stop{})
		m.cfg.Panel.Flash(panel.StillStopping(), flash)
		return
	}
	what := session.GuardLost
	if r := relay.Refusal(""); errors.As(err, &r) { // pressed in this moment: the guard knows before we do
		what = session.FaultKind(r)
	}
	m.step(ctx, session.FaultRaised{What: what, Why: err.Error()})
}

func (m *Machine) switchTo(ctx context.Context, r session.Relay) error {
	err := m.cfg.Switch.Set(ctx, r)
	m.relay = r.On && err == nil
	if err != nil {
		m.cfg.Logger.Warn("the guard did not confirm", "on", r.On, "why", err)
		if !r.On { // off without a guard is off: nobody holds the pin
			return nil
		}
	}
	return err
}

// commit writes the record with the facts that must outlive the daemon in the same transaction.
func (m *Machine) commit(r session.Record) error {
	facts := m.facts(r)
	practice, practised := m.practised(r)
	if practised {
		facts[FactPractice+string(r.Member)] = mustJSON(practice)
	}
	m.disk.Store(max(1, int64(time.Since(m.born))))
	err := m.cfg.Journal.Append(r, facts)
	m.turned()
	m.disk.Store(0)
	if err != nil {
		return err
	}
	m.kept(r)
	if practised {
		m.practice[r.Member] = practice
	}
	if m.cfg.Uplink != nil {
		m.cfg.Uplink.Kick()
	}
	m.sound()
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

// practised is what the end of a session adds to its member's practice.
func (m *Machine) practised(r session.Record) (policy.Practice, bool) {
	end, ok := r.Body.(wire.EndBody)
	if !ok || r.Kind != wire.SessionEnd {
		return policy.Practice{}, false
	}
	zone := time.UTC
	if m.cfg.Roster != nil {
		zone = m.cfg.Roster.Policy.Zone
	}
	if o, owed := m.owed[r.Session]; owed {
		return o, o.Machine != ""
	}
	at := time.Time{}
	if m.cfg.Trusted() {
		at = m.cfg.Now().Round(time.Second).In(zone)
	}
	p := Practised(m.practice[r.Member], at, time.Duration(end.Seconds)*time.Second)
	p.Machine = m.cfg.Machine
	return p, true
}

// Practised is a practice after one more session. With no clock to believe (a zero end) the session counts on the day
// that is known last, and makes no practice newer than it was.
func Practised(p policy.Practice, end time.Time, took time.Duration) policy.Practice {
	if end.IsZero() {
		end = p.Last
	}
	return p.Used(end, took)
}

// mustJSON marshals our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
