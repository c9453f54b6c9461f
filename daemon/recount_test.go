package daemon

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// sampleRecount returns a recount of a few records, and the facts that a daemon stores beside them.
func sampleRecount(t *testing.T) (*Recount, map[string][]byte) {
	t.Helper()
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	c, seq := &Recount{}, uint64(0)
	add := func(kind wire.Kind, m policy.MemberID, body any) {
		b, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		seq++
		c.Add(wire.Record{Seq: seq, Kind: kind, Member: m, Wall: at, Clock: wire.ClockTrusted, Body: b})
		at = at.Add(time.Hour)
	}
	add(wire.Tagged, "", wire.TagBody{Tag: "t1", Reason: "belt"})
	add(wire.Tagged, "m-ines", wire.TagBody{Tag: "t2", Reason: "lens", Role: "maintainer"})
	add(wire.Untagged, "m-ines", wire.TagBody{Tag: "t1"})
	add(wire.SessionEnd, "m-lea", wire.EndBody{Seconds: 600})
	add(wire.SessionEnd, "m-lea", wire.EndBody{Seconds: 300})
	add(
		wire.Intervened,
		"m-ines",
		wire.InterventionBody{What: "lens-cleaning", Ran: wire.Ran{RanSeconds: 900, RanBy: wire.RanByRelay}},
	)
	facts := map[string][]byte{
		FactTags: mustJSON(
			[]session.Tag{{ID: "t2", By: "m-ines", Role: policy.Maintainer, Reason: "lens"}},
		),
		FactRemoved + "t1":         []byte("1"),
		FactPractice + "m-lea":     mustJSON(policy.Practice{Last: at.Add(-2 * time.Hour), Logged: 15 * time.Minute}),
		FactDone + "lens-cleaning": mustJSON(policy.Done{At: at.Add(-time.Hour), Ran: 15 * time.Minute}),
		FactHours:                  mustJSON(session.Hours{Relay: 16 * time.Minute}),
	}
	return c, facts
}

func TestFactsThatContainLessThanTheRecordsAreReported(t *testing.T) {
	for _, c := range []struct {
		name   string
		change func(map[string][]byte)
		want   string // expected difference; empty: none
	}{
		{"facts unchanged", func(map[string][]byte) {}, ""},
		{"facts contain more than the records",
			func(f map[string][]byte) { f[FactHours] = mustJSON(session.Hours{Relay: time.Hour}) },
			""},
		{"tags deleted", func(f map[string][]byte) { delete(f, FactTags) },
			`the tag "t2" ("lens") is on the machine by record 2, and missing in the facts`},
		{"tags unreadable", func(f map[string][]byte) { f[FactTags] = []byte("{") }, "the tags cannot be read"},
		{"removed tag in the facts",
			func(f map[string][]byte) { f[FactTags] = mustJSON([]session.Tag{{ID: "t2"}, {ID: "t1"}}) },
			`the tag "t1" was taken off by record 3`},
		{"tag without a record", func(f map[string][]byte) { f[FactTags] = mustJSON([]session.Tag{{ID: "t2"}, {ID: "t9"}}) },
			`no record put it on`},
		{"removal missing", func(f map[string][]byte) { delete(f, FactRemoved+"t1"); f[FactRemoved+"t0"] = []byte("1") },
			`do not list it as removed`},
		{"practice deleted", func(f map[string][]byte) { delete(f, FactPractice+"m-lea") },
			"the practice of m-lea is 0s, and the sessions on record last 15m0s"},
		{"practice shortened", func(f map[string][]byte) {
			f[FactPractice+"m-lea"] = mustJSON(policy.Practice{Last: time.Now().AddDate(9, 0, 0), Logged: time.Minute})
		}, "the practice of m-lea is 1m0s"},
		{"practice older", func(f map[string][]byte) {
			f[FactPractice+"m-lea"] = mustJSON(policy.Practice{Logged: time.Hour})
		}, "the practice of m-lea ends on"},
		{"practice unreadable", func(f map[string][]byte) { f[FactPractice+"m-lea"] = []byte("1") },
			"the practice of m-lea cannot be read"},
		{"maintenance missing", func(f map[string][]byte) { delete(f, FactDone+"lens-cleaning") },
			"lens-cleaning was last done on an unknown day by the facts"},
		{"maintenance unreadable", func(f map[string][]byte) { f[FactDone+"lens-cleaning"] = []byte("x") },
			"when lens-cleaning was last done cannot be read"},
		{"hours set back", func(f map[string][]byte) { f[FactHours] = mustJSON(session.Hours{Relay: time.Minute}) },
			"the running hours (relay) are 1m0s, and a record says 15m0s"},
		{"hours unreadable", func(f map[string][]byte) { f[FactHours] = []byte("x") }, "the running hours cannot be read"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, facts := sampleRecount(t)
			c.change(facts)
			got := r.Compare(facts)
			if c.want == "" && len(got) > 0 ||
				c.want != "" && (len(got) == 0 || !strings.Contains(strings.Join(got, "\n"), c.want)) {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// The restored facts agree with the records, so a comparison finds no difference.
func TestRestoredFactsDoNotDifferFromTheRecords(t *testing.T) {
	r, _ := sampleRecount(t)
	restored, err := r.Restored("laser")
	if err != nil {
		t.Fatal(err)
	}
	if d := r.Compare(restored); len(d) > 0 {
		t.Errorf("%q", d)
	}
	var tags []session.Tag
	if err := json.Unmarshal(restored[FactTags], &tags); err != nil || len(tags) != 1 || tags[0].ID != "t2" ||
		tags[0].Role != policy.Maintainer ||
		tags[0].By != "m-ines" {
		t.Errorf("%s, %v", restored[FactTags], err)
	}
	if missing := r.Missing(nil); len(missing) != 1 || missing[0].Reason != "lens" {
		t.Errorf("%+v", missing)
	}
	if missing := r.Missing(tags); len(missing) != 0 {
		t.Errorf("%+v", missing)
	}
}

// The erased record may have added the tag, so the comparison does not report the tag as a difference.
func TestTagWithAnErasedRecordIsNotADifference(t *testing.T) {
	r, facts := sampleRecount(t)
	r.Gap()
	facts[FactTags] = mustJSON([]session.Tag{{ID: "t2"}, {ID: "t9"}})
	if d := r.Compare(facts); len(d) > 0 {
		t.Errorf("%q", d)
	}
}
