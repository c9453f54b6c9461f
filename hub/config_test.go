package hub_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
)

func example(t *testing.T) string {
	_, vkey, err := note.GenerateKey(rand.Reader, "portillon-laser")
	if err != nil {
		t.Fatal(err)
	}
	_, site, err := note.GenerateKey(rand.Reader, "portillon-biklab")
	if err != nil {
		t.Fatal(err)
	}
	return `portillon: 1
site: biklab
data: /var/lib/portillon-hub
key: hub.key
machines:
  laser: { key: "` + vkey + `" }
  vinyl: { key: "` + vkey + `" }
mqtt: { listen: "127.0.0.1:1883" }
http: 127.0.0.1:8038
bundle: { file: site.bundle, key: "` + site + `" }
`
}

func TestHubYAMLIsParsedIntoAConfig(t *testing.T) {
	c, err := hub.ParseConfig("/etc/portillon/hub.yaml", []byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	if c.Site != "biklab" || c.Data != "/var/lib/portillon-hub" || c.Key != "/etc/portillon/hub.key" ||
		c.Bundle.File != "/etc/portillon/site.bundle" ||
		len(c.Machines) != 2 || c.Machines[0].ID != "laser" ||
		c.HTTP != "127.0.0.1:8038" ||
		c.MQTT.Listen != "127.0.0.1:1883" {
		t.Errorf("%+v", c)
	}
	if c.Machine("laser") == nil || c.Machine("press") != nil || c.Ledger() != "/var/lib/portillon-hub/portillon.db" {
		t.Errorf("%v %v %s", c.Machine("laser"), c.Machine("press"), c.Ledger())
	}
}

// Until the records of an earlier release are in the database, evidence is read from that release's file.
func TestLedgerOfAnEarlierReleaseIsReadUntilItIsImported(t *testing.T) {
	c := hub.Config{Data: t.TempDir()}
	if c.Ledger() != c.Database() {
		t.Errorf("the ledger is %s, want the database %s", c.Ledger(), c.Database())
	}
	old := ledger.OldPath(c.Database())
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if c.Ledger() != old {
		t.Errorf("the ledger is %s, want %s", c.Ledger(), old)
	}
}

func TestErrorsAboutTheHubFileNameLineFieldAndFix(t *testing.T) {
	for _, c := range []struct{ name, from, to, says string }{
		{"a slip in a key", "http:", "htpp:", `hub.yaml:9:1: unknown key "htpp" (did you mean "http"?)`},
		{"no machines", "machines:", "nobody:", "machines: is missing"},
		{"a site that is no id", "site: biklab", "site: BIK LAB", `hub.yaml:2:7: site: "BIK LAB" is not an id`},
		{"no site", "site: biklab\n", "", "site: is missing"},
		{"a machine called ack", "  laser:", "  ack:", `"ack" cannot be a machine's id`},
		{"a machine without a key", "  laser: { key:", "  laser: { kye:", `did you mean "key"?`},
		{"a key that is none", `laser: { key: "portillon`, `laser: { key: "!portillon`, "machines.laser.key: "},
		{"a private key", `bundle: { file: site.bundle, key: "`, `bundle: { file: site.bundle, key: "PRIVATE+KEY+`,
			"this is the private half of a key"},
		{"the network without passwords", `listen: "127.0.0.1:1883"`, `listen: "0.0.0.0:1883"`,
			"hub.yaml:8:17: mqtt.listen: \"0.0.0.0:1883\" can be reached from the network"},
		{"no port", `listen: "127.0.0.1:1883"`, `listen: "127.0.0.1"`, "is no address (host:port"},
		{"no broker at all", `{ listen: "127.0.0.1:1883" }`, `{ username: x }`, "one of listen and broker must stand here"},
		{"both brokers", `{ listen: "127.0.0.1:1883" }`, `{ listen: "127.0.0.1:1883", broker: "tcp://x:1" }`,
			"one of listen and broker must stand here"},
		{"a broker that is none", `{ listen: "127.0.0.1:1883" }`, `{ broker: "mosquitto" }`,
			`mqtt.broker: "mosquitto" is no broker's address (tcp://host:1883`},
		{"a name for the broker inside", `"127.0.0.1:1883" }`, `"127.0.0.1:1883", username: x }`,
			"mqtt.username: it is for a broker outside"},
		{"a watcher outside", `{ listen: "127.0.0.1:1883" }`, `{ broker: "tcp://x:1", watcher: w }`,
			"mqtt.watcher: it is for the broker inside"},
		{"a watcher without machines' passwords", `"127.0.0.1:1883" }`, `"127.0.0.1:1883", watcher: w }`,
			"mqtt.watcher: a watcher's account"},
		{"half a certificate", `"127.0.0.1:1883" }`, `"127.0.0.1:1883", cert: c.pem }`, "cert and cert-key go together"},
		{"a password for one only", `  laser: { `, `  laser: { password-file: p, `, "1 of 2 machines have a password-file"},
		{"passwords at a broker outside", "  laser: { ", "  laser: { password-file: p, ", "1 of 2"},
		{"chunks for the network", "http: 127.0.0.1:8038", "http: 0.0.0.0:8038", "chunks hold members' names"},
		{"a bundle without a key", "bundle: { file: site.bundle, key:", "bundle: { file: site.bundle } #",
			"bundle.key: is missing"},
		{"two of one machine", "  vinyl:", "  laser:", `the key "laser" stands twice`},
		{"not YAML", "site: biklab", "site: [", "hub.yaml:"},
		{"a later form", "portillon: 1", "portillon: 2", `portillon: "2" does not do`},
	} {
		t.Run(c.name, func(t *testing.T) {
			text := strings.Replace(example(t), c.from, c.to, 1)
			if text == example(t) {
				t.Fatal("nothing was changed")
			}
			_, err := hub.ParseConfig("hub.yaml", []byte(text))
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v\ndoes not say %q", err, c.says)
			}
		})
	}
}

func TestErrorNamesTheFileThatTheHubCannotOpen(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	m := ledgertest.New(t, "biklab", "laser")
	for _, c := range []struct {
		name   string
		change func(*hub.Config)
		says   string
	}{
		{"no key", func(c *hub.Config) { c.Key += "x" }, "the hub's key"},
		{"a key that is none", func(c *hub.Config) { os.WriteFile(c.Key, []byte("words"), 0o600) },
			"contains no signing key"},
		{"data that is a file", func(c *hub.Config) { os.WriteFile(c.Data, nil, 0o600) }, "database"},
		{"a ledger that is none", func(c *hub.Config) {
			os.MkdirAll(c.Data, 0o700)
			os.WriteFile(c.Ledger(), []byte(strings.Repeat("x", 5000)), 0o600)
		}, "cannot read the file as a database"},
		{"a password file that is absent", func(c *hub.Config) { c.Machines[0].PasswordFile = "/nowhere/at/all" },
			"machines.laser.password-file"},
		{"a password file that is empty", func(c *hub.Config) {
			c.Machines[0].PasswordFile = filepath.Join(filepath.Dir(c.Key), "p")
			os.WriteFile(c.Machines[0].PasswordFile, []byte("\n"), 0o600)
		}, "first line is empty"},
		{"a certificate that is absent", func(c *hub.Config) { c.MQTT.Cert, c.MQTT.CertKey = "/nowhere/a", "/nowhere/b" },
			"mqtt: cert"},
		{"an address that cannot be had", func(c *hub.Config) { c.HTTP = "127.0.0.1:99999" }, "http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h, err := hub.New(configure(t, []*ledgertest.Machine{m}, c.change), hub.Options{})
			if err == nil {
				h.Close()
				t.Fatal("it opened")
			}
			if !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

func TestPublicHalfOfAKeyEqualsTheOneThatKeygenPrints(t *testing.T) {
	dir := t.TempDir()
	for range 20 {
		skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-hub")
		if err != nil {
			t.Fatal(err)
		}
		c := hub.Config{Key: filepath.Join(dir, "k")}
		write(t, c.Key, skey+"\n")
		got, err := c.Verifier()
		if err != nil {
			t.Fatal(err)
		}
		want, _ := note.NewVerifier(vkey)
		if got.Name() != want.Name() || got.KeyHash() != want.KeyHash() {
			t.Errorf("%s %x, want %s %x", got.Name(), got.KeyHash(), want.Name(), want.KeyHash())
		}
	}
	for _, bad := range []string{"", "words", "PRIVATE+KEY+", "PRIVATE+KEY+a+00000000+AQ==", "PRIVATE+KEY+a+b"} {
		c := hub.Config{Key: filepath.Join(dir, "k")}
		write(t, c.Key, bad)
		if _, err := c.Verifier(); err == nil {
			t.Errorf("%q has a public half", bad)
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("portillon: 1\nsite: a\nmachines: { laser: { key: x } }\nmqtt: { listen: \":1\" }\n"))
	f.Add([]byte("mqtt: []\nmachines: { ack: }\nbundle: 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := hub.ParseConfig("hub.yaml", data)
		if err == nil && (c.Site == "" || c.Data == "" || c.Key == "" || (c.MQTT.Listen == "") == (c.MQTT.Broker == "")) {
			t.Fatalf("%+v", c)
		}
	})
}
