package main

import (
	"fmt"
	"slices"
	"time"

	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/site"
)

// addMembership adds the values of the flags --until and --card-state to a question to the policy.
func (a *asked) addMembership(q *policy.Question) (err error) {
	if a.until != "" {
		if q.Member.Until, err = policy.ParseDate(a.until); err != nil || q.Member.Until.Year == 0 {
			return wrong("--until: %q is not a day", a.until).hinted("--until 2026-09-30")
		}
	}
	if q.CardState, err = policy.ParseCardState(a.cardState); err != nil {
		return wrong("--card-state: %w", err)
	}
	return nil
}

// ofMembership describes a reason about a membership or a card. For any other reason, ofMembership returns "".
func ofMembership(p *policy.Policy, r policy.Reason, l policy.Language) string {
	switch {
	case r.Code == policy.MembershipLapsed && !r.At.IsZero():
		return say(l, "terminée le ", "ended on ") + policy.DateOf(r.At, p.Zone).String()
	case r.Kind == policy.OfLapsed:
		return say(l, "son adhésion est terminée", "their membership has ended")
	case r.Kind == policy.OfLostCard:
		return say(l, "carte perdue", "lost card")
	case r.Kind == policy.OfBlockedCard:
		return say(l, "carte bloquée", "blocked card")
	case r.Kind == policy.OfReplacedCard:
		return say(l, "carte remplacée", "replaced card")
	}
	return ""
}

// membershipLine describes the state of a membership. If the membership has no end, membershipLine returns "".
func membershipLine(p *policy.Policy, who roster.Person, at time.Time, l policy.Language) string {
	state, last := p.MembershipOf(policy.Question{At: at, Clock: policy.Trusted, Member: who.Member})
	switch state {
	case policy.Endless:
		return ""
	case policy.InGrace:
		use := p.Membership.LastUse(last)
		return fmt.Sprintf(
			say(l, "adhésion terminée le %s, sans refus jusqu’au %s", "membership ended on %s, nothing is refused until %s"),
			last,
			use,
		)
	case policy.HasLapsed:
		return fmt.Sprintf(say(l, "adhésion terminée le %s", "membership ended on %s"), last)
	}
	return fmt.Sprintf(say(l, "adhésion jusqu’au %s", "membership until %s"), last)
}

// lapsedAmong counts the members who may not use a machine because their membership has lapsed.
func lapsedAmong(all []may, m policy.MachineID) (n int) {
	for _, x := range all {
		if x.Machine == m && slices.Contains(x.Missing, policy.MembershipLapsed) {
			n++
		}
	}
	return n
}

// endings lists the memberships and badges that end within 30 days, sorted by the members' names.
func (w stdio) endings(all []site.Ending, p *policy.Policy) {
	if len(all) == 0 {
		return
	}
	l := environment()
	fmt.Fprintln(w.out, say(l, "Fin dans les 30 jours :", "Ends within 30 days:"))
	for _, e := range all {
		fmt.Fprintf(w.out, "  %s\n", plain(e.In(l, p)))
	}
}
