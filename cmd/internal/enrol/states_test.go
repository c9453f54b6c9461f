package enrol

import (
	"encoding/json"
	"testing"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	hubenrol "portillon/hub/enrol"
	"portillon/wire"
)

// After a restart, the hub still knows each machine's last state and the time of the machine's last message, even if
// the broker has lost the state. The stored state does not make the hub report the machine as online or send anything
// to the machine.
func TestLastStateOfAMachineSurvivesARestartOfTheHub(t *testing.T) {
	w := newWorld(t)
	e, c := w.enrolled(t, "laser")
	m := e.mqtt(t, w, c)
	client := mqtt.NewClient(m.o)
	if tok := client.Connect(); !tok.WaitTimeout(soon) || tok.Error() != nil {
		t.Fatal("connect: ", tok.Error())
	}
	state := wire.State{Machine: "laser", Phase: "off", Program: "0.9", Bundle: 7, Clock: "untrusted", Disk: "a page",
		StateKeys: wire.StateKeys{HubKey: "0123456789abcdef", CardKey: "1a2b3c4d", DiskFree: 1200}}
	b, err := json.Marshal(state)
	if err != nil {
		t.Fatal(err)
	}
	standing := func() hubenrol.Standing {
		m, err := w.Enrol().Machines.Get(t.Context(), admin, "laser")
		if err != nil {
			t.Fatal(err)
		}
		return m.Standing
	}
	await(t, "the state at the hub", func() bool {
		tok := client.Publish(wire.Topics{Site: "big"}.State("laser"), 1, false, b) // not retained
		return tok.WaitTimeout(soon) && standing().Program == "0.9"
	})
	client.Disconnect(0)
	before := standing()
	w.stop()
	w.start()
	after := standing()
	if after.Online || after.Program != "0.9" || after.Bundle != 7 || after.Clock != "untrusted" ||
		after.Disk != "a page" ||
		after.Keys != state.StateKeys || after.Seen.IsZero() ||
		after.Seen.UnixMilli() != before.Seen.UnixMilli() {
		t.Errorf("before %+v\nafter  %+v", before, after)
	}
	for _, m := range w.Machines() {
		if m.State != nil {
			t.Errorf("the hub acts on a state of before: %+v", m.State)
		}
	}
}
