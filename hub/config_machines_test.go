package hub_test

import (
	"strings"
	"testing"

	"portillon/hub"
)

const joins = "machines-listen: \":8443\"\nname: hub.local\ncard-key: card.key\n"

func TestHubFileWithMachinesListenAllowsMachinesToJoin(t *testing.T) {
	text := strings.Replace(example(t), "mqtt: { listen: \"127.0.0.1:1883\" }", "mqtt: { listen: \":8883\" }", 1) + joins
	c, err := hub.ParseConfig("/etc/portillon/hub.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if c.Join != (hub.JoinConfig{Listen: ":8443", Name: "hub.local", CardKey: "/etc/portillon/card.key"}) {
		t.Errorf("%+v", c.Join)
	}
	i, j := strings.Index(text, "machines:\n"), strings.Index(text, "mqtt:")
	if c, err = hub.ParseConfig("hub.yaml", []byte(text[:i]+text[j:])); err != nil || len(c.Machines) != 0 {
		t.Errorf("without machines of its own: %v", err)
	}
}

func TestErrorsAboutTheMachinesListenerNameLineFieldAndFix(t *testing.T) {
	for _, c := range []struct{ from, to, says string }{
		{"name: hub.local\n", "", "name: is missing"},
		{"card-key: card.key\n", "", "card-key: is missing"},
		{"bundle:", "# ", "bundle: is missing"},
		{"name: hub.local\n", "name: hub.local\nmachines-cert: a.pem\n", "machines-cert-key is missing beside it"},
		{"hub.local", "192.168.1.9", `"192.168.1.9" cannot be in a certificate`},
		{"hub.local", "Hub Local", "cannot be in a certificate"},
		{`":8443"`, `"8443"`, "is no address"},
		{`listen: "127.0.0.1:1883"`, `broker: "tcp://mosquitto.lan:1883"`, "accounts at the broker inside"},
		{`listen: "127.0.0.1:1883"`, `listen: ":1883", cert: a, cert-key: b`, "the hub's own authority"},
	} {
		text := example(t) + joins
		if !strings.Contains(text, c.from) {
			t.Fatalf("%q is not in the file", c.from)
		}
		_, err := hub.ParseConfig("hub.yaml", []byte(strings.Replace(text, c.from, c.to, 1)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %s", c.to, err, c.says)
		}
	}
}
