package session

import (
	"time"

	"portillon/policy"
)

// recent contains the taps of the last seconds, so that a flapping card or an emulator is not handled repeatedly.
type recent struct {
	taps    [3]tapped          // the last accepted taps, newest first
	alerted [RefusedMax]tapped // members whose card alerts were last recorded, in no order
	refused [RefusedMax]tapped // members whose refusals were last recorded, in no order; an empty name is an unknown card
}

type tapped struct {
	by policy.MemberID
	at time.Time
}

// addTap stores the member whose tap was accepted. Several taps are stored, because a learner's card and the mentor's
// may flap at the same time.
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

// flaps reports whether a tap of m was accepted within the last Flap.
func (r *recent) flaps(m policy.MemberID, now time.Time) bool {
	for _, x := range r.taps {
		if x.by == m && now.Sub(x.at) < Flap {
			return true
		}
	}
	return false
}

// isFirstRefusal reports whether a refusal of m is to be recorded. If so, recent stores the refusal. A refusal is not
// recorded within RefusedEvery of another refusal of the same member, or if recent has no room.
func (r *recent) isFirstRefusal(m policy.MemberID, now time.Time) bool {
	return isFirst(r.refused[:], RefusedEvery, m, now)
}

// isFirstAlert is like isFirstRefusal, for the alert that a lost or blocked card raises.
func (r *recent) isFirstAlert(m policy.MemberID, now time.Time) bool {
	return isFirst(r.alerted[:], AlertEvery, m, now)
}

// isFirst reports whether an event about m is to be recorded. If so, isFirst stores the event in written. An event is
// not recorded if less than the duration every has passed since the previous event, or if written has no room.
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
