package setup

import (
	"os"
	"path/filepath"
	"testing"

	"portillon/cmd/internal/daemoncmd"
)

// Each shipped wiring, and a machine.yaml that an enrolment has written, can be converted to the machine.yaml of an
// enrolled machine.
func TestEveryWiringBecomesAValidFileOfAnEnrolledMachine(t *testing.T) {
	samples, err := filepath.Glob("../../../firmware-config/*.yaml")
	if err != nil || len(samples) < 5 {
		t.Fatal(samples, err)
	}
	a := Answers{Machine: "lathe", Site: "elsewhere", BundleKey: siteKey}
	h := HubAnswers{Address: "192.168.1.9:8443", Name: "hub.local", BrokerPort: "8883", HubKey: siteKey}
	for _, path := range samples {
		was, err := daemoncmd.ReadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		first := a.Enrolled(string(text), h)
		c, err := Sound("lathe.yaml", first)
		if err != nil {
			t.Fatalf("%s: %v\n%s", path, err, first)
		}
		if c.Machine != "lathe" || c.Site != "elsewhere" || c.Bundle.Key != siteKey || c.Bundle.File != "" ||
			c.Bundle.From != "" ||
			c.Hub != (daemoncmd.HubConfig{Address: "192.168.1.9:8443", Name: "hub.local"}) ||
			c.MQTT.Broker != "ssl://hub.local:8883" ||
			c.MQTT.HubKey != siteKey || c.MachineKey != "credential:machine-key" || c.CardKey != "credential:card-key" ||
			c.Reader.Kind != was.Reader.Kind ||
			c.Relay.EStop != was.Relay.EStop ||
			c.Relay.Heartbeat != was.Relay.Heartbeat {
			t.Errorf("%s: %+v\n%s", path, c, first)
		}
		if again := a.Enrolled(first, h); again != first {
			t.Errorf("%s: a second enrolment changes the file:\n%s", path, Diff(first, again))
		}
	}
}
