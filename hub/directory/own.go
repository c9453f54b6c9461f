package directory

import (
	"context"
	"slices"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Own answers the questions of a member about the member's own access: which machines the member may use now, and what
// the member's next badge requires. Every method uses the actor's own member, and has no parameter for another member.
type Own struct {
	core     *core
	practice func(ctx context.Context, id policy.MemberID) ([]policy.Practice, map[policy.MachineID]bool, error)
	states   func(ctx context.Context) (map[policy.MachineID]MachineState, error)
	records  func(ctx context.Context, id policy.MemberID) ([]OwnRecord, error)
	achieved func(ctx context.Context, p *policy.Policy, id policy.MemberID) (Achieved, error)
}

// MachineState is what every member may know about the current state of a machine.
type MachineState struct {
	Online bool
	InUse  bool
	Tagged bool // out of service
	Fault  bool // the relay has a fault
}

// OwnAccess says which machines the actor's own member may use now.
type OwnAccess struct {
	Cards    int // number of the member's active cards
	Machines []OwnMachine
}

// OwnMachine is the answer of one machine to the actor's own member, if the member tapped a card now.
type OwnMachine struct {
	Machine policy.MachineID
	// State is the machine's last known state; nil: the hub has no state, or the actor may not read the state.
	State   *MachineState
	Verdict policy.Verdict
	Role    policy.Role   // role of a session that begins now; NoRole if Verdict is Deny
	Others  []policy.Role // other roles that the member may take now without a mentor
	Until   time.Time     // end of a session that begins now, without extensions; zero: no limit
	// Why is the sentence of the machine's panel about what is missing; empty if nothing is missing.
	Why       policy.Sentence
	Tolerated bool // the machine is in mode warn, and permits a use that its rules do not permit
	AESCard   bool // the machine requires a card that authenticates itself; the hub does not know the member's card
	// Unsure means that the machine's rules require practice, and the hub has no records of the machine.
	Unsure bool
}

// Machines returns, for each machine of the policy in force, whether the actor's own member may use the machine now.
// The actor needs actor.ReadOwn, and actor.ReadMachines at a machine to see the machine's state. The answers are those
// of a machine with a trusted clock and the bundle in force.
func (s *Own) Machines(ctx context.Context, a actor.Actor) (OwnAccess, error) {
	p, e, q, known, err := s.question(ctx, a)
	if err != nil || p == nil {
		return OwnAccess{}, err
	}
	states := map[policy.MachineID]MachineState{}
	if s.states != nil {
		if states, err = s.states(ctx); err != nil {
			return OwnAccess{}, err
		}
	}
	out := OwnAccess{}
	for _, c := range e.Cards {
		if c.State == Active {
			out.Cards++
		}
	}
	for i := range p.Machines {
		m := &p.Machines[i]
		q.Machine, q.CardState = m.ID, cardStateOf(e.Cards)
		q.Tagged, q.Fault = false, false
		var state *MachineState
		if st, ok := states[m.ID]; ok && a.May(actor.ReadMachines, actor.Target{Machine: m.ID}) == nil {
			state, q.Tagged, q.Fault = &st, st.Tagged, st.Fault
		}
		x := ownMachine(p, m, q)
		x.State, x.Unsure = state, !known[m.ID] && needsPractice(m)
		out.Machines = append(out.Machines, x)
	}
	return out, nil
}

// question returns the policy in force, the actor's own member, and the question that a tap of the member asks now,
// without the machine. If there is no policy, the result p is nil. The actor needs actor.ReadOwn.
func (s *Own) question(ctx context.Context, a actor.Actor) (p *policy.Policy, e *entry, q policy.Question,
	known map[policy.MachineID]bool, err error) {
	if err := a.May(actor.ReadOwn, about(a.Member)); err != nil {
		return nil, nil, q, nil, err
	}
	x, err := s.core.index.current(ctx)
	if err != nil {
		return nil, nil, q, nil, err
	}
	if e = x.byID[a.Member]; e == nil {
		return nil, nil, q, nil, &fault.NotFound{What: "member", ID: string(a.Member)}
	}
	if p, err = s.core.policy(ctx); err != nil || p == nil {
		return nil, e, q, nil, err
	}
	who := *e.as(p) // copy, because the member belongs to the index
	if s.practice != nil {
		if who.Practice, known, err = s.practice(ctx, a.Member); err != nil {
			return nil, nil, q, nil, err
		}
	}
	now := s.core.now()
	return p, e, policy.Question{At: now, Issued: now, Clock: policy.Trusted, Member: &who, Card: policy.AES}, known, nil
}

// cardStateOf returns the state of the member's best card: active if at least one card is active or the member has no
// card, and otherwise the state of the card that changed last.
func cardStateOf(cards []Card) policy.CardState {
	var last *Card
	for i := range cards {
		c := &cards[i]
		if c.State == Active {
			return policy.ActiveCard
		}
		if last == nil || c.Since.After(last.Since) {
			last = c
		}
	}
	if last == nil {
		return policy.ActiveCard
	}
	state, _ := policy.ParseCardState(string(last.State)) // unknown states become blocked
	return state
}

// needsPractice reports whether a grant of the machine has a rule about the member's practice.
func needsPractice(m *policy.Machine) bool {
	return slices.ContainsFunc(m.Grants, func(g policy.Grant) bool {
		return g.Quota != (policy.Quota{}) || slices.ContainsFunc(leavesOf(g.Needs), func(n policy.Need) bool {
			return n.Hours > 0 || n.UsedWithin > 0
		})
	})
}

// leavesOf returns all parts of a need that name a badge.
func leavesOf(n policy.Need) (out []policy.Need) {
	if n.Badge != "" {
		return []policy.Need{n}
	}
	for _, x := range slices.Concat(n.All, n.Any) {
		out = append(out, leavesOf(x)...)
	}
	return out
}

// ownMachine asks a machine of the policy the question q, and describes the answer.
func ownMachine(p *policy.Policy, m *policy.Machine, q policy.Question) OwnMachine {
	d := p.Decide(q)
	out := OwnMachine{Machine: m.ID, Verdict: d.Verdict, Role: d.Role, Others: d.Others, AESCard: m.Card == policy.AES,
		Tolerated: d.Verdict == policy.Allow && d.Would != policy.Allow}
	if d.Verdict != policy.Deny && d.Limits.Max > 0 {
		out.Until = q.At.Add(d.Limits.Max)
	}
	if d.Verdict != policy.Allow || out.Tolerated {
		strict := d
		strict.Verdict = d.Would
		out.Why = policy.Explain(p, q, strict)
	}
	return out
}
