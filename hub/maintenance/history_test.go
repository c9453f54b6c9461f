package maintenance

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// historyOf makes the history of records of one machine, in the way of the tables.
func historyOf(now time.Time, stories ...*story) history {
	var journals []journal
	for _, s := range stories {
		c := counter{days: map[policy.Date]int64{}}
		for _, r := range s.all {
			c.add(r)
		}
		j := journal{generation: s.Generation, used: c.used, events: c.events}
		if c.began != 0 {
			j.began = time.UnixMilli(c.began).UTC()
		}
		journals = append(journals, j)
	}
	return read(journals, now)
}

func tagBody(id string) wire.TagBody {
	return wire.TagBody{Tag: id, Reason: "belt worn", Role: "maintainer"}
}

func TestReportsAreClosedByTheReturnTheWorkOrNothing(t *testing.T) {
	noise, danger := wire.ReportBody{What: wire.Noise}, wire.ReportBody{What: wire.Dangerous, Tag: "t"}
	type step struct {
		kind wire.Kind
		body any
	}
	work := step{wire.Intervened, wire.InterventionBody{What: "lens-cleaning"}}
	on, off := step{wire.Tagged, tagBody("t")}, step{wire.Untagged, tagBody("t")}
	for _, c := range []struct {
		name  string
		steps []step
		want  string
	}{
		{"nothing happened", []step{{wire.Reported, noise}}, "[open]"},
		{"work after it", []step{{wire.Reported, noise}, work}, "[work]"},
		{"work before it", []step{work, {wire.Reported, noise}}, "[open]"},
		{"a person's tag comes off", []step{{wire.Reported, noise}, {wire.Tagged, tagBody("x")},
			{wire.Untagged, tagBody("x")}}, "[return]"},
		{"the tag of due work comes off", []step{{wire.Reported, noise}, {wire.Tagged, tagBody("due:lens")},
			{wire.Untagged, tagBody("due:lens")}}, "[open]"},
		{"danger keeps its tag after work", []step{{wire.Reported, danger}, on, work}, "[open]"},
		{"danger and another tag", []step{{wire.Reported, danger}, on, {wire.Tagged, tagBody("x")},
			{wire.Untagged, tagBody("x")}}, "[open]"},
		{"danger and its return", []step{{wire.Reported, danger}, on, off}, "[return]"},
		{"the first of two closes", []step{{wire.Reported, noise}, work, on, off}, "[work]"},
		{"two reports, one work", []step{{wire.Reported, noise}, {wire.Reported, noise}, work, {wire.Reported, noise}},
			"[work work open]"},
		{"a tag that never was on", []step{{wire.Reported, noise}, off}, "[open]"},
		{"an unreadable report", []step{{wire.Reported, 7}}, "[open]"},
	} {
		var s story
		for i, x := range c.steps {
			s.write(date(2026, 11, 1+i), x.kind, "s", "lea", x.body)
		}
		var got []string
		for _, r := range historyOf(date(2026, 12, 1), &s).reports {
			how := "open"
			if r.Closed != nil {
				how = r.Closed.How
			}
			got = append(got, how)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%s: %v, want %s", c.name, got, c.want)
		}
	}
}

func TestAttestationIsAwaitedUntilTenMinutesAfterTheSession(t *testing.T) {
	named := wire.InterventionBody{What: "lens", Endorser: "ines", ID: "i"}
	began := date(2026, 11, 1)
	for _, c := range []struct {
		name string
		body wire.InterventionBody
		end  time.Duration // end of the session after the intervention; 0: the session runs
		by   policy.MemberID
		now  time.Duration // after the intervention
		want Attest
	}{
		{"nobody was asked", wire.InterventionBody{What: "lens"}, 0, "", 0, NotAsked},
		{"the endorser wrote it", wire.InterventionBody{What: "lens", Endorser: "ines", Attested: true}, 0, "", 0, Attested},
		{"the session runs", named, 0, "", time.Hour, Awaited},
		{"no end is known", named, 0, "", 25 * time.Hour, Missed},
		{"just ended", named, time.Hour, "", time.Hour + attestTime, Awaited},
		{"too late", named, time.Hour, "", time.Hour + attestTime + time.Second, Missed},
		{"attested", named, 0, "ines", time.Hour, Attested},
		{"attested by another person", named, time.Hour, "yann", 2 * time.Hour, Missed},
		{"nobody endorses", wire.InterventionBody{What: "lens", ID: "i"}, 0, "", 0, NotAsked},
		{"their own work", wire.InterventionBody{What: "lens", ID: "i", Endorser: "lea"}, 0, "", 0, NotAsked},
	} {
		var s story
		s.write(began, wire.SessionStart, "s", "ines", wire.StartBody{Role: policy.Maintainer})
		s.write(began, wire.Intervened, "s", "lea", c.body)
		if c.end > 0 {
			s.write(began.Add(c.end), wire.SessionEnd, "s", "ines", wire.EndBody{Seconds: 60})
		}
		if c.by != "" {
			s.write(began.Add(time.Minute), wire.Attested, "s", c.by, wire.AttestBody{Intervention: "i"})
		}
		if got := historyOf(began.Add(c.now), &s).works[0].Attest; got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

func TestAttestationOfAnotherSessionIsIgnored(t *testing.T) {
	var s story
	s.write(date(2026, 11, 1), wire.Intervened, "s", "lea", wire.InterventionBody{What: "x", Endorser: "ines", ID: "i"})
	s.write(date(2026, 11, 1), wire.Attested, "r", "ines", wire.AttestBody{Intervention: "i"})
	if got := historyOf(date(2026, 11, 1), &s).works[0].Attest; got != Awaited {
		t.Error(got)
	}
}

func TestFailuresAreTimesOutOfServiceWithoutAPlan(t *testing.T) {
	day := func(d int) time.Time { return date(2026, 11, d) }
	tag := func(s *story, d int, id string) { s.write(day(d), wire.Tagged, "", "ines", tagBody(id)) }
	off := func(s *story, d int, id string) { s.write(day(d), wire.Untagged, "", "ines", tagBody(id)) }
	bad := func(s *story, d int, k wire.Kind, what string) {
		s.write(day(d), k, "", "", wire.FaultBody{What: what})
	}
	for _, c := range []struct {
		name           string
		write          func(s *story)
		failures, down int // down in days of November
		repaired       int
	}{
		{"nothing", func(*story) {}, 0, 0, 0},
		{"a tag", func(s *story) { tag(s, 3, "t"); off(s, 5, "t") }, 1, 2, 1},
		{"a tag that is still on", func(s *story) { tag(s, 3, "t") }, 1, 28, 0},
		{"a tag put on twice", func(s *story) { tag(s, 3, "t"); tag(s, 4, "t"); off(s, 5, "t") }, 1, 2, 1},
		{"two tags that overlap", func(s *story) { tag(s, 3, "a"); tag(s, 4, "b"); off(s, 5, "a"); off(s, 8, "b") }, 1, 5, 1},
		{"two tags in a row", func(s *story) { tag(s, 3, "a"); off(s, 4, "a"); tag(s, 6, "b"); off(s, 8, "b") }, 2, 3, 2},
		{"two tags that touch", func(s *story) { tag(s, 3, "a"); off(s, 5, "a"); tag(s, 5, "b"); off(s, 6, "b") }, 1, 3, 1},
		{"planned maintenance", func(s *story) { tag(s, 3, "due:lens"); off(s, 5, "due:lens") }, 0, 2, 0},
		{"a new journal", func(s *story) { tag(s, 3, "journal-new-1"); off(s, 5, "journal-new-1") }, 0, 2, 0},
		{"the contactor", func(s *story) { tag(s, 3, "contactor"); off(s, 5, "contactor") }, 1, 2, 1},
		{"a fault", func(s *story) { bad(s, 3, wire.Faulted, "x"); bad(s, 4, wire.FaultCleared, "x") }, 1, 1, 1},
		{"a fault until the program starts again", func(s *story) {
			bad(s, 3, wire.Faulted, "guard-lost")
			s.write(day(6), wire.Booted, "", "", wire.BootBody{})
		}, 1, 3, 1},
		{"the emergency stop", func(s *story) {
			bad(s, 3, wire.Faulted, eStop)
			bad(s, 9, wire.FaultCleared, eStop)
		}, 0, 0, 0},
		{"a fault that was not there", func(s *story) { bad(s, 3, wire.FaultCleared, "relay") }, 0, 0, 0},
		{"unreadable", func(s *story) { s.write(day(3), wire.Tagged, "", "", "x"); bad(s, 4, wire.Faulted, "") }, 0, 0, 0},
	} {
		var s story
		c.write(&s)
		now := date(2026, 12, 1)
		h := historyOf(now, &s)
		f, all := reliability(h, now), months(h.outs, now, time.UTC)
		november := all[len(all)-2]
		if f.Failures != c.failures || november.Failures != c.failures || f.Repaired != c.repaired ||
			november.Month != "2026-11" || november.Seconds != int64(c.down)*24*3600 {
			t.Errorf("%s: %+v, %+v", c.name, f, november)
		}
	}
}

func TestMeansNeedTwoFailures(t *testing.T) {
	now := date(2026, 12, 1)
	var s story
	for i := range 3 {
		f := reliability(historyOf(now, &s), now)
		if want := i >= MinFailures; (f.Between != 0) != want || (f.Repair != 0) != want {
			t.Errorf("%d failures: %+v", i, f)
		}
		at := date(2026, 11, 1+7*i)
		s.use(at, 7200, policy.User)
		s.write(at.Add(3*time.Hour), wire.Tagged, "", "ines", tagBody(fmt.Sprint(i)))
		s.write(at.Add(time.Duration(4+i)*time.Hour), wire.Untagged, "", "ines", tagBody(fmt.Sprint(i)))
	}
	f := reliability(historyOf(now, &s), now)
	if f.Failures != 3 || f.Between != 7200 || f.Repair != 2*3600 || f.Used != 3*7200 {
		t.Errorf("%+v", f)
	}
}

// A person's tag is sent to the new journal again. The same failure continues.
func TestReplacedJournalKeepsTagsOfPersonsAndEndsTheMachinesOwnTags(t *testing.T) {
	first, second := story{}, story{Position: Position{Generation: "00000000000000aa", Epoch: 1}}
	first.write(date(2026, 11, 1), wire.Tagged, "", "ines", tagBody("t"))
	first.write(date(2026, 11, 2), wire.Tagged, "", "", tagBody("due:lens"))
	first.write(date(2026, 11, 3), wire.Faulted, "", "", wire.FaultBody{What: "relay"})
	second.write(date(2026, 11, 5), wire.Booted, "", "", wire.BootBody{})
	second.write(date(2026, 11, 5), wire.Tagged, "", "ines", tagBody("t"))
	second.write(date(2026, 11, 7), wire.Untagged, "", "ines", tagBody("t"))
	now := date(2026, 12, 1)
	h := historyOf(now, &first, &second)
	if f := reliability(h, now); f.Failures != 1 || f.Repaired != 1 || len(h.tags) != 2 {
		t.Fatalf("%+v, %+v", f, h.tags)
	}
	if !h.tags[0].To.Equal(date(2026, 11, 7)) || !h.tags[1].To.Equal(date(2026, 11, 5)) {
		t.Errorf("%+v", h.tags)
	}
}

func TestUntrustedTimesTakeTheTimeOfTheRecordBefore(t *testing.T) {
	var s story
	now := date(2026, 12, 1)
	set := func(clock wire.Clock) { s.all[len(s.all)-1].Clock = clock }
	s.write(date(2036, 1, 1), wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise})
	set(wire.ClockUntrusted)
	s.write(date(2026, 11, 3), wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise})
	s.write(date(1970, 1, 1), wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise})
	set(wire.ClockUntrusted)
	s.write(date(2026, 12, 9), wire.Reported, "", "lea", wire.ReportBody{What: wire.Noise})
	want := []string{"2026-12-01 true", "2026-11-03 false", "2026-11-03 true", "2026-11-03 true"}
	for i, r := range historyOf(now, &s).reports {
		if got := fmt.Sprint(r.At.Format(time.DateOnly), " ", r.Uncertain); got != want[i] {
			t.Errorf("report %d: %s, want %s", i, got, want[i])
		}
	}
}

func TestRunningHoursFollowTheMachinesCounter(t *testing.T) {
	relay := func(s int64) wire.Ran { return wire.Ran{RanSeconds: s, RanBy: wire.RanByRelay} }
	busy := func(s int64) wire.Ran { return wire.Ran{RanSeconds: s, RanBy: wire.RanByBusy} }
	for _, c := range []struct {
		name string
		do   func(m *meter)
		want int64
	}{
		{"sessions alone", func(m *meter) { m.pass(100); m.pass(250) }, 250},
		{"the counter corrects the sessions", func(m *meter) { m.pass(100); m.set(relay(60)); m.pass(130) }, 90},
		{"a counter without a signal", func(m *meter) { m.pass(100); m.set(wire.Ran{RanSeconds: 7}) }, 100},
		{"an absurd counter", func(m *meter) { m.pass(100); m.set(relay(1 << 60)); m.set(relay(-1)) }, 100},
		{"another signal continues", func(m *meter) { m.set(relay(500)); m.pass(10); m.set(busy(3)); m.set(busy(8)) }, 515},
		{"a counter that was set back", func(m *meter) { m.set(relay(500)); m.set(relay(4)); m.set(relay(9)) }, 505},
		{"the next journal begins at 0", func(m *meter) {
			m.set(relay(500))
			m.begin(20)
			m.pass(30)
			m.set(relay(25))
		}, 545},
		{"a restored counter", func(m *meter) {
			m.set(relay(500))
			m.begin(0)
			m.restore(wire.RestoredBody{Relay: 500, Busy: 70})
			m.set(relay(530))
		}, 530},
	} {
		var m meter
		if c.do(&m); m.total != c.want {
			t.Errorf("%s: %d, want %d", c.name, m.total, c.want)
		}
	}
}

func TestTextsOfRecordsAreBounded(t *testing.T) {
	var s story
	long := strings.Repeat("é\x00", 4000)
	s.write(date(2026, 11, 1), wire.Reported, "s", "", wire.ReportBody{What: wire.Problem(long), Note: long,
		Claimed: "lea"})
	s.write(date(2026, 11, 1), wire.Intervened, "s", "lea", wire.InterventionBody{What: long, Note: long, Parts: long,
		Minutes: -4})
	s.write(date(2026, 11, 1), wire.Tagged, "s", "lea", wire.TagBody{Tag: long, Reason: long, Role: long})
	h := historyOf(date(2026, 12, 1), &s)
	r, w, x := h.reports[0], h.works[0], h.tags[0]
	if r.What != "other" || !r.Claimed || r.By.Member != "lea" || w.Minutes != 0 {
		t.Errorf("%+v, %+v", r, w)
	}
	for _, text := range []string{r.Words, w.What, w.Words, w.Parts, x.ID, x.Reason, x.Role} {
		if len(text) > maxWords || strings.ContainsRune(text, 0) {
			t.Errorf("%d bytes: %.20q", len(text), text)
		}
	}
}

func FuzzRecordBodies(f *testing.F) {
	for _, body := range []string{`{"tag":"t"}`, `{"what":"noise","ran_s":4,"ran_by":"busy"}`, `{"seconds":60}`, `[`, ``} {
		f.Add(uint8(0), body, int64(0))
	}
	f.Fuzz(func(t *testing.T, which uint8, text string, at int64) {
		var s story
		kinds := append([]wire.Kind{wire.SessionStart, wire.SessionEnd}, eventKinds...)
		for i := range 4 {
			kind := kinds[(int(which)+i*5)%len(kinds)]
			s.write(time.UnixMilli(at%4e12).Add(time.Duration(i)*time.Hour), kind, "s", "lea", json.RawMessage(text))
			s.all[i].Body = []byte(text)
		}
		now := date(2026, 12, 1)
		h := historyOf(now, &s)
		all := months(h.outs, now, time.UTC)
		for _, m := range all {
			if m.Seconds < 0 || m.Seconds > 31*24*3600 || m.Failed > m.Seconds {
				t.Errorf("%+v", m)
			}
		}
		if f := reliability(h, now); f.Between < 0 || f.Repair < 0 || f.Used < 0 {
			t.Errorf("%+v", f)
		}
	})
}
