package hub

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/wire"
)

// The progress that members see is judged from the records around their interventions, and equals the progress that
// "portillon evidence" calculates from all records.
func TestOwnProgressEqualsTheProgressFromAllRecords(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	work := func(member policy.MemberID, mentor policy.MemberID) {
		s := fmt.Sprintf("s-%d", m.Len())
		m.Append(wire.SessionStart, s, mentor, wire.StartBody{Role: policy.Maintainer, Badges: []policy.BadgeID{"b"}})
		m.Append(wire.Assisted, s, member, wire.AssistBody{With: mentor})
		m.Append(wire.Intervened, s, member, wire.InterventionBody{What: "lens-cleaning", Endorser: mentor, Minutes: 5})
		m.Append(wire.SessionEnd, s, mentor, wire.EndBody{Cause: wire.CauseTap, Seconds: 600})
	}
	m.Append(wire.Vouched, "s", "lea", wire.VouchBody{Mentor: "ines", Skills: []string{"focus", "focus", "settings"}})
	m.Append(wire.Vouched, "s", "tom", wire.VouchBody{Mentor: "ines", Skills: []string{"focus"}})
	work("lea", "ines")
	work("lea", "lea") // nobody can endorse their own work
	m.Fill(60)
	work("tom", "ines")
	m.Fill(60)
	work("lea", "ines")
	work("lea", "ines")
	l := ledger.New(storetest.Open(t).Site("biklab"), ledger.Keys{"laser": m.Key})
	if _, err := l.Take("laser", m.Data(1, m.Len())); err != nil {
		t.Fatal(err)
	}
	all, err := evidenceRecords(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	rule := evidence.Rule{Badge: "b", Machines: []policy.MachineID{"laser"}, Interventions: 5,
		Kinds: []string{"lens-cleaning"}, EndorsedBy: "b"}
	now := m.Now.Add(time.Hour)
	for member, counted := range map[policy.MemberID]int{"lea": 3, "tom": 1, "zoe": 0} {
		some, err := workRecords(t.Context(), l, member, 20)
		if err != nil {
			t.Fatal(err)
		}
		got, want := evidence.Judge(rule, member, some, now), evidence.Judge(rule, member, all, now)
		if !reflect.DeepEqual(got, want) || len(got.Counted) != counted {
			t.Errorf("%s: %+v, want %+v", member, got, want)
		}
		if len(some) >= len(all) {
			t.Errorf("%s: read %d of %d records", member, len(some), len(all))
		}
	}
	skills, err := confirmedSkills(t.Context(), l, "lea")
	if err != nil || fmt.Sprint(skills) != "map[laser:map[focus:1 settings:1]]" {
		t.Errorf("skills %v, %v", skills, err)
	}
}

// Interventions at two machines are searched in the journals of both machines, whatever their sequence numbers are.
func TestWorkAtEachMachineIsRead(t *testing.T) {
	laser, vinyl := ledgertest.New(t, "biklab", "laser"), ledgertest.New(t, "biklab", "vinyl")
	l := ledger.New(storetest.Open(t).Site("biklab"), ledger.Keys{"laser": laser.Key, "vinyl": vinyl.Key})
	for _, m := range []*ledgertest.Machine{laser, vinyl} {
		m.Append(wire.Intervened, "s", "lea", wire.InterventionBody{What: "lens-cleaning", Minutes: 5})
		if _, err := l.Take(m.ID, m.Data(1, m.Len())); err != nil {
			t.Fatal(err)
		}
	}
	records, err := workRecords(t.Context(), l, "lea", 20)
	if err != nil || len(records) != 2 || records[0].Machine != "laser" || records[1].Machine != "vinyl" {
		t.Errorf("%v %v, want a record of each machine", records, err)
	}
}
