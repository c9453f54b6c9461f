package maintenance

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// generate writes a random journal in steps of whole minutes, and returns its end. The journal has sessions, reports,
// work, tags that overlap, faults, restarts, and records of other kinds.
func generate(r *rand.Rand, s *story, at time.Time) time.Time {
	tags := []string{"a", "b", "due:lens", "contactor"}
	for n := range 60 {
		at = at.Add(time.Duration(1+r.IntN(300)) * time.Minute)
		tag := tags[r.IntN(len(tags))]
		fault := wire.FaultBody{What: []string{"relay", "guard-lost", eStop}[r.IntN(3)]}
		switch r.IntN(9) {
		case 0, 1, 2:
			id, seconds := fmt.Sprint("s", n), int64(60*r.IntN(200))
			role := []policy.Role{policy.User, policy.Maintainer}[r.IntN(2)]
			s.write(at, wire.SessionStart, id, "lea", wire.StartBody{Role: role})
			at = at.Add(time.Duration(seconds) * time.Second)
			if r.IntN(3) == 0 {
				s.write(at, wire.Intervened, id, "lea", wire.InterventionBody{What: "lens"})
			}
			for range []int{0, 1, 1, 1, 1, 2}[r.IntN(6)] { // an end may be missing, or stand twice
				s.write(at, wire.SessionEnd, id, "lea", wire.EndBody{Cause: wire.CauseTap, Seconds: seconds})
			}
		case 3:
			s.write(at, wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise})
		case 4:
			s.write(at, wire.Tagged, "", "ines", wire.TagBody{Tag: tag})
		case 5:
			s.write(at, wire.Untagged, "", "ines", wire.TagBody{Tag: tag})
		case 6:
			s.write(at, wire.Faulted, "", "", fault)
		case 7:
			s.write(at, wire.FaultCleared, "", "", fault)
		default:
			s.write(at, []wire.Kind{wire.Booted, wire.Refused}[r.IntN(2)], "", "", nil)
		}
	}
	return at
}

// naive is what a slow count finds: it follows the state of the machine minute by minute.
type naive struct {
	open, works, failures int
	used, down            int64
	byMonth               map[string]int64
}

// count counts the journals of one machine until now.
func count(stories []*story, now time.Time) naive {
	out := naive{byMonth: map[string]int64{}}
	tags, faults := map[string]bool{}, map[string]bool{}
	failed := false
	var at time.Time
	// until passes the minutes until the next record in the present state.
	until := func(next time.Time) {
		for !at.IsZero() && at.Before(next) {
			failure := len(faults) > 0 || tags["a"] || tags["b"] || tags["contactor"]
			if failure || tags["due:lens"] {
				out.down += 60
				out.byMonth[at.Format("2006-01")] += 60
			}
			if failure && !failed {
				out.failures++
			}
			failed = failure
			at = at.Add(time.Minute)
		}
		at = next
	}
	for n, s := range stories {
		for i, r := range s.all {
			until(r.Wall)
			if i == 0 && n > 0 { // the tags of the machine's own checks do not enter the next journal
				delete(tags, "due:lens")
				delete(tags, "contactor")
				clear(faults)
			}
			var t wire.TagBody
			var f wire.FaultBody
			json.Unmarshal(r.Body, &t)
			json.Unmarshal(r.Body, &f)
			switch r.Kind {
			case wire.Tagged:
				tags[t.Tag] = true
			case wire.Untagged:
				if tags[t.Tag] && (t.Tag == "a" || t.Tag == "b") {
					out.open = 0
				}
				delete(tags, t.Tag)
			case wire.Faulted:
				if f.What != eStop {
					faults[f.What] = true
				}
			case wire.FaultCleared:
				delete(faults, f.What)
			case wire.Booted:
				clear(faults)
			case wire.Reported:
				out.open++
			case wire.Intervened:
				out.works++
				out.open = 0
			case wire.SessionStart:
				out.used += naiveUse(s.all[i:])
			}
		}
	}
	until(now)
	return out
}

// naiveUse returns the seconds of the session that begins with the first record.
func naiveUse(records []wire.Record) int64 {
	var b wire.StartBody
	json.Unmarshal(records[0].Body, &b)
	for _, r := range records[1:] {
		var e wire.EndBody
		switch {
		case r.Kind == wire.SessionStart:
			return 0
		case r.Kind == wire.SessionEnd && b.Role == policy.User:
			json.Unmarshal(r.Body, &e)
			return e.Seconds
		}
	}
	return 0
}

// result is the part of the service's answer that the slow count checks.
func result(m Machine) naive {
	out := naive{byMonth: map[string]int64{}, works: len(m.Works), failures: m.Figures.Failures, used: m.Figures.Used}
	for _, r := range m.Reports {
		if r.Closed == nil {
			out.open++
		}
	}
	for _, x := range m.Months {
		if x.Seconds > 0 {
			out.byMonth[x.Month] = x.Seconds
		}
		out.down += x.Seconds
	}
	return out
}

// Records arrive in parts, the hub restarts between them, and journals are replaced: nothing counts twice.
func TestFiguresEqualASlowRecountForAnyArrival(t *testing.T) {
	if testing.Short() {
		t.Skip("short: counts the minutes of months")
	}
	for seed := range uint64(12) {
		r := rand.New(rand.NewPCG(seed, 3))
		b := newBench(t)
		var laser []*story
		at := date(2026, 6, 1)
		for range 1 + r.IntN(3) {
			s := b.ledger.add("laser")
			at = generate(r, s, at)
			laser = append(laser, s)
			generate(r, b.ledger.add("vinyl"), at)
		}
		b.now = at.Add(time.Hour)
		for _, s := range b.ledger.stories {
			for int(s.Records) < len(s.all) {
				s.Records = min(s.Records+uint64(1+r.IntN(40)), uint64(len(s.all)))
				if r.IntN(2) == 0 {
					b.open()
				}
				if err := b.s.Update(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		b.update()
		got, want := result(b.machine(owner, "laser")), count(laser, b.now)
		if !reflect.DeepEqual(got, want) {
			t.Errorf("seed %d: %+v, want\n%+v", seed, got, want)
		}
		days := int64(0)
		for _, s := range must(b.s.daily(t.Context(), "laser")) {
			days += s
		}
		if days != want.used {
			t.Errorf("seed %d: the days have %d seconds, want %d", seed, days, want.used)
		}
	}
}

// The hub says of planned maintenance what the machine says of it.
func TestDueMaintenanceIsTheMachines(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	now := date(2026, 12, 1)
	for n := range 3000 {
		hours, days := time.Duration(r.IntN(3)*50)*time.Hour, time.Duration(r.IntN(3)*30)*24*time.Hour
		if hours == 0 && days == 0 {
			continue
		}
		m := &policy.Machine{Maintenance: []policy.Upkeep{{Kind: "lens", Hours: hours, Every: days}}}
		last := policy.Done{At: now.Add(-time.Duration(r.IntN(70*24)) * time.Hour)}
		last.Ran = time.Duration(r.IntN(400)) * time.Hour
		ran := last.Ran + time.Duration(r.IntN(120*60))*time.Minute
		h := history{done: map[string]done{"lens": {at: last.At, ran: int64(last.Ran / time.Second)}},
			ran: int64(ran / time.Second)}
		state := dueOf(m, m.Maintenance[0], h, 3600, now).State
		want := DueLater
		for _, w := range m.Due(policy.Wear{Now: now, Clock: policy.Trusted, Ran: ran,
			Done: map[string]policy.Done{"lens": last}}) {
			if want = DueSoon; w.Over {
				want = DueNow
			}
		}
		if state != want {
			t.Fatalf("%d: every %v of use and %v, %v of use and %v ago: %s, the machine says %s", n, hours, days,
				ran-last.Ran, now.Sub(last.At), state, want)
		}
	}
}
