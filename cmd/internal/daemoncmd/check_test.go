package daemoncmd

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	pins "portillon/daemon/relay/gpio"
	"portillon/site"
	"portillon/wire"
)

// bench is a machine with a machine.yaml, keys and a bundle, and the computer on which the machine.yaml is checked.
type bench struct {
	dir string
	c   Config
	on  Computer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir()}
	private, public, err := note.GenerateKey(rand.Reader, "portillon-biklab")
	if err != nil {
		t.Fatal(err)
	}
	signs, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	secret, _, err := note.GenerateKey(rand.Reader, "laser.biklab")
	if err != nil {
		t.Fatal(err)
	}
	card := []byte(strings.Repeat("k", 16))
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	built, err := s.Build(site.Order{Version: 1, Issued: time.Now(), Expires: time.Now().AddDate(0, 1, 0), Signer: signs,
		CardKey: card})
	if err != nil {
		t.Fatal(err)
	}
	var file bytes.Buffer
	if err := wire.WriteBundle(&file, built.Signed, built.Manifest, built.Chunk); err != nil {
		t.Fatal(err)
	}
	b.put(t, "site.bundle", file.String())
	b.put(t, "credstore/portillon.card-key", hex.EncodeToString(card))
	b.put(t, "credstore/portillon.laser.machine-key", secret)
	b.put(t, "credstore/portillon.laser.mqtt-password", "secret")
	os.Mkdir(filepath.Join(b.dir, "data"), 0o700)
	b.c = b.read(t, public)
	b.on = Computer{Now: time.Now(), Credstore: filepath.Join(b.dir, "credstore"),
		Line: func(string, int) error { return nil }, Root: configuredPi(t, "4-bookworm")}
	return b
}

func (b *bench) put(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join(b.dir, name)
	os.MkdirAll(filepath.Dir(path), 0o700)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) read(t *testing.T, key string) Config {
	t.Helper()
	b.put(t, "laser.yaml", fmt.Sprintf(`portillon: 1
site: biklab
machine: laser
data: data
control: /run/portillon/laser.sock
card-key: credential:card-key
machine-key: credential:machine-key
bundle: { key: %q, file: site.bundle }
reader: { kind: none }
relay: { pin: "gpio:pinctrl-/17", e-stop: "gpio:pinctrl-/22" }
mqtt: { broker: "tcp://hub.lan:1883", username: laser, password-file: credential:mqtt-password, hub-key: %q }
`, key, key))
	c, err := ReadConfig(filepath.Join(b.dir, "laser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestManualCheckReadsTheKeysThatSystemdPassesToTheUnit(t *testing.T) {
	b := newBench(t)
	if found := b.c.Check(b.on); found.Err() != nil || len(found.Notes()) > 0 {
		t.Errorf("%v %q", found.Err(), found.Notes())
	}
	os.Remove(filepath.Join(b.dir, "credstore/portillon.laser.machine-key"))
	if err := b.c.Check(b.on).Err(); err == nil ||
		!strings.Contains(
			err.Error(),
			"machine-key: credential:machine-key is missing, put the file into /etc/credstore/portillon.laser.machine-key",
		) {
		t.Error(err)
	}
}

// If the user may not read the keys, Check still performs all other checks, and a note names the unreadable keys.
func TestManualCheckContinuesWithoutUnreadableKeys(t *testing.T) {
	b := newBench(t)
	b.on.Credstore = filepath.Join(b.dir, "elsewhere")
	found := b.c.Check(b.on)
	if found.Err() != nil || len(found.Unseen) != 3 ||
		!strings.Contains(found.Unseen[0], "/etc/credstore/portillon.card-key: only root can read the file") {
		t.Errorf("%v %q", found.Err(), found.Unseen)
	}
	b.c.Machine = "lathe"
	if err := b.c.Check(b.on).Err(); err == nil || !strings.Contains(err.Error(), `does not contain machine "lathe"`) {
		t.Error("the bundle was not looked at", err)
	}
}

func TestCheckReportsEachFaultThatPreventsTheDaemonsStart(t *testing.T) {
	for name, x := range map[string]struct {
		harm func(*testing.T, *bench)
		want string
	}{
		"another chip": {func(_ *testing.T, b *bench) {
			b.on.Line = func(label string, line int) error {
				return fmt.Errorf("no GPIO chip %q… with a line %d", label, line)
			}
		}, `relay.pin: no GPIO chip "pinctrl-"… with a line 17` + "\n" + "relay.e-stop: no"},
		"a long path": {func(_ *testing.T, b *bench) { b.c.Control = "/run/" + strings.Repeat("x", 103) },
			"control: path /run/xxx"},
		"data is a file": {func(t *testing.T, b *bench) { b.put(t, "file", ""); b.c.Data = filepath.Join(b.dir, "file") },
			"is a file, want a folder such as /var/lib/portillon/laser"},
		"data under a file": {func(t *testing.T, b *bench) {
			b.put(t, "file", "")
			b.c.Data = filepath.Join(b.dir, "file",
				"data")
		}, "data: "},
		"no bundle": {func(_ *testing.T, b *bench) { b.c.Bundle.File = filepath.Join(b.dir, "none") },
			"bundle: file: "},
		"two keys at once": {func(_ *testing.T, b *bench) { b.c.CardKey, b.c.MachineKey = "/none/card", "/none/machine" },
			"card-key: open /none/card: no such file or directory\nmachine-key: open /none/machine"},
	} {
		b := newBench(t)
		x.harm(t, b)
		if err := b.c.Check(b.on).Err(); err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", name, err, x.want)
		}
	}
}

func TestCheckNamesTheFieldThatTheDaemonWouldReject(t *testing.T) {
	tail := "reader: { kind: none }\nrelay: { pin: \"sim:p\", busy: \"sim:b\", ignore: 20s }\n"
	for more, want := range map[string]string{
		tail + "mqtt: { broker: hub.lan, hub-key: k }":                 `mqtt.broker: "hub.lan" is no address of a broker`,
		tail + "mqtt: { broker: \"hub.lan:1883\", hub-key: k }":        "mqtt.broker: ",
		tail + "mqtt: { broker: \"http://hub.lan:1883\", hub-key: k }": "mqtt.broker: ",
		tail + "mqtt: { broker: \"tcp://hub.lan\", hub-key: k }":       "mqtt.broker: ",
		tail + "panel: { listen: 8037 }":                               `panel.listen: "8037" is no address to listen on (`,
		tail + "panel: { listen: \"127.0.0.1:http\" }":                 "panel.listen: ",
		tail + "panel: { listen: \"127.0.0.1:80370\" }":                "panel.listen: ",
		strings.Replace(tail, "20s", "20h", 1):                         "relay.ignore: 20h is too long",
		tail + "mqtt: { broker: \"ssl://hub.lan:8883\", hub-key: k }":  "",
		tail + "panel: { listen: \":8037\" }":                          "",
		tail + "panel: { listen: \"[::1]:0\" }":                        "",
	} {
		_, err := config(t, more+"\n")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s\n%v\nwant %q", more, err, want)
		}
	}
}

// A machine works without its broker, so a missing password causes a warning and not a fault.
func TestMissingBrokerPasswordCausesAWarning(t *testing.T) {
	b := newBench(t)
	for file, want := range map[string]string{filepath.Join(b.dir, "none"): "mqtt: password-file: open ",
		"credential:mqtt-password": "/etc/credstore/portillon.laser.mqtt-password"} {
		os.Remove(filepath.Join(b.dir, "credstore/portillon.laser.mqtt-password"))
		b.c.MQTT.PasswordFile = file
		found := b.c.Check(b.on)
		if got := strings.Join(found.Warnings, "\n"); found.Err() != nil || !strings.Contains(got, want) ||
			!strings.Contains(got, "cards work, and nothing is reported") {
			t.Errorf("%s: %v %q", file, found.Err(), got)
		}
	}
}

// A machine.yaml may also be checked on a computer without a clock chip.
func TestMissingRealTimeClockCausesANote(t *testing.T) {
	b := newBench(t)
	b.on.Line = func(string, int) error { return pins.ErrNoChip }
	if found := b.c.Check(b.on); found.Err() != nil || len(found.Unseen) != 1 ||
		!strings.Contains(found.Unseen[0], "no GPIO chip") {
		t.Errorf("%v %q", found.Err(), found.Unseen)
	}
}

func TestWorldReadableKeyCausesAWarning(t *testing.T) {
	b := newBench(t)
	b.put(t, "card.key", strings.Repeat("6b", 16))
	b.c.CardKey = filepath.Join(b.dir, "card.key")
	for mode, warned := range map[os.FileMode]bool{0o644: true, 0o640: false, 0o600: false} {
		os.Chmod(b.c.CardKey, mode)
		found := b.c.Check(b.on)
		if got := strings.Contains(strings.Join(found.Warnings,
			"\n"), fmt.Sprintf("card-key: everybody on this computer may read %s (mode 0644)", b.c.CardKey)); got != warned ||
			found.Err() != nil {
			t.Errorf("%v: %q %v", mode, found.Warnings, found.Err())
		}
	}
}

// The check must not create files, because the unit's first start would find them.
func TestCheckChangesNoFile(t *testing.T) {
	b := newBench(t)
	b.c.Data = filepath.Join(b.dir, "data", "laser")
	if err := b.c.Check(b.on).Err(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(b.dir, "data")); len(left) > 0 {
		t.Errorf("it left %v", left)
	}
}

// Two machines on one Pi cannot use the same panel address. The error suggests a free address.
func TestErrorForAPanelAddressInUseSuggestsAFreeAddress(t *testing.T) {
	first, err := (PanelConfig{Listen: "127.0.0.1:0"}).listen()
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = PanelConfig{Listen: first.Addr().String()}.listen()
	if err == nil || !strings.Contains(err.Error(), "panel: { listen: 127.0.0.1:8039 }") {
		t.Error(err)
	}
}
