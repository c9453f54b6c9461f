package analysis

import (
	"fmt"

	"portillon/policy"
)

// Obstacle is the reason why a decision cannot be replayed. The list is closed and stable: other programs store these
// words. Empty: the decision can be replayed.
type Obstacle string

const (
	NoBasis        Obstacle = "no-basis"       // the record lacks the input of the decision
	NoPolicy       Obstacle = "policy-missing" // the policy that decided is not available
	Unreadable     Obstacle = "unreadable"     // the record or its basis cannot be read
	TruncatedBasis Obstacle = "truncated"      // the basis does not hold all badges
	UnknownBadges  Obstacle = "badges-unknown" // the answer depends on badges that the deciding policy did not name
)

// Obstacles returns all obstacles.
func Obstacles() []Obstacle {
	return []Obstacle{NoBasis, NoPolicy, Unreadable, TruncatedBasis, UnknownBadges}
}

// Replayer replays the decisions of one policy under another. It keeps what is the same for all of them. A Replayer
// must not be used by two goroutines at once.
type Replayer struct {
	p, before *policy.Policy
	unknown   []policy.BadgeID // result of unknownBadges
	// matches are the badges of p for which an own badge of before counts; a missing key was not asked for yet.
	matches map[policy.BadgeID][]policy.Match
	// holdings are reused by each Replay, for the member and for the supervisor.
	holdings [2][]policy.Holding
}

// NewReplayer returns a Replayer that asks p what the policy before decided.
func NewReplayer(p, before *policy.Policy) *Replayer {
	return &Replayer{p: p, before: before, unknown: unknownBadges(p, before),
		matches: map[policy.BadgeID][]policy.Match{}}
}

// Replay asks the question of a decision again, like the function Replay.
func (r *Replayer) Replay(b *policy.Basis, machine policy.MachineID) Replayed {
	out := Replayed{Was: b.Verdict}
	q, err := b.Question(machine)
	if err != nil {
		out.Why, out.Obstacle = err.Error(), Unreadable
		if b.Truncated {
			out.Obstacle = TruncatedBasis
		}
		return out
	}
	r.convert(q.Member, 0)
	r.convert(q.Supervisor, 1)
	d := r.p.Decide(q)
	if len(r.unknown) > 0 {
		most := q
		most.Member = memberHolding(q.Member, r.unknown, q.At)
		most.Supervisor = memberHolding(q.Supervisor, r.unknown, q.At)
		if got := r.p.Decide(most).Verdict; got != d.Verdict {
			out.Obstacle = UnknownBadges
			out.Why = fmt.Sprintf("the answer depends on badges that the policy of that day did not name: %v without them, "+
				"%v with them (%v)", d.Verdict, got, r.unknown)
			return out
		}
	}
	out.Would = d.Verdict
	if d.Verdict != policy.Allow { // the reasons of an allowed decision are those of grants that were not needed
		out.Reasons = d.Codes()
	}
	return out
}

// convert replaces the badges that before recognised by those for which they count under p. The member must be one that
// Basis.Question has made.
func (r *Replayer) convert(m *policy.Member, place int) {
	if m == nil {
		return
	}
	out := r.holdings[place][:0]
	for _, h := range m.Holdings {
		for _, x := range r.matchesOf(&h) {
			h.Badge, h.Other = x.Badge, x.Other
			out = append(out, h)
		}
	}
	r.holdings[place], m.Holdings = out, out
}

// matchesOf returns the badges of p for which a badge counts that before recognised.
func (r *Replayer) matchesOf(h *policy.Holding) []policy.Match {
	if h.Other != nil {
		return r.find(*h.Other)
	}
	known, ok := r.matches[h.Badge]
	if ok {
		return known
	}
	if b, ok := r.before.Badge(h.Badge); ok {
		known = r.find(policy.OtherBadge{Issuer: b.Issuer, Achievement: b.Achievement})
		r.matches[b.ID] = known // a badge that before does not name is not kept: records may hold any number of them
	}
	return known
}

// find returns the badges of p for which a badge counts, if both policies trust the same keys of its issuer.
func (r *Replayer) find(held policy.OtherBadge) []policy.Match {
	if !sameIssuer(r.p, r.before, held.Issuer) {
		return nil
	}
	return r.p.MatchesOf(held)
}
