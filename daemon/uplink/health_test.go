package uplink

import (
	"testing"
	"time"

	"portillon/wire"
)

const second = int64(1000) // the unit of this clock is milliseconds

func TestHealthNamesAgeAndReason(t *testing.T) {
	const now = 1000 * second
	well := vitals{broker: connection{connected: true, changed: 100 * second}, heard: 900 * second, progress: 900 * second}
	with := func(change func(*vitals)) vitals {
		v := well
		change(&v)
		return v
	}
	refused := &wire.AckRefused{Code: "bad-checkpoint", Detail: "no trusted key has signed this"}
	for _, c := range []struct {
		name    string
		v       vitals
		hub     bool
		owed    time.Duration
		overdue bool
		code    string
	}{
		{"the hub holds all records", well, true, 0, false, ""},
		{"the hub has never answered", with(func(v *vitals) { v.heard, v.progress = 0, 0 }), false, 0, false, ""},
		{"a record in flight", with(func(v *vitals) { v.owes, v.oldest, v.sent = true, now-second, now-second }), true,
			time.Second, false, ""},
		{"one minute without an answer",
			with(func(v *vitals) { v.owes, v.oldest, v.sent = true, now-60*second, now-60*second }), true, time.Minute, false,
			"no-answer"},
		{"two minutes without an answer", with(func(v *vitals) {
			v.owes, v.oldest, v.sent, v.progress = true, now-120*second, now-120*second, 0
			v.heard = 700 * second
		}), false, 2 * time.Minute, true, "no-answer"},
		{"just under two minutes without an answer",
			with(func(v *vitals) { v.owes, v.oldest, v.progress = true, now-120*second+1, 0 }), true,
			2*time.Minute - time.Millisecond, false, ""},
		{"many records, being acknowledged",
			with(func(v *vitals) { v.owes, v.oldest, v.sent, v.progress = true, now-86400*second, now-second, now-second }),
			true, 24 * time.Hour, false, ""},
		{"the broker drops records", with(func(v *vitals) {
			v.owes, v.oldest, v.sent, v.heard, v.progress = true, now-300*second, now-200*second, now-10*second, 0
		}), false, 5 * time.Minute, true, "records-dropped"},
		{"an answer before arriveTime has passed",
			with(func(v *vitals) { v.owes, v.oldest, v.sent, v.heard = true, now-20*second, now-20*second, now-11*second }),
			true, 20 * time.Second, false, ""},
		{"idle, hub asked", with(func(v *vitals) { v.asked = now - 29*second }), true, 29 * time.Second, false, ""},
		{"idle, hub does not answer",
			with(func(v *vitals) { v.asked, v.progress = now-200*second, 0 }), false, 200 * time.Second, true,
			"no-answer"},
		{"broker not connected",
			with(func(v *vitals) { v.broker.connected, v.broker.changed, v.broker.lost = false, now-5*second, "EOF" }), false,
			5 * time.Second, false, "broker-away"},
		{"broker not connected for long",
			with(func(v *vitals) { v.broker.connected, v.broker.changed, v.progress = false, now-500*second, 0 }), false,
			500 * time.Second, true, "broker-away"},
		{"refused", with(func(v *vitals) { v.owes, v.oldest, v.refused, v.progress = true, now-130*second, refused, 0 }),
			false, 130 * time.Second, true, "hub-refuses/bad-checkpoint"},
		{"refused, and no acknowledgement is missing", with(func(v *vitals) { v.refused = refused }), true, 0, false, ""},
		{"refused, and the broker not connected", with(func(v *vitals) {
			v.owes, v.oldest, v.refused, v.broker.connected, v.broker.changed = true, now-60*second, refused, false, now-5*second
		}), false, time.Minute, false, "broker-away"},
		{"the broker closes connections", with(func(v *vitals) {
			v.owes, v.oldest, v.broker.cuts, v.broker.connected, v.broker.changed = true, now-60*second, 3, false, now-second
		}), false, time.Minute, false, "broker-cuts"},
		{"the broker closed connections before", with(func(v *vitals) {
			v.owes, v.oldest, v.sent, v.broker.cuts, v.broker.changed = true, now-60*second, now-40*second, 3, now-40*second
			v.heard = now - 50*second
		}), true, time.Minute, false, "no-answer"},
		{"another journal", with(func(v *vitals) { v.owes, v.oldest, v.fault = true, now-60*second, OtherJournal }), true,
			time.Minute, false, "other-journal"},
		{"a journal that cannot be read", with(func(v *vitals) {
			v.owes, v.oldest, v.fault, v.broker.connected = true, now-60*second, JournalUnread, false
		}), false, 900 * time.Second, false, "journal-unread"},
	} {
		h := c.v.healthAt(now)
		if h.Hub != c.hub || h.Owed != c.owed || h.Overdue != c.overdue || h.Code() != c.code {
			t.Errorf(
				"%s: hub %t, owed %s, overdue %t, %q; want %t, %s, %t, %q",
				c.name,
				h.Hub,
				h.Owed,
				h.Overdue,
				h.Code(),
				c.hub,
				c.owed,
				c.overdue,
				c.code,
			)
		}
	}
}

// A change of the wall clock does not change the age of a record.
func TestAgeOfARecordIgnoresChangesOfTheWallClock(t *testing.T) {
	now := moment{boot: "b", mono: 5000, wall: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), trusted: true}
	untrusted := now
	untrusted.trusted = false
	r := func(boot string, mono int64, age time.Duration, c wire.Clock) wire.Record {
		return wire.Record{Boot: boot, Mono: mono, Wall: now.wall.Add(-age), Clock: c}
	}
	day := 24 * time.Hour
	for name, c := range map[string]struct {
		at   moment
		r    wire.Record
		want int64
	}{
		"this boot":                         {now, r("b", 3000, 0, wire.ClockTrusted), 3000},
		"this boot, fast clock":             {now, r("b", 3000, -10*365*day, wire.ClockTrusted), 3000},
		"this boot, later than now":         {now, r("b", 6000, 0, wire.ClockUntrusted), 5000},
		"earlier boot":                      {now, r("a", 9000, day, wire.ClockTrusted), 5000 - day.Milliseconds()},
		"earlier boot, corrected clock":     {now, r("a", 9000, day, wire.ClockCorrected), 5000 - day.Milliseconds()},
		"earlier boot, untrusted":           {now, r("a", 9000, day, wire.ClockUntrusted), 5000},
		"earlier boot, clock untrusted now": {untrusted, r("a", 9000, day, wire.ClockTrusted), 5000},
		"earlier boot, in the future":       {now, r("a", 9000, -day, wire.ClockTrusted), 5000},
		"computer without a boot id": {moment{"unknown", 5000, now.wall, true},
			r("unknown", 3000, day, wire.ClockTrusted), 5000 - day.Milliseconds()},
	} {
		if got := c.at.writeTime(c.r); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestPublishedTimeIgnoresRoundingDifferences(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		prev, next, want time.Time
	}{
		{time.Time{}, at, at}, {at, at.Add(2 * time.Second), at}, {at, at.Add(-2 * time.Second), at},
		{at, at.Add(3 * time.Second), at.Add(3 * time.Second)}, {at, at.AddDate(10, 0, 0), at.AddDate(10, 0, 0)},
	} {
		if got := withoutRounding(c.prev, c.next); !got.Equal(c.want) {
			t.Errorf("%s after %s: %s, want %s", c.next, c.prev, got, c.want)
		}
	}
}

func TestEachReasonIsExplainedInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	for _, code := range []string{"", "broker-away", "broker-cuts", "records-dropped", "no-answer",
		"hub-refuses/bad-checkpoint", "hub-refuses/rolled-back",
		"hub-refuses/other-machine", "hub-refuses/wrong-root", "hub-refuses/of-a-later-hub", "other-journal", "other-hub-key",
		"too-large", "journal-unread", "of-a-later-machine"} {
		fact, cure := Explain(code)
		if fact.FR == "" || fact.EN == "" || cure.FR == "" || cure.EN == "" || fact.FR == fact.EN || seen[fact.EN] {
			t.Errorf("%q: %+v, %+v", code, fact, cure)
		}
		seen[fact.EN] = true
	}
	if fact, _ := Explain("hub-refuses/bad-checkpoint"); fact.EN != "the hub pins another key for this machine" {
		t.Error(fact.EN)
	}
}

// A broker that cut several connections is the likely reason until the present connection has lasted for answerTime.
func TestBrokerCutsAreNoReasonOnceTheConnectionLasts(t *testing.T) {
	v := vitals{}
	v.broker.cuts, v.broker.connected, v.broker.changed = cutsMost, true, 1000
	last := 1000 + answerTime.Milliseconds()
	for now, want := range map[int64]Why{last - 1: BrokerCuts, last: ""} {
		if why, _ := v.likelyReason(now); why != want {
			t.Errorf("at %d ms the likely reason is %q, want %q", now, why, want)
		}
	}
}
