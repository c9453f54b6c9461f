package wire

import (
	"slices"
	"testing"

	"portillon/policy"
)

// The table names each topic that Topics names, once.
func TestAccessTableHoldsEveryTopic(t *testing.T) {
	topics := Topics{"biklab"}
	discovery, _ := topics.Discovery("laser", "Laser", "1")
	want := []string{topics.Availability("laser"), topics.State("laser"), topics.Records("laser"),
		topics.Checkpoint("laser"), topics.Reply("laser"),
		discovery, topics.Command("laser"), topics.Ack("laser"), topics.Bundle(), "homeassistant/status"}
	var got []string
	for _, a := range AccessTable() {
		got = append(got, a.Of("biklab", "laser"))
		if a.Publishes(NoParty) || a.Receives(NoParty) || a.From == NoParty || len(a.To) == 0 {
			t.Errorf("%s: from %d, to %v", a.Name, a.From, a.To)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("the table has %q, want %q", got, want)
	}
}

func TestMachinePublishesOnlyUnderItsOwnID(t *testing.T) {
	for _, a := range AccessTable() {
		if a.Publishes(MachineParty) && a.Of("biklab", "laser") == a.Of("biklab", "vinyl") {
			t.Errorf("all machines publish on %s", a.Topic)
		}
		if a.Publishes(MachineParty) && a.Receives(MachineParty) {
			t.Errorf("a machine hears what machines say on %s", a.Topic)
		}
	}
}

func TestClientIDsOfMachinesAndHubDiffer(t *testing.T) {
	topics := Topics{"biklab"}
	seen := map[string]bool{topics.HubClientID(): true}
	for _, m := range []policy.MachineID{"hub", "laser", "vinyl"} {
		if id := topics.ClientID(m); seen[id] {
			t.Errorf("%s has a client id of another: %s", m, id)
		} else {
			seen[id] = true
		}
	}
}
