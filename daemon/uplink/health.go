package uplink

import (
	"time"

	"portillon/wire"
)

// When each judgement is made.
const (
	// Overdue is how long the hub may owe an acknowledgement before panel, doctor and Home Assistant say so. A hub
	// that restarts, and a network that is away for a moment, are back sooner: the longest pause between two
	// connections is 20 s (Config.BackoffMax).
	Overdue = 2 * time.Minute
	// answerTime is how long the hub may take to answer before its silence is named as the reason. It is asked more
	// than once in this time.
	answerTime = 30 * time.Second
	// arriveTime is how long records may be under way while the hub answers other messages, before they count as
	// dropped by the broker.
	arriveTime = 10 * time.Second
	// cutsMost is how many connections in a row may end while records are under way before the broker is named as
	// the reason.
	cutsMost = 3
)

// Why is a reason for which the hub does not acknowledge. The list may grow.
type Why string

// The reasons. The zero Why is that none is known.
const (
	BrokerAway     Why = "broker-away"     // there is no connection to the broker
	BrokerCuts     Why = "broker-cuts"     // the broker ends each connection on which records are sent
	RecordsDropped Why = "records-dropped" // the hub answers, and the records do not reach it
	NoAnswer       Why = "no-answer"       // the broker takes what is sent, and nothing comes from the hub
	HubRefuses     Why = "hub-refuses"     // the hub refuses the records; Health.Refused says why
	OtherJournal   Why = "other-journal"   // the hub holds records that are not this journal's
	OtherHubKey    Why = "other-hub-key"   // the acknowledgements are not signed with the pinned hub key
	TooLarge       Why = "too-large"       // a batch, or the hub's acknowledgement, is larger than the limit
	JournalUnread  Why = "journal-unread"  // the journal does not give the records that are to be sent
)

// Health is how the way to the hub stands.
type Health struct {
	Hub     bool          // the hub acknowledges: it has answered, and owes nothing for longer than Overdue
	Broker  bool          // the broker is connected
	Owed    time.Duration // how long the hub has owed an acknowledgement; 0: it owes none
	Since   time.Time     // the same as a time of the machine's clock, in seconds; zero: it owes none
	Overdue bool          // that is too long
	Why     Why           // empty: it owes none, or the reason is not known
	Refused string        // the hub's code, where Why is HubRefuses
	Detail  string        // more about Why, for an administrator
}

// Code is Why for machines that read it, with the hub's own code behind it: hub-refuses/bad-checkpoint.
func (h Health) Code() string {
	if h.Refused != "" {
		return string(h.Why) + "/" + h.Refused
	}
	return string(h.Why)
}

// vitals are what the uplink has seen of the way to the hub. Times are milliseconds of the clock that counts from
// the computer's start (journal.Uptime), so that a wall clock that is set changes nothing. 0 is: never.
type vitals struct {
	broker connection

	owes   bool  // there is a record that the hub does not hold
	oldest int64 // when the oldest of those was written; before the computer's start it is negative

	sent     int64 // when records were first handed to the broker since the last progress; 0: none are under way
	asked    int64 // when the hub was first asked since its last answer; 0: it was not
	heard    int64 // when the hub last answered
	progress int64 // when it last held more

	refused *wire.AckRefused // by the last answer; nil: it refuses nothing
	fault   Why              // what the uplink itself has found
	detail  string
}

// connection is what the uplink has seen of its connections to the broker.
type connection struct {
	connected bool
	changed   int64  // when the connection was last made or lost; before the first: when the uplink was made
	lost      string // why there is no connection
	cuts      int    // connections in a row that ended while records were under way, without progress
	cutBy     string // why the last of them ended
}

// judge says how the way to the hub stands at now.
func (v vitals) judge(now int64) Health {
	h := Health{Broker: v.broker.connected}
	since, owed := v.since()
	if owed {
		h.Owed = max(time.Duration(now-since)*time.Millisecond, time.Millisecond)
		h.Overdue = h.Owed >= Overdue && (v.progress == 0 || passed(now, v.progress) >= Overdue)
		h.Why, h.Detail = v.why(now)
		if h.Why == HubRefuses {
			h.Refused = v.refused.Code
		}
	}
	h.Hub = v.broker.connected && v.heard != 0 && !h.Overdue
	return h
}

// since is when the hub began to owe an acknowledgement: with the oldest record that it does not hold, the first
// question that it has not answered, or the loss of the connection, whichever is first.
func (v vitals) since() (since int64, owed bool) {
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

// why is the reason for which the hub does not acknowledge, the surest first.
func (v vitals) why(now int64) (Why, string) {
	switch {
	case v.fault == JournalUnread:
		return v.fault, v.detail
	case v.broker.cuts >= cutsMost && (!v.broker.connected || passed(now, v.broker.changed) < answerTime):
		return BrokerCuts, v.broker.cutBy
	case !v.broker.connected:
		return BrokerAway, v.broker.lost
	case v.refused != nil:
		return HubRefuses, v.refused.Detail
	case v.fault != "":
		return v.fault, v.detail
	case v.sent != 0 && v.heard > v.sent && passed(v.heard, v.sent) >= arriveTime:
		return RecordsDropped, ""
	case v.sent != 0 && v.heard <= v.sent && passed(now, v.sent) >= answerTime,
		v.asked != 0 && passed(now, v.asked) >= answerTime:
		return NoAnswer, ""
	}
	return "", ""
}

// passed is the time from one moment of this clock to a later one.
func passed(now, then int64) time.Duration { return time.Duration(now-then) * time.Millisecond }

// moment is a reading of both clocks.
type moment struct {
	boot    string // the kernel's boot id
	mono    int64  // milliseconds since that boot
	wall    time.Time
	trusted bool // the wall clock can be believed
}

// written is when a record was written, on the clock that counts from this computer's start. A record of an earlier
// start is placed by wall clocks, where both can be believed; otherwise it counts from now, and its true age is not
// known.
func (m moment) written(r wire.Record) int64 {
	switch age := m.wall.Sub(r.Wall); {
	case r.Boot == m.boot && r.Boot != "unknown" && r.Mono <= m.mono:
		return r.Mono
	case m.trusted && r.Clock.Believed() && age > 0:
		return m.mono - age.Milliseconds()
	}
	return m.mono
}

// steady is next, or prev where the two differ by no more than rounding: a state that names a time is not published
// anew each second.
func steady(prev, next time.Time) time.Time {
	if !prev.IsZero() && next.Sub(prev).Abs() <= 2*time.Second {
		return prev
	}
	return next
}
