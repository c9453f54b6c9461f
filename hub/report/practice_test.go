package report_test

import (
	"fmt"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// The logged time includes all sessions. The last use is the latest session whose end time is known.
func TestPracticeEqualsThePracticeThatMachinesCount(t *testing.T) {
	b := newBench(t)
	at := time.Date(2026, 5, 4, 9, 0, 0, 0, time.UTC)
	j, second := b.ledger.add("laser", 0), b.ledger.add("laser", 1)
	j.writeSession(at, 600, "lea", wire.CauseTap)
	j.writeSession(at.Add(time.Hour), 300, "lea", wire.CausePowerLost)
	j.writeSession(at.Add(2*time.Hour), 60, "tom", wire.CauseDaemonLost)
	second.writeSession(at.Add(24*time.Hour), 900, "lea", wire.CauseTap)
	b.ledger.add("lathe", 0).writeSession(at, 5, "lea", wire.CauseTap)
	b.countAll()
	of, known, err := b.s.Practice(t.Context(), []policy.MachineID{"laser", "mill"})
	if err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(known) != "map[laser:true mill:false]" {
		t.Errorf("known machines are %v", known)
	}
	lea := policy.Practice{Machine: "laser", Last: at.Add(24*time.Hour + 900*time.Second), Logged: 1800 * time.Second}
	tom := policy.Practice{Machine: "laser", Logged: time.Minute}
	if len(of) != 2 || len(of["lea"]) != 1 || of["lea"][0] != lea || len(of["tom"]) != 1 || of["tom"][0] != tom {
		t.Errorf("%+v", of)
	}
}
