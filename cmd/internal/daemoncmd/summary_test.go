package daemoncmd

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"

	"portillon/policy"
	"portillon/rfid"
)

func TestHeaderPinsEqualThePinsInTheDrawings(t *testing.T) {
	for line := -2; line < 60; line++ {
		pin, ok := HeaderPin(line)
		if pin != header[line] || ok != (header[line] > 0) {
			t.Errorf("GPIO %d: pin %d %v, want %d", line, pin, ok, header[line])
		}
	}
}

// wiredConfig returns a configuration in which every input and output of the relay is wired.
func wiredConfig() Config {
	return Config{Machine: "laser", Reader: ReaderConfig{Kind: "mfrc522", Values: rfid.Values{"mode": "slot"}},
		Relay: RelayConfig{Pin: "gpio:pinctrl-/17", EStop: "gpio:pinctrl-/22", Door: "gpio:pinctrl-/5",
			Feedback: "gpio:pinctrl-/23",
			Busy:     "gpio:pinctrl-/24", Exhaust: "gpio:pinctrl-/27", Heartbeat: true},
		Lights: LightsConfig{Red: "gpio:pinctrl-/12"}, MQTT: MQTTConfig{Broker: "tcp://hub.lan:1883"}}
}

func TestSummaryReportsMissingInputs(t *testing.T) {
	for _, x := range []struct {
		name         string
		change       func(*Config)
		does         bool
		fr, en       string // sentences that the summary must contain
		frNot, enNot string // sentences that the summary must not contain
	}{
		{"no e-stop", func(c *Config) { c.Relay.EStop = "" }, false, "relâcher peut redémarrer",
			"releasing it may restart the machine",
			"enfoncé (", "is pressed ("},
		{"no feedback", func(c *Config) { c.Relay.Feedback = "" }, false, "contact soudé laisse",
			"a welded contact leaves", "ne suit pas (", "not follow ("},
		{"no busy", func(c *Config) { c.Relay.Busy = "" }, false, "coupe un travail en cours", "cuts a running job",
			"peut se terminer", "a job may"},
		{"no door", func(c *Config) { c.Relay.Door = "" }, false, "voir une porte", "see a door", "porte s’ouvre",
			"door opens"},
		{"a door", func(*Config) {}, false, "il en faut un autre, câblé (EN ISO 14119)",
			"a hard-wired one is needed too (EN ISO 14119)",
			"voir une porte", "see a door"},
		{"no extraction", func(c *Config) { c.Relay.Exhaust = "" }, false, "commander une aspiration",
			"switch an extraction", "l’aspiration (", "extraction ("},
		{"a level", func(c *Config) { c.Relay.Heartbeat = false }, false, "le chien de garde n’agisse (15 s)",
			"the watchdog acts (15 s)", "pompe", "pump"},
		{"an active-high board", func(c *Config) { c.Relay.Heartbeat = false }, true, "active à l’état haut",
			"an active-high board", "pompe", "pump"},
		{"an active-low board", func(c *Config) { c.Relay.Heartbeat, c.Relay.ActiveLow = false, true }, true,
			"alimentés en 3,3 V",
			"3.3 V on its optocouplers", "état haut", "active-high"},
		{"a charge pump", func(*Config) {}, true, "pompe de charge", "charge pump", "chien de garde", "watchdog"},
		{"where the relay is", func(*Config) {}, true, "(broche 11, GPIO 17)", "(pin 11, GPIO 17)", "simulée", "simulated"},
		{"a simulated relay", func(c *Config) { c.Relay.Pin = "sim:/x" }, false, "broche du relais est simulée",
			"relay's pin is simulated",
			"broche 11", "pin 11"},
		{"a simulated level", func(c *Config) { c.Relay.Pin, c.Relay.Heartbeat = "sim:/x", false }, false, "simulée",
			"simulated",
			"chien de garde", "watchdog"},
		{"no reader", func(c *Config) { c.Reader = ReaderConfig{Kind: "none"} }, false, "aucun lecteur",
			"no reader is named", "copiée", "copied"},
		{"a slot", func(*Config) {}, true, "dans la fente du lecteur (mfrc522)", "in the reader's slot (mfrc522)",
			"est présentée", "is presented to"},
		{"taps", func(c *Config) { c.Reader.Values = nil }, true, "présentée au lecteur (mfrc522)",
			"presented to the reader (mfrc522)", "fente", "slot"},
		{"numbers", func(*Config) {}, false, "un numéro se copie", "a number can be copied", "aucun lecteur", "no reader"},
		{"strong cards", func(c *Config) { c.Reader.Values["aes-key"] = "k" }, true, "fente", "slot", "se copie", "copied"},
		{"no lamps", func(c *Config) { c.Lights = LightsConfig{} }, true, "pompe", "pump", "voyants", "lamps"},
		{"the reader's LED", func(c *Config) { c.Lights, c.Reader.Values["led"] = LightsConfig{}, "gpio:pinctrl-/20" }, true,
			"voyants", "lamps", "simulée", "simulated"},
		{"no broker", func(c *Config) { c.MQTT.Broker = "" }, false, "aucun courtier", "no broker", "envoie", "sends"},
		{"always: safety", func(*Config) {}, false, "n’est pas une fonction de sécurité", "not a safety function",
			"simulée", "simulated"},
		{"always: isolation", func(*Config) {}, false, "Verrouiller l’interrupteur principal", "Lock the main switch",
			"simulée", "simulated"},
		{"always: start", func(*Config) {}, false, "démarreur à manque de tension", "no-volt release", "simulée",
			"simulated"},
	} {
		c := wiredConfig()
		x.change(&c)
		for l, want := range map[policy.Language]string{policy.French: x.fr, policy.English: x.en} {
			found := false
			for _, p := range c.Summary() {
				found = found || p.Does == x.does && strings.Contains(p.Text.In(l), want)
				if not := map[policy.Language]string{policy.French: x.frNot,
					policy.English: x.enNot}[l]; strings.Contains(p.Text.In(l), not) {
					t.Errorf("%s: %q is said: %s", x.name, not, p.Text.In(l))
				}
			}
			if !found {
				t.Errorf("%s: %q is not said in %v", x.name, want, l)
			}
		}
	}
}

func TestSummaryHasEverySentenceInFrenchAndEnglish(t *testing.T) {
	paths, _ := filepath.Glob("../../../firmware-config/*.yaml")
	if len(paths) < 5 {
		t.Fatal(paths)
	}
	for _, path := range paths {
		c, err := ReadConfig(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range c.Summary() {
			for _, s := range []string{p.Text.FR, p.Text.EN} {
				if s == "" || strings.Contains(s, "%!") || strings.Contains(strings.ToLower(s), "consignation") {
					t.Errorf("%s: %q", path, s)
				}
			}
			if p.Text.FR == p.Text.EN {
				t.Errorf("%s: one sentence for both languages: %q", path, p.Text.EN)
			}
		}
		var fr, en bytes.Buffer
		writeSummary(&fr, c, policy.French)
		writeSummary(&en, c, policy.English)
		if n, want := strings.Count(fr.String(), "\n"), len(c.Summary())+2; n != want || strings.Count(en.String(),
			"\n") != want ||
			!strings.Contains(fr.String(), "Ce que Portillon ne fait pas ici :\n  - ") || !strings.Contains(en.String(),
			"What Portillon does not do here:\n  - ") {
			t.Errorf("%s: %d lines, want %d\n%s%s", path, n, want, fr.String(), en.String())
		}
	}
}

func TestMissingEmergencyStopInputCausesAWarningUnlessPinsAreSimulated(t *testing.T) {
	for _, x := range []struct {
		relay RelayConfig
		warns bool
	}{
		{RelayConfig{Pin: "gpio:pinctrl-/17"}, true},
		{RelayConfig{Pin: "gpio:pinctrl-/17", EStop: "gpio:pinctrl-/22"}, false},
		{RelayConfig{Pin: "sim:/x"}, false},
	} {
		b := newBench(t)
		b.c.Relay = x.relay
		found := b.c.Check(b.on)
		got := strings.Contains(strings.Join(found.Warnings, "\n"),
			"relay.e-stop: is missing: releasing the emergency stop may restart")
		if got != x.warns || found.Err() != nil {
			t.Errorf("%+v: %q %v", x.relay, found.Warnings, found.Err())
		}
	}
}

func TestLanguageOfCheckComesFromTheFlagElseTheEnvironmentElseEnglish(t *testing.T) {
	for _, x := range []struct {
		flag string
		env  map[string]string
		want policy.Language
		ok   bool
	}{
		{"", nil, policy.English, true},
		{"", map[string]string{"LANG": "fr_FR.UTF-8"}, policy.French, true},
		{"", map[string]string{"LANG": "fr"}, policy.French, true},
		{"", map[string]string{"LANG": "fr.UTF-8"}, policy.French, true},
		{"", map[string]string{"LANG": "fra"}, policy.English, true},
		{"", map[string]string{"LANG": "de_DE.UTF-8"}, policy.English, true},
		{"", map[string]string{"LANG": "C"}, policy.English, true},
		{"", map[string]string{"LANG": "fr_FR", "LC_ALL": "C"}, policy.English, true},
		{"", map[string]string{"LANG": "en_GB", "LC_MESSAGES": "fr_CH"}, policy.French, true},
		{"en", map[string]string{"LANG": "fr_FR"}, policy.English, true},
		{"fr", map[string]string{"LANG": "en_GB"}, policy.French, true},
		{"de", nil, policy.English, false},
		{"both", nil, policy.English, false},
	} {
		got, err := languageOf(x.flag, func(name string) string { return x.env[name] })
		if got != x.want || (err == nil) != x.ok {
			t.Errorf("%q %v: %v %v", x.flag, x.env, got, err)
		}
	}
}
