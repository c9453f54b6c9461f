package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
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
func (m *Machine) tap(ctx context.Context, uid rfid.UID, card policy.CardStrength) {
	defer m.reportOldKey(ctx, uid)
	defer m.Panel.Reading()()
	p, known := m.lookup(uid)
	if who := m.whose(uid); who != "" && (!known || p.Member.ID != who) {
		// a new bundle knows the card no more, or as somebody else's
		m.left()
		if m.state.Phase == session.Maintenance { // a maintainer's mentor would help there
			m.step(ctx, session.Away{Member: who})
		} else {
			m.step(ctx, session.Tap{Member: who, Card: card.String()}) // which ends what is theirs, and decides nothing
		}
		return
	}
	if c, refused := m.refused(uid); refused && !known {
		m.refuseCard(ctx, c, card)
		return
	}
	if !known {
		sealed := m.noteUnknown(uid)
		m.left()
		d, basis := m.decide(nil, nil, card)
		m.step(ctx, session.Stranger{Decision: d, Basis: basis, Sealed: sealed})
		return
	}
	member := m.withPractice(p.Member)
	e := session.Tap{Member: member.ID, Card: card.String()}
	e.Decision, e.Basis = m.decide(member, nil, card)
	e.Asked = m.stands() == member.ID && m.state.Praise.Open && m.state.Praise.Mentor == member.ID
	m.arrived(member.ID, card, e.Decision)
	confirms, reports := m.stands() == member.ID && (m.asksToConfirm(member.ID) || m.asksToAttest(member.ID)), m.stands() == member.ID && m.Now().Before(m.asking)
	if confirms || reports {
		// the panel asked who is there: to confirm what a phone sent, to endorse what was done, or to write down a problem
		m.asking = time.Time{}
		if reports {
			m.reporter = m.desk.nth
		}
		// A tap that would end a session ends it all the same: whoever taps out must be able to rely on it.
		if !m.state.Running() || member.ID != m.state.Member && member.ID != m.state.Supervisor {
			m.show()
			return
		}
	}
	if m.state.Member != member.ID && (m.state.Phase == session.Awaiting || m.state.Supervisor != "") {
		if learner, ok := m.Roster.Person(m.state.Member); ok {
			// of the two cards the weaker counts: a mentor's number can be copied too
			e.Supervising, e.SupervisingBasis = m.decide(m.withPractice(learner.Member), member, min(card, m.card))
		}
	}
	before := m.began
	m.step(ctx, e)
	if m.began != before {
		m.card = card
	}
	m.keepHand(presented{uid, member.ID})
	if m.lain.who == member.ID && m.lain.card == (rfid.UID{}) { // their start came to nothing, and the card stands there
		m.lain.card = uid
	}
}

// lying is whose card it is that was left in the slot, and when it was taken out; zero: it is there.
type lying struct {
	who  policy.MemberID
	card rfid.UID
	when time.Time
}

// presented is a card, and whose it was when it was tapped.
type presented struct {
	uid rfid.UID
	who policy.MemberID
}

// keepHand remembers the card that was tapped last of each who has the session: whatever a new bundle says of it, it is
// theirs until the end.
func (m *Machine) keepHand(p presented) {
	has := func(id policy.MemberID) bool { return id == m.state.Member || id == m.state.Supervisor }
	m.hands = slices.DeleteFunc(m.hands, func(x presented) bool { return x.who == p.who || !has(x.who) })
	if has(p.who) {
		m.hands = append(m.hands, p)
	}
}

// whose is who tapped this card for the session under way; nobody: "".
func (m *Machine) whose(uid rfid.UID) policy.MemberID {
	if i := slices.IndexFunc(m.hands, func(x presented) bool { return x.uid == uid }); i >= 0 && m.state.Running() {
		return m.hands[i].who
	}
	return ""
}

func (m *Machine) person(id policy.MemberID) (roster.Person, bool) {
	if m.Roster == nil {
		return roster.Person{}, false
	}
	return m.Roster.Person(id)
}

func (m *Machine) lookup(uid rfid.UID) (roster.Person, bool) {
	if m.Roster == nil {
		return roster.Person{}, false
	}
	if uid == m.typedPart && uid != (rfid.UID{}) {
		return m.Roster.LookupPart(uid)
	}
	return m.Roster.Lookup(uid)
}

// away is a card taken out of its slot; without a number the slot is empty.
func (m *Machine) away(ctx context.Context, uid rfid.UID) {
	if p, known := m.lookup(uid); uid == (rfid.UID{}) || uid == m.lain.card || known && p.Member.ID == m.lain.who {
		m.lain.when = time.Now()
	}
	if uid == (rfid.UID{}) {
		m.step(ctx, session.Away{})
		return
	}
	if who := m.whose(uid); who != "" { // whosever the bundle says it is now
		m.step(ctx, session.Away{Member: who})
		return
	}
	if p, known := m.lookup(uid); known {
		m.step(ctx, session.Away{Member: p.Member.ID})
	}
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
	if m.Roster == nil {
		return policy.Decision{}, nil
	}
	q := m.question(member, supervisor, policy.NoRole)
	q.Card = card
	return m.judge(q)
}

// judge is the decision of the policy in force, and what it rested on, for the record.
func (m *Machine) judge(q policy.Question) (policy.Decision, *policy.Basis) {
	d := m.Roster.Policy.Decide(q)
	b := policy.BasisOf(q, d)
	b.Policy, b.Bundle = m.Roster.PolicyNumber, m.Roster.Version
	return d, &b
}

func (m *Machine) question(member, supervisor *policy.Member, as policy.Role) policy.Question {
	q := policy.Question{At: m.Now(), Machine: m.Machine, Member: member, Supervisor: supervisor,
		Tagged: len(m.state.Tags) > 0, Fault: len(m.state.Faults) > 0, As: as, Card: m.card, Answering: m.answers(member, supervisor)}
	if m.Trusted() {
		q.Clock = policy.Trusted
	}
	if m.Roster != nil {
		q.Issued = m.Roster.Issued
	}
	if m.LastTrusted != nil {
		q.LastTrusted = m.LastTrusted()
	}
	return q
}

// answers counts the sessions that the supervisor answers for here, but the member's own. This machine has one, and
// knows of no other's: what learners: says across machines nobody can judge here.
func (m *Machine) answers(member, supervisor *policy.Member) int {
	if s := m.state; supervisor == nil || !s.Running() || s.Supervisor != supervisor.ID || member != nil && s.Member == member.ID {
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
	before := m.state.Phase
	in := session.Input{Now: m.Now(), Settings: m.settings(), Session: m.NewID(), Event: e}
	if m.Roster != nil {
		in.Bundle = m.Roster.Version
	}
	var effects []session.Effect
	began, since, member, atWork := time.Now(), m.state.Since, m.state.Member, m.work(m.state.Member)
	holder := policy.MemberID("")
	if m.state.Running() {
		holder = m.state.Holder()
	}
	m.state, effects = session.Next(m.state, in)
	if _, out := e.(session.Away); m.slot && holder != "" && !m.state.Running() {
		m.slot = false
		if !out {
			m.lain = lying{who: holder}
			if i := slices.IndexFunc(m.hands, func(x presented) bool { return x.who == holder }); i >= 0 {
				m.lain.card = m.hands[i].uid
			}
		}
	}
	if before == session.Maintenance && m.state.Session != atWork.session {
		m.dangerAt = time.Time{} // the maintainer has read it
		m.done, m.done.until = atWork, m.Now()
	}
	if m.state.Member != "" && (m.state.Member != member || !m.state.Since.Equal(since)) {
		m.began, m.came = began, began
	}
	if m.state.Member == "" {
		m.hands = nil
	}
	if m.state.Phase != before {
		m.Logger.Info("session", "from", before.String(), "to", m.state.Phase.String())
		m.Panel.EndFlash() // an answer to somebody before says nothing of where the machine stands now
	}
	m.carry(ctx, effects)
	m.show()
}

func (m *Machine) settings() session.Settings {
	s := session.Settings{HasBusy: m.HasBusy, Ignore: m.Ignore}
	if m.Roster == nil {
		return s
	}
	if mach, ok := m.Roster.Policy.Machine(m.Machine); ok {
		s.Cooldown, s.FinishJob, s.Vouch = mach.Cooldown, mach.WhenIdle == policy.FinishJob, len(mach.Vouch) > 0
	}
	return s
}

// carry does what the session asks, in order: steps 5 to 7. What follows a failure is dropped, and the session hears of
// it.
func (m *Machine) carry(ctx context.Context, effects []session.Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case session.Record:
			if err := m.commit(e); err != nil {
				m.Logger.Error("the journal did not take a record", "kind", e.Kind, "why", err)
				m.step(ctx, session.RecordFailed{Record: e})
				return
			}
		case session.Relay:
			if e.On && time.Since(m.began) > stale && !m.relay { // the disk took so long that whoever tapped has walked away
				m.Logger.Warn("the start was on record too late to close the relay", "after", time.Since(m.began).Round(time.Millisecond))
				m.step(ctx, session.Stop{})
				m.Panel.Flash(panel.TooSlow(), flash)
				return
			}
			if err := m.switchTo(ctx, e); err != nil {
				m.unswitched(ctx, err)
				return
			}
		case session.Tell:
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
	case errors.Is(err, relay.ErrContactorOpening): // no fault: nothing would ever take it back
		m.step(ctx, session.Stop{})
		m.Panel.Flash(panel.StillStopping(), flash)
		return
	}
	what := "guard-lost"
	if r := relay.Refusal(""); errors.As(err, &r) { // pressed in this moment: the guard knows before we do
		what = string(r)
	}
	m.step(ctx, session.Broke{What: what, Why: err.Error()})
}

func (m *Machine) switchTo(ctx context.Context, r session.Relay) error {
	err := m.Switch.Set(ctx, r)
	m.relay = r.On && err == nil
	if err != nil {
		m.Logger.Warn("the guard did not confirm", "on", r.On, "why", err)
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
	err := m.Journal.Append(r, facts)
	m.turned()
	m.disk.Store(0)
	if err != nil {
		return err
	}
	m.kept(r)
	if practised {
		m.practice[r.Member] = practice
	}
	if m.Uplink != nil {
		m.Uplink.Kick()
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
	if m.Roster != nil {
		zone = m.Roster.Policy.Zone
	}
	if o, owed := m.owed[r.Session]; owed {
		return o, o.Machine != ""
	}
	at := time.Time{}
	if m.Trusted() {
		at = m.Now().Round(time.Second).In(zone)
	}
	p := Practised(m.practice[r.Member], at, time.Duration(end.Seconds)*time.Second)
	p.Machine = m.Machine
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
