package session

import (
	"time"

	"portillon/policy"
)

// recent contains the taps of the last seconds, so that a card that flaps, or an emulator, is not handled again and
// again.
type recent struct {
	taps    [3]tapped          // members of the last accepted taps, newest first
	alerted [RefusedMax]tapped // members whose card alerts were recorded recently, in no order
	// Members whose refusals were recorded recently, in no order; an empty name means an unknown card.
	refused [RefusedMax]tapped
}

type tapped struct {
	by policy.MemberID
	at time.Time
}

// addTap stores the member whose tap was accepted. addTap stores several taps, because a learner's card and a mentor's
// card may flap at the same time.
func (r *recent) addTap(m policy.MemberID, now time.Time) {
	old := r.taps
	r.taps[0] = tapped{m, now}
	for i, n := 0, 1; i < len(old) && n < len(r.taps); i++ {
		if old[i].by != m {
			r.taps[n] = old[i]
			n++
		}
	}
}

// flaps reports whether a tap of member m was accepted within the last Flap.
func (r *recent) flaps(m policy.MemberID, now time.Time) bool {
	for _, x := range r.taps {
		if x.by == m && now.Sub(x.at) < Flap {
			return true
		}
	}
	return false
}

// isFirstRefusal reports whether to record a refusal of member m, and then stores the refusal in recent. A refusal is
// not recorded if another refusal of m was recorded less than RefusedEvery ago, or if recent has no room.
func (r *recent) isFirstRefusal(m policy.MemberID, now time.Time) bool {
	return isFirst(r.refused[:], RefusedEvery, m, now)
}

// isFirstAlert does for the alert of a lost or blocked card what isFirstRefusal does for a refusal.
func (r *recent) isFirstAlert(m policy.MemberID, now time.Time) bool {
	return isFirst(r.alerted[:], AlertEvery, m, now)
}

// isFirst reports whether to record an event about member m, and then stores the event in written. An event is not
// recorded if less than the duration every has passed since the previous event, or if written has no room.
func isFirst(written []tapped, every time.Duration, m policy.MemberID, now time.Time) bool {
	room := -1
	for i, x := range written {
		switch isRecent := now.Sub(x.at) < every; {
		case isRecent && x.by == m:
			return false
		case !isRecent:
			room = i
		}
	}
	if room < 0 {
		return false
	}
	written[room] = tapped{m, now}
	return true
}
