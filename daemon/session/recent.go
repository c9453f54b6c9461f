package session

import (
	"time"

	"portillon/policy"
)

// recent holds what was handled lately, so that a card that flaps, and an emulator, is not handled again and again.
type recent struct {
	taps    [3]tapped          // the last taps that were acted on, newest first
	alerted [RefusedMax]tapped // whose cards' alerts were last written down, in no order
	refused [RefusedMax]tapped // whose refusals were last written down, in no order; with no name a stranger's
}

type tapped struct {
	by policy.MemberID
	at time.Time
}

// acted notes whose tap was acted on. The last few are kept: a learner's card and the mentor's may flap together.
func (r *recent) acted(m policy.MemberID, now time.Time) {
	old := r.taps
	r.taps[0] = tapped{m, now}
	for i, n := 0, 1; i < len(old) && n < len(r.taps); i++ {
		if old[i].by != m {
			r.taps[n] = old[i]
			n++
		}
	}
}

// flaps reports whether a tap of m was acted on within Flap.
func (r *recent) flaps(m policy.MemberID, now time.Time) bool {
	for _, x := range r.taps {
		if x.by == m && now.Sub(x.at) < Flap {
			return true
		}
	}
	return false
}

// isFirstRefusal reports whether a refusal of m is to be written down, and notes that it is: not one just after another
// of the same member, nor one for whom there is no room.
func (r *recent) isFirstRefusal(m policy.MemberID, now time.Time) bool {
	return isFirst(r.refused[:], RefusedEvery, m, now)
}

// isFirstAlert is isFirstRefusal for the alert that a lost or blocked card raises.
func (r *recent) isFirstAlert(m policy.MemberID, now time.Time) bool {
	return isFirst(r.alerted[:], AlertEvery, m, now)
}

// isFirst reports whether something about m is to be written down, and notes that it is: not within every of the last
// time, nor where there is no room.
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
