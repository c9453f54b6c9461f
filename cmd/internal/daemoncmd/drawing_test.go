package daemoncmd

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// header maps the line numbers of the chip to the pins of a Raspberry Pi's 40-pin header (raspberrypi/documentation,
// gpio.adoc).
var header = map[int]int{
	2:  3,
	3:  5,
	4:  7,
	5:  29,
	6:  31,
	7:  26,
	8:  24,
	9:  21,
	10: 19,
	11: 23,
	12: 32,
	13: 33,
	14: 8,
	15: 10,
	16: 36,
	17: 11,
	18: 12,
	19: 35,
	20: 38,
	21: 40,
	22: 15,
	23: 16,
	24: 18,
	25: 22,
	26: 37,
	27: 13,
}

// supplies contains the supply and ground pins of the header.
var supplies = map[string][]int{"5 V": {2, 4}, "3.3 V": {1, 17}, "GND": {6, 9, 14, 20, 25, 30, 34, 39}}

func drawings(t *testing.T) (all string) {
	t.Helper()
	files, _ := filepath.Glob("../../../firmware-config/*.svg")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		all += string(b)
	}
	return all
}

// The drawings number the pins of the header, because a person who solders counts pins and not lines of a chip.
func TestDrawingsUseThePinNumbersOfTheHeader(t *testing.T) {
	drawn := regexp.MustCompile(`pin (\d+),? +(GPIO \d+|\+?5 V|3\.3 V|GND)`).FindAllStringSubmatch(drawings(t), -1)
	if len(drawn) < 20 {
		t.Fatalf("only %d pins are drawn", len(drawn))
	}
	for _, m := range drawn {
		want := ""
		line := 0
		if _, err := fmt.Sscanf(m[2], "GPIO %d", &line); err == nil {
			want = fmt.Sprint(header[line])
		} else {
			want = fmt.Sprint(supplies[strings.TrimPrefix(m[2], "+")])
		}
		if !regexp.MustCompile(`\b` + m[1] + `\b`).MatchString(want) {
			t.Errorf("%q: %s is on pin %s", m[0], m[2], want)
		}
	}
}

// The drawing of the example with every option shows each wire, and a supply for each relay board.
func TestDrawingOfTheFullWiringShowsEachWire(t *testing.T) {
	c, err := ReadConfig("../../../firmware-config/mfrc522-contactor.yaml")
	if err != nil {
		t.Fatal(err)
	}
	all := drawings(t)
	english, french := bothWiringPages(t)
	for _, w := range c.Wires() {
		if w.Use == "bus" {
			continue
		}
		if !regexp.MustCompile(fmt.Sprintf(`pin %d,? +GPIO %d\b`, header[w.Line], w.Line)).MatchString(all) {
			t.Errorf("%s: pin %d, GPIO %d, is in no drawing", w.Key, header[w.Line], w.Line)
		}
		for _, page := range []wiringPage{english, french} {
			if !regexp.MustCompile(fmt.Sprintf(`\b%d \((GPIO )?%d\)`, header[w.Line], w.Line)).MatchString(page.text) {
				t.Errorf("%s: pin %d, GPIO %d, is not in %s", w.Key, header[w.Line], w.Line, page.name)
			}
		}
	}
	boards := 0
	files, _ := filepath.Glob(wiringPages + "*.svg")
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		inputs, supplies := strings.Count(string(b), ">IN<"), strings.Count(string(b), ">VCC<")
		if boards += inputs; inputs != supplies {
			t.Errorf("%s: %d relay boards have an input, %d a supply", filepath.Base(f), inputs, supplies)
		}
	}
	if boards < 2 {
		t.Errorf("%d relay boards are drawn, want that of the machine and that of its extraction", boards)
	}
}

// Each machine.yaml that ships has an emergency-stop input. Without that input, the release of the button could start
// a machine whose session is still open.
func TestShippedMachinesHaveAnEmergencyStopInput(t *testing.T) {
	paths, _ := filepath.Glob("../../../firmware-config/*.yaml")
	for _, p := range paths {
		c, err := ReadConfig(p)
		if err != nil {
			t.Fatal(err)
		}
		if c.Relay.EStop == "" && !strings.HasPrefix(c.Relay.Pin, "sim:") {
			t.Errorf("%s has no e-stop", p)
		}
	}
}
