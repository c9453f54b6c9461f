package session

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// These are the members in the tests of this package.
const (
	lea   policy.MemberID = "m-lea"   // a learner
	karim policy.MemberID = "m-karim" // a user who may also supervise learners
	sami  policy.MemberID = "m-sami"  // another user who may also supervise learners
	nour  policy.MemberID = "m-nour"  // a user
	ines  policy.MemberID = "m-ines"  // a maintainer
	paul  policy.MemberID = "m-paul"  // a user and maintainer
	zoe   policy.MemberID = "m-zoe"   // a member without a badge
	bruno policy.MemberID = "m-bruno" // a blocked member
)

func noon() time.Time { return time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC) }

func limits() policy.Limits {
	return policy.Limits{Max: 2 * time.Hour, Idle: 10 * time.Minute, Warn: 2 * time.Minute, Extend: 30 * time.Minute}
}

func allow(r policy.Role, others ...policy.Role) policy.Decision {
	return policy.Decision{Verdict: policy.Allow, Would: policy.Allow, Role: r, Grant: 1, Limits: limits(), Others: others,
		Badges: []policy.BadgeID{"laser-" + policy.BadgeID(r.String())}, Outcomes: make([]policy.Outcome, 2)}
}

// denied returns a decision that refuses, with these codes in its nearest outcome.
func denied(v policy.Verdict, r policy.Role, codes ...policy.Code) policy.Decision {
	missing := make([]policy.Reason, len(codes))
	for i, c := range codes {
		missing[i].Code = c
	}
	d := policy.Decision{Verdict: v, Would: v, Outcomes: []policy.Outcome{policy.NewOutcome(r, v, missing...)}}
	if v == policy.Await {
		d.Role, d.Limits = r, limits()
	}
	return d
}

// cardOf returns a member's card.
func cardOf(m policy.MemberID) rfid.UID {
	sum := sha256.Sum256([]byte(m))
	card, _ := rfid.UIDOf(sum[:4])
	return card
}

// tapOf returns a member's tap. The decisions of that tap ignore tags and faults, so the session itself must refuse the
// tap if there is a tag or a fault.
func tapOf(m policy.MemberID) Tap {
	e := Tap{Member: m, Card: cardOf(m), Supervising: denied(policy.Await, policy.Learner, policy.NeedsSupervisor)}
	switch m {
	case lea:
		e.Decision = denied(policy.Await, policy.Learner, policy.NeedsSupervisor)
	case karim, sami:
		e.Decision, e.Supervising = allow(policy.User), allow(policy.Learner)
	case nour:
		e.Decision = allow(policy.User)
	case ines:
		e.Decision = allow(policy.Maintainer)
		e.Decision.Limits = policy.Limits{}
	case paul:
		e.Decision = allow(policy.User, policy.Maintainer)
	case bruno:
		e.Decision = denied(policy.Deny, policy.User, policy.CardBlocked)
	default:
		e.Decision = denied(policy.Deny, policy.User, policy.NoBadge)
	}
	return e
}

func stranger() Stranger {
	return Stranger{Decision: denied(policy.Deny, policy.Learner, policy.UnknownCard)}
}

// world executes the effects of the session as the daemon does, with a journal and a guard that can refuse.
type world struct {
	State
	now      time.Time
	settings Settings
	n        int

	relay   bool
	journal []Record
	kept    []Tag    // tags that the journal has stored
	effects []Effect // effects that were executed since the last event

	full      func() bool // true if the journal refuses records
	guardless bool        // true if the relay cannot be switched on
	check     func(before State, e Event, effects []Effect)
}

func newWorld() *world {
	return &world{now: noon(), settings: Settings{Cooldown: 3 * time.Minute, HasBusy: true, FinishJob: true, Vouch: true},
		full: func() bool { return false }}
}

// do handles events. Before each event, do advances the clock by more than Flap.
func (w *world) do(events ...Event) *world {
	for _, e := range events {
		w.now = w.now.Add(Flap)
		w.effects = nil
		w.step(e)
	}
	return w
}

// atOnce handles an event immediately, without advancing the clock.
func (w *world) atOnce(e Event) *world {
	w.effects = nil
	w.step(e)
	return w
}

func (w *world) wait(d time.Duration) *world {
	w.now = w.now.Add(d)
	return w.atOnce(Tick{})
}

func (w *world) tap(m policy.MemberID) *world { return w.do(tapOf(m)) }

func (w *world) step(e Event) {
	w.n++
	before := w.State
	s, effects := Next(before, Input{Now: w.now, Settings: w.settings, Session: fmt.Sprint("s", w.n), Bundle: 7, Event: e})
	w.State = s
	if w.check != nil {
		w.check(before, e, effects)
	}
	w.carry(effects)
}

func (w *world) carry(effects []Effect) {
	for _, e := range effects {
		switch e := e.(type) {
		case Record:
			if w.full() {
				w.step(RecordFailed{Record: e})
				return
			}
			w.commit(e)
			w.effects = append(w.effects, e)
		case Relay:
			if e.On && w.guardless {
				w.step(FaultRaised{What: "guard-lost", Why: "no answer"})
				return
			}
			w.relay = e.On
			w.effects = append(w.effects, e)
		case Notify:
			w.effects = append(w.effects, e)
		}
	}
}

func (w *world) commit(r Record) {
	w.journal = append(w.journal, r)
	if r.Kind == wire.Tagged || r.Kind == wire.Untagged {
		w.kept = w.Holds.Tags
	}
	if w.Ledger.Broken {
		w.step(Recorded{})
	}
}

// lastRecord returns the newest record of a kind.
func (w *world) lastRecord(k wire.Kind) (Record, bool) {
	for i := len(w.journal) - 1; i >= 0; i-- {
		if w.journal[i].Kind == k {
			return w.journal[i], true
		}
	}
	return Record{}, false
}

func (w *world) count(k wire.Kind) (n int) {
	for _, r := range w.journal {
		if r.Kind == k {
			n++
		}
	}
	return n
}

func (w *world) cause() wire.Cause {
	r, _ := w.lastRecord(wire.SessionEnd)
	b, _ := r.Body.(wire.EndBody)
	return b.Cause
}

// formatEffects formats effects as in the table of testdata/table.txt.
func formatEffects(effects []Effect) string {
	out := make([]string, 0, len(effects))
	for _, e := range effects {
		out = append(out, word(e))
	}
	return strings.Join(out, ", ")
}

func word(e Effect) string {
	switch e := e.(type) {
	case Relay:
		if !e.On {
			return "relay off"
		}
		return "RELAY ON"
	case Notify:
		return "tell " + string(e.Notice)
	case Record:
		s := "record " + string(e.Kind)
		switch b := e.Body.(type) {
		case wire.EndBody:
			s += " " + string(b.Cause)
		case wire.StartBody:
			s += " " + b.Role.String()
		case wire.RoleBody:
			s += " " + b.Role.String()
		case wire.FaultBody:
			s += " " + b.What
		case wire.RefusedBody:
			s += fmt.Sprint(" ", b.Reasons)
		case wire.TagBody:
			s += " " + b.Tag
		}
		return s
	}
	return "?"
}
