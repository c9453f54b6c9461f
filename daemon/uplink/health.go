package uplink

import (
	"time"

	"portillon/wire"
)

// Health reports a problem when one of these time limits has passed.
const (
	// Overdue is how long an acknowledgement may be missing before the panel, doctor and Home Assistant report it. The
	// machine recovers sooner from a hub that restarts and from a short network failure, because the longest pause between
	// two connections is 20 s (Config.BackoffMax).
	Overdue = 2 * time.Minute
	// answerTime is how long the hub may take to answer before Health names the hub's silence as the reason. Within this
	// time the machine asks the hub more than once.
	answerTime = 30 * time.Second
	// arriveTime is how long records may stay unacknowledged while the hub answers other messages. After that time Health
	// says that the broker drops the records.
	arriveTime = 10 * time.Second
	// cutsMost is how many connections in a row may end while records are unacknowledged, before Health names the broker
	// as the reason.
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
	HubRefuses     Why = "hub-refuses"     // the hub refuses the records, and Health.Refused is the hub's reason
	OtherJournal   Why = "other-journal"   // the hub holds records that differ from this journal
	OtherHubKey    Why = "other-hub-key"   // the acknowledgements are not signed with the pinned hub key
	// A batch of records, or the hub's acknowledgement, is larger than the message limit.
	TooLarge      Why = "too-large"
	JournalUnread Why = "journal-unread" // the records to send cannot be read from the journal
)

// Health is the state of the communication with the hub.
type Health struct {
	Hub    bool          // true if the hub has answered and no acknowledgement is overdue
	Broker bool          // true while the broker is connected
	Owed   time.Duration // how long an acknowledgement has been missing; 0: none is missing
	// Wall time at which the missing acknowledgement became due, in whole seconds; zero: none is missing.
	Since   time.Time
	Overdue bool   // true if Owed exceeds the constant Overdue
	Why     Why    // reason why an acknowledgement is missing; empty: none is missing, or the reason is unknown
	Refused string // the hub's own code, if Why is HubRefuses
	Detail  string // details about Why, for an administrator
}

// Code returns Why as a code for programs. If the hub has a code of its own, it follows: hub-refuses/bad-checkpoint.
func (h Health) Code() string {
	if h.Refused != "" {
		return string(h.Why) + "/" + h.Refused
	}
	return string(h.Why)
}

// vitals are the facts that the uplink has observed about its communication with the hub. Times are milliseconds since
// the computer's start (journal.Uptime), so that setting the wall clock has no effect. 0 means never.
type vitals struct {
	broker connection

	owes   bool  // true if the journal has a record that the hub has not acknowledged
	oldest int64 // time at which the oldest of those records was written; negative if it was before the computer's start

	// Time at which records were first handed to the broker since the hub last acknowledged new ones; 0: no record is in
	// flight.
	sent     int64
	asked    int64 // time at which the hub was first asked since its last answer; 0: the hub was not asked
	heard    int64 // time of the hub's last answer
	progress int64 // time at which the hub last acknowledged new records

	refused *wire.AckRefused // the refusal in the hub's last answer; nil: it contained none
	fault   Why              // a fault that the uplink has found on this computer
	detail  string
}

// connection is what the uplink has observed about its connections to the broker.
type connection struct {
	connected bool
	// Time at which the connection was last made or lost; at first the time at which the uplink was created.
	changed int64
	lost    string // reason why the last connection was lost, or could not be made
	// Number of connections in a row that ended while records were in flight, without any new acknowledgement.
	cuts  int
	cutBy string // reason why the last of these connections ended
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

// missingSince returns the time since which an acknowledgement has been missing. It is the earliest of three times:
// when the oldest unacknowledged record was written, when the first unanswered question was asked, and when the
// connection was lost.
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

// likelyReason returns the reason for the missing acknowledgement about which the uplink is most certain.
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

// elapsed returns the duration between two readings of the uptime clock.
func elapsed(now, then int64) time.Duration { return time.Duration(now-then) * time.Millisecond }

// moment is a reading of the uptime and of the wall clock at the same time.
type moment struct {
	boot    string // the kernel's boot id
	mono    int64  // milliseconds since that boot
	wall    time.Time
	trusted bool // the wall clock is trusted
}

// writeTime returns the time at which a record was written, in milliseconds since the start of this computer. A record
// of an earlier boot is dated by the wall clocks if both are trusted. If one of the clocks is not trusted, writeTime
// returns now, because the true age of the record is unknown.
func (m moment) writeTime(r wire.Record) int64 {
	switch age := m.wall.Sub(r.Wall); {
	case r.Boot == m.boot && r.Boot != "unknown" && r.Mono <= m.mono:
		return r.Mono
	case m.trusted && r.Clock.Believed() && age > 0:
		return m.mono - age.Milliseconds()
	}
	return m.mono
}

// withoutRounding returns prev if next differs from it only by rounding, and next otherwise. Thus a state that contains
// the time is not published again each second.
func withoutRounding(prev, next time.Time) time.Time {
	if !prev.IsZero() && next.Sub(prev).Abs() <= 2*time.Second {
		return prev
	}
	return next
}
