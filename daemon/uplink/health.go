package uplink

import (
	"time"

	"portillon/wire"
)

// After these time limits Health reports a problem.
const (
	// Overdue is how long an acknowledgement may be missing before the panel, doctor and Home Assistant report it. A hub
	// that restarts, and a short network failure, recover sooner: the longest pause between two connections is 20 s
	// (Config.BackoffMax).
	Overdue = 2 * time.Minute
	// answerTime is how long the hub may take to answer before its silence is reported as the reason. Within this time the
	// machine asks the hub more than once.
	answerTime = 30 * time.Second
	// arriveTime is how long records may be unacknowledged while the hub answers other messages, before they count as
	// dropped by the broker.
	arriveTime = 10 * time.Second
	// cutsMost is the number of consecutive connections that may end while records are unacknowledged, before the broker
	// is reported as the reason.
	cutsMost = 3
)

// Why is the code of a reason for missing acknowledgements. Later versions may add reasons.
type Why string

// These are the reasons for missing acknowledgements. The zero Why means that no reason is known.
const (
	BrokerAway     Why = "broker-away"     // no connection to the broker
	BrokerCuts     Why = "broker-cuts"     // the broker closes each connection on which records are sent
	RecordsDropped Why = "records-dropped" // the hub answers, but the records do not reach it
	NoAnswer       Why = "no-answer"       // the broker accepts messages, but the hub answers none
	HubRefuses     Why = "hub-refuses"     // the hub refuses the records; Health.Refused says why
	OtherJournal   Why = "other-journal"   // the hub holds records that differ from this journal
	OtherHubKey    Why = "other-hub-key"   // the acknowledgements are not signed with the pinned hub key
	TooLarge       Why = "too-large"       // a batch, or the hub's acknowledgement, is larger than the limit
	JournalUnread  Why = "journal-unread"  // the records to send cannot be read from the journal
)

// Health is the state of the communication with the hub.
type Health struct {
	Hub     bool          // the hub acknowledges: it has answered, and no acknowledgement is overdue
	Broker  bool          // the broker is connected
	Owed    time.Duration // how long an acknowledgement has been missing; 0: none is missing
	Since   time.Time     // wall time since which an acknowledgement is missing, in whole seconds; zero: none
	Overdue bool          // Owed exceeds the constant Overdue
	Why     Why           // empty: no acknowledgement is missing, or the reason is unknown
	Refused string        // the hub's code if Why is HubRefuses
	Detail  string        // more about Why, for an administrator
}

// Code returns Why as a code for programs, followed by the hub's own code if there is one: hub-refuses/bad-checkpoint.
func (h Health) Code() string {
	if h.Refused != "" {
		return string(h.Why) + "/" + h.Refused
	}
	return string(h.Why)
}

// vitals are the uplink's observations of the communication with the hub. Times are milliseconds since the computer's
// start (journal.Uptime), so that setting the wall clock has no effect. 0 means never.
type vitals struct {
	broker connection

	owes   bool  // the journal has a record that the hub has not acknowledged
	oldest int64 // when the oldest of those records was written; negative if before the computer's start

	sent     int64 // when records were first handed to the broker since the last progress; 0: none in flight
	asked    int64 // when the hub was first asked since its last answer; 0: not asked
	heard    int64 // when the hub last answered
	progress int64 // when the hub last acknowledged new records

	refused *wire.AckRefused // the refusal in the hub's last answer; nil: none
	fault   Why              // a fault that the uplink itself has found
	detail  string
}

// connection holds the uplink's observations of its connections to the broker.
type connection struct {
	connected bool
	changed   int64  // when the connection was last made or lost; at first, when the uplink was created
	lost      string // reason why the connection was lost or not made
	cuts      int    // consecutive connections that ended while records were in flight, without progress
	cutBy     string // reason why the last of those connections ended
}

// healthAt returns the health at the time now.
func (v vitals) healthAt(now int64) Health {
	h := Health{Broker: v.broker.connected}
	since, owed := v.missingSince()
	if owed {
		h.Owed = max(time.Duration(now-since)*time.Millisecond, time.Millisecond)
		h.Overdue = h.Owed >= Overdue && (v.progress == 0 || elapsed(now, v.progress) >= Overdue)
		h.Why, h.Detail = v.likelyReason(now)
		if h.Why == HubRefuses {
			h.Refused = v.refused.Code
		}
	}
	h.Hub = v.broker.connected && v.heard != 0 && !h.Overdue
	return h
}

// missingSince returns the time from which an acknowledgement is missing. This is the earliest of three times: that of
// the oldest unacknowledged record, that of the first unanswered question, and that of the loss of the connection.
func (v vitals) missingSince() (since int64, owed bool) {
	first := func(at int64, is bool) {
		if is && (!owed || at < since) {
			since, owed = at, true
		}
	}
	first(v.oldest, v.owes)
	first(v.asked, v.asked != 0)
	first(v.broker.changed, !v.broker.connected)
	return since, owed
}

// likelyReason returns the most certain reason for the missing acknowledgement.
func (v vitals) likelyReason(now int64) (Why, string) {
	switch {
	case v.fault == JournalUnread:
		return v.fault, v.detail
	case v.broker.cuts >= cutsMost && (!v.broker.connected || elapsed(now, v.broker.changed) < answerTime):
		return BrokerCuts, v.broker.cutBy
	case !v.broker.connected:
		return BrokerAway, v.broker.lost
	case v.refused != nil:
		return HubRefuses, v.refused.Detail
	case v.fault != "":
		return v.fault, v.detail
	case v.sent != 0 && v.heard > v.sent && elapsed(v.heard, v.sent) >= arriveTime:
		return RecordsDropped, ""
	case v.sent != 0 && v.heard <= v.sent && elapsed(now, v.sent) >= answerTime,
		v.asked != 0 && elapsed(now, v.asked) >= answerTime:
		return NoAnswer, ""
	}
	return "", ""
}

// elapsed returns the time from one moment of the uptime clock to a later one.
func elapsed(now, then int64) time.Duration { return time.Duration(now-then) * time.Millisecond }

// moment is a simultaneous reading of the uptime and the wall clock.
type moment struct {
	boot    string // the kernel's boot id
	mono    int64  // milliseconds since that boot
	wall    time.Time
	trusted bool // the wall clock is trusted
}

// writeTime returns the time at which a record was written, in milliseconds since this computer's start. A record of an
// earlier boot is dated by the wall clocks if both are trusted. Otherwise now is used, and the true age of the record
// is unknown.
func (m moment) writeTime(r wire.Record) int64 {
	switch age := m.wall.Sub(r.Wall); {
	case r.Boot == m.boot && r.Boot != "unknown" && r.Mono <= m.mono:
		return r.Mono
	case m.trusted && r.Clock.Believed() && age > 0:
		return m.mono - age.Milliseconds()
	}
	return m.mono
}

// withoutRounding returns next, or prev if the two differ only by rounding, so that a state that contains the time is
// not published again each second.
func withoutRounding(prev, next time.Time) time.Time {
	if !prev.IsZero() && next.Sub(prev).Abs() <= 2*time.Second {
		return prev
	}
	return next
}
