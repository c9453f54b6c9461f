package sheet

import (
	"fmt"
	"html"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"portillon/cmd/internal/daemoncmd"
	"portillon/policy"
	"portillon/rfid"
)

func shipped(t *testing.T) map[string]daemoncmd.Config {
	t.Helper()
	paths, _ := filepath.Glob("../../../firmware-config/*.yaml")
	out := map[string]daemoncmd.Config{}
	for _, p := range paths {
		c, err := daemoncmd.ReadConfig(p)
		if err != nil {
			t.Fatal(err)
		}
		if !c.Simulated() {
			out[filepath.Base(p)] = c
		}
	}
	if len(out) < 5 {
		t.Fatalf("only %d machines ship", len(out))
	}
	return out
}

// fullest returns a machine with every possible wire, and with the longest texts about the relay.
func fullest() daemoncmd.Config {
	pin := func(n int) string { return fmt.Sprintf("gpio:pinctrl-/%d", n) }
	return daemoncmd.Config{Site: strings.Repeat("s", 20), Machine: strings.Repeat("m", 20),
		Reader: daemoncmd.ReaderConfig{Kind: "wiegand",
			Values: rfid.Values{"d0": pin(6), "d1": pin(7), "led": pin(20), "beeper": pin(21)}},
		Relay: daemoncmd.RelayConfig{Pin: pin(17), EStop: pin(22), Door: pin(5), Feedback: pin(23), Busy: pin(24),
			Exhaust: pin(27), ActiveLow: true,
			PullUp: true, Supply: "3.3V"},
		Lights: daemoncmd.LightsConfig{Red: pin(12), Amber: pin(13), Green: pin(19), Buzzer: pin(16)}}
}

// text returns the visible text of the page, with ordinary spaces and hyphens in place of the no-break characters.
func text(page []byte) string {
	s := html.UnescapeString(regexp.MustCompile(`(?s)<style>.*?</style>|<[^>]*>`).ReplaceAllString(string(page), " "))
	return strings.Join(strings.Fields(strings.NewReplacer("\u00a0", " ", "\u2011", "-").Replace(s)), " ")
}

// The golden file is the sheet of the full wiring that was last printed and checked by a person.
//
//	UPDATE=1 go test ./cmd/internal/sheet -run Golden
//
// After a change of the golden file, print both pages (the package comment says how) and check them.
func TestSheetOfTheFullWiringEqualsTheGoldenFile(t *testing.T) {
	c := shipped(t)["mfrc522-contactor.yaml"]
	for l, name := range map[policy.Language]string{policy.French: "fr", policy.English: "en"} {
		got, err := HTML(c, "/etc/portillon/mfrc522-contactor.yaml", l)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", "mfrc522-contactor."+name+".html")
		if os.Getenv("UPDATE") != "" {
			os.WriteFile(file, got, 0o644)
		}
		if want, err := os.ReadFile(file); err != nil || string(want) != string(got) {
			t.Errorf("%s: %v\n%s", file, err, got)
		}
	}
}

func TestEveryWireOfEveryShippedMachineIsOnItsSheet(t *testing.T) {
	for name, c := range shipped(t) {
		for _, l := range []policy.Language{policy.French, policy.English} {
			everyWireIsOn(t, name, c, For(c, name, l))
		}
	}
	everyWireIsOn(t, "fullest", fullest(), For(fullest(), "full.yaml", policy.French))
}

func everyWireIsOn(t *testing.T, name string, c daemoncmd.Config, s Sheet) {
	t.Helper()
	seen := 0
	for _, r := range s.Rows {
		lines, pins := strings.Split(r.GPIO, ", "), strings.Split(r.Pin, ", ")
		seen += len(lines)
		for i, line := range lines {
			n, err := strconv.Atoi(line)
			if err != nil || len(pins) != len(lines) {
				t.Fatalf("%s: %+v", name, r)
			}
			if pin, ok := daemoncmd.HeaderPin(n); !ok || strconv.Itoa(pin) != pins[i] {
				t.Errorf("%s: GPIO %d is on pin %s, want %d", name, n, pins[i], pin)
			}
			if !slices.ContainsFunc(c.Wires(), func(w daemoncmd.Wire) bool { return w.Line == n }) {
				t.Errorf("%s: GPIO %d is on the sheet and not in the file", name, n)
			}
		}
		if strings.Contains(r.What, ".") || r.What == "" || r.Contact == "" || r.Wire == "" {
			t.Errorf("%s: the row %+v does not say what goes there", name, r)
		}
	}
	if want := len(c.Wires()); seen != want || want == 0 {
		t.Errorf("%s: %d wires on the sheet, want %d", name, seen, want)
	}
}

// Each terminal shows how the contact at that terminal must be wired.
func TestSheetShowsForEachTerminalHowTheContactMustBeWired(t *testing.T) {
	s := For(fullest(), "full.yaml", policy.English)
	for gpio, want := range map[string]string{
		"17": "Portillon's relay K1|NO, dry|+ 24 V PELV, coil K2",
		"27": "relay of the extraction|NO, dry|+ 24 V PELV, coil A1",
		"22": "second contact of the emergency stop|NC, direct opening, to ground|2 wires: pin, ground",
		"5":  "second contact of the door or lid|NC, to ground|2 wires: pin, ground",
		"23": "K2's contact + mirror contact in series|NC (EN IEC 60947-4-1, annex F)|2 wires: pin, ground",
		"24": "current relay: the machine works|NO, dry|pin, 3.3 V through 1 kΩ",
		"6":  "Wiegand D0, through a level shifter|none|5 V at the reader",
		"7":  "Wiegand D1, through a level shifter|none|5 V at the reader",
		"20": "the reader's LED, through an NPN transistor|none|5 V at the reader",
		"21": "the reader's beeper, through an NPN transistor|none|5 V at the reader",
		"12": "red lamp|none|3.3 V signal",
		"13": "amber lamp|none|3.3 V signal",
		"19": "green lamp|none|3.3 V signal",
		"16": "buzzer, through a transistor|none|3.3 V signal",
	} {
		i := slices.IndexFunc(s.Rows, func(r Row) bool { return r.GPIO == gpio })
		if i < 0 {
			t.Errorf("GPIO %s is not on the sheet", gpio)
		} else if r := s.Rows[i]; r.What+"|"+r.Contact+"|"+r.Wire != want {
			t.Errorf("GPIO %s: %s|%s|%s, want %s", gpio, r.What, r.Contact, r.Wire, want)
		}
	}
}

func TestSheetShowsHowTheRelayIsDriven(t *testing.T) {
	plain := func(*daemoncmd.RelayConfig) {}
	pump := func(r *daemoncmd.RelayConfig) { r.Heartbeat = true }
	low := func(r *daemoncmd.RelayConfig) { r.ActiveLow = true }
	extraction := func(r *daemoncmd.RelayConfig) { r.Exhaust = "gpio:pinctrl-/27" }
	for _, x := range []struct {
		change func(*daemoncmd.RelayConfig)
		want   string
	}{
		{plain, "Active-high board on 5 V, 10 kΩ from the pin to ground"},
		{plain, "Its contact switches the 24 V of K2's coil only, never mains."},
		{plain, "see the emergency stop: releasing it may restart the machine while the session lives"},
		{plain, "replace the emergency stop, the guards or their interlocks: Portillon is not a safety function"},
		{pump, "Charge pump: the pin gives 200 Hz"},
		{pump, "Portillon's relay K1, by a charge pump"},
		{low, "Active-low board: VCC (optocouplers) on 3.3 V, JD-VCC jumper out, JD-VCC on 5 V"},
		{extraction, "The extraction has a contactor of its own"},
	} {
		c := daemoncmd.Config{Machine: "laser", Relay: daemoncmd.RelayConfig{Pin: "gpio:pinctrl-/17"}}
		x.change(&c.Relay)
		page, err := HTML(c, "laser.yaml", policy.English)
		if err != nil || !strings.Contains(text(page), x.want) {
			t.Errorf("no %q in %v\n%s", x.want, err, text(page))
		}
	}
}

// The sheet must contain these requests to the electrician in French and in English. A mark follows each clause number
// that nobody could check in the standard.
func TestSheetHasAllRequestsToTheElectrician(t *testing.T) {
	for l, wants := range map[policy.Language][]string{
		policy.English: {"L and N, or all three phases", "PE to all metal", "MCB", "30 mA RCD",
			"Lockable main disconnector", "EN 60204-1 §5.3 (check)",
			"AC-3 for a motor, AC-1 for heating", "inrush", "No-volt release", "EN ISO 14118", "§7.5 (check)",
			"start and self-hold circuit",
			"EN ISO 13850", "stop category 0 or 1", "EN 60947-5-1 annex K (check)", "hard-wired reset",
			"Validated by: ____", "24 V PELV",
			"0 V bonded to PE at one point", "fuse in +", "§6.4, §9.4.3 (check)", "fed upstream", "reinforced insulation",
			"bidirectional TVS or varistor",
			"not a plain diode", "2006/42/EC until 19 January 2027, then Regulation (EU) 2023/1230", "NF C 15-100",
			"NF C 18-510",
			"PE continuity (Ω)", "RCD trip time at 30 mA (ms)", "Insulation, 500 V DC, electronics disconnected (MΩ)",
			"Electrician's name", "Date", "Signature"},
		policy.French: {"L et N, ou les trois phases", "PE sur chaque masse", "Disjoncteur", "différentiel 30 mA",
			"sectionneur principal cadenassable",
			"EN 60204-1 §5.3 (à vérifier)", "AC-3 pour un moteur, AC-1 pour du chauffage", "courant d’appel",
			"Déclenchement à manque de tension",
			"EN ISO 14118", "§7.5 (à vérifier)", "circuit de marche et d’automaintien", "EN ISO 13850",
			"catégorie d’arrêt 0 ou 1", "annexe K (à vérifier)",
			"réarmement câblé", "Validé par : ____", "24 V TBTP", "en un seul point", "fusible 1 A sur le +",
			"§6.4 et §9.4.3 (à vérifier)",
			"en amont de ce contacteur", "isolation renforcée", "TVS bidirectionnelle ou varistance", "pas une simple diode",
			"2006/42/CE jusqu’au 19 janvier 2027, puis règlement (UE) 2023/1230", "NF C 15-100",
			"habilitées selon NF C 18-510", "Continuité PE (Ω)",
			"Déclenchement du différentiel à 30 mA (ms)", "Isolement, 500 V DC, électronique débranchée (MΩ)",
			"Nom de l’électricien",
			"Date", "Signature"},
	} {
		page, err := HTML(fullest(), "full.yaml", l)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range wants {
			if !strings.Contains(text(page), want) {
				t.Errorf("%v: no %q", l, want)
			}
		}
	}
}

// « Consignation » means the electrician's lock-out. The sheet never uses the word « consignation » for something that
// Portillon does.
func TestSheetNeverSaysThatPortillonLocksOutTheMachine(t *testing.T) {
	page, err := HTML(fullest(), "full.yaml", policy.French, policy.English)
	if err != nil {
		t.Fatal(err)
	}
	said := text(page)
	if strings.Count(strings.ToLower(said), "consign") != 1 || !strings.Contains(said,
		"la consignation est celle de l’électricien") {
		t.Error("consignation is said of something else")
	}
}

// The fullest sheet in French has 5,532 characters. When that sheet is printed in DejaVu Sans, which is wider than the
// default fonts of browsers, 5 mm of the page remain free. A longer sheet must be printed and checked again (the
// package comment says how).
func TestFullestSheetIsShortEnoughForOnePage(t *testing.T) {
	bare := fullest()
	bare.Relay = daemoncmd.RelayConfig{Pin: bare.Relay.Pin}
	for _, c := range []daemoncmd.Config{fullest(), bare} {
		for _, l := range []policy.Language{policy.French, policy.English} {
			page, err := HTML(c, strings.Repeat("f", 300)+".yaml", l)
			if err != nil {
				t.Fatal(err)
			}
			if n := len([]rune(text(page))); n > 5550 {
				t.Errorf("%v: %d characters", l, n)
			}
		}
	}
}

// A machine.yaml may come from an attacker, so no text from the file may become markup, and the page must load no file
// and run no script.
func TestSheetRunsNoScriptAndLoadsNothing(t *testing.T) {
	evil := `"><script>alert(1)</script><img src=x onerror=y>&lt;`
	c := daemoncmd.Config{Site: evil, Machine: evil + "m",
		Reader: daemoncmd.ReaderConfig{Kind: evil, Values: rfid.Values{"port": "/dev/ttyAMA0"}},
		Relay:  daemoncmd.RelayConfig{Pin: "gpio:pinctrl-/17"}}
	page, err := HTML(c, "/tmp/"+evil+".yaml", policy.French, policy.English)
	if err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", "<link", "<iframe", "@import", "url(", "http:", "https:"} {
		if strings.Contains(strings.ToLower(string(page)), bad) {
			t.Errorf("the page holds %q", bad)
		}
	}
	if !strings.Contains(string(page), html.EscapeString("<script>alert(1)</script>")) {
		t.Error("the name is not shown as it is")
	}
	if n := strings.Count(string(page), "<section"); n != 2 || strings.Count(string(page), "</section>") != 2 {
		t.Errorf("%d pages", n)
	}
	if !strings.Contains(string(page), `content="default-src 'none'; style-src 'unsafe-inline'"`) {
		t.Error("no content security policy")
	}
}

func TestLongFileNameIsShortened(t *testing.T) {
	s := For(daemoncmd.Config{}, "/etc/"+strings.Repeat("é", 300)+".yaml", policy.English)
	if s.File != strings.Repeat("é", maxFile)+"…" {
		t.Error(s.File)
	}
}

func TestFlagLangSelectsTheLanguagesOfASheet(t *testing.T) {
	for s, want := range map[string]string{"fr": "[fr]", "en": "[en]", "both": "[fr en]", "": "[]", "de": "[]",
		"FR": "[]"} {
		got, ok := Languages(s)
		if fmt.Sprint(got) != want || ok != (want != "[]") {
			t.Errorf("%q: %v %v, want %s", s, got, ok, want)
		}
	}
}

func TestNumbersAndTheirUnitsStayOnOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"24 V TBTP": "24\u00a0V TBTP", "3,3 V": "3,3\u00a0V", "4,7 kΩ": "4,7\u00a0kΩ", "30 mA": "30\u00a0mA",
		"5 VCC":           "5 VCC",
		"voir : ici ; là": "voir\u00a0: ici\u00a0; là", "NF C 18-510": "NF\u00a0C\u00a018\u2011510",
		"EN ISO 13850": "EN\u00a0ISO\u00a013850",
	} {
		if got := withNoBreakSpaces(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// With hostile names in the machine.yaml, the page must stay complete and show the names as text.
func FuzzSheet(f *testing.F) {
	f.Add("laser", "biklab", "laser.yaml", 17)
	f.Add("<script>", "{{.}}", "</style>", 99)
	f.Fuzz(func(t *testing.T, machine, site, file string, line int) {
		c := daemoncmd.Config{Machine: machine, Site: site, Relay: daemoncmd.RelayConfig{Pin: fmt.Sprintf("gpio:x/%d", line)}}
		page, err := HTML(c, file, policy.French)
		if err != nil {
			t.Fatal(err)
		}
		if s := string(page); strings.Count(s, "<") != strings.Count(s, ">") || strings.Contains(s, "<script") ||
			!strings.HasSuffix(s, "</html>\n") {
			t.Errorf("%q %q %q", machine, site, file)
		}
	})
}
