package circuit

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestEachDrawingIsValidAndHasAFrenchDescription(t *testing.T) {
	files, _ := filepath.Glob("../*.svg")
	if len(files) < 9 {
		t.Fatalf("only %d drawings", len(files))
	}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		d, err := Read(b)
		if err != nil {
			t.Errorf("%s: %v", f, err)
		}
		if len(d.Order) == 0 {
			t.Errorf("%s has no netlist", f)
		}
		if !strings.Contains(string(b), `<desc xml:lang="fr">`) {
			t.Errorf("%s has no description in French", f)
		}
	}
}

// Each circuit of a drawing must be covered by a test, so that a new circuit cannot stay untested.
func TestEachCircuitIsCoveredByATest(t *testing.T) {
	known := map[string]string{"charge-pump.svg": "pump", "inputs.svg": "ground-contact gold-contact busy opto",
		"laser-lid.svg": "enable mains", "mains.svg": "single three",
		"relay-active-low.svg": "transistor split", "relay-board.svg": "board", "signals.svg": "lamps buzzer tower",
		"suppressor.svg": "tvs diode", "wiring.svg": "start"}
	files, _ := filepath.Glob("../*.svg")
	for _, f := range files {
		name := filepath.Base(f)
		if got := strings.Join(readDrawing(t, name).Order, " "); got != known[name] {
			t.Errorf("%s has the circuits %q, but the tests cover %q", name, got, known[name])
		}
	}
}

const small = `<svg xmlns="http://www.w3.org/2000/svg"><title>t</title><metadata>
circuit x
R1 R a gnd 470Ω ±5%
V5 V a gnd 5V
</metadata><text x="1">R1 470 Ω</text><text>±5 %, +5 V</text></svg>`

func TestDrawingThatDiffersFromItsNetlistIsRejected(t *testing.T) {
	if _, err := Read([]byte(small)); err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ name, old, new, want string }{
		{"another value", "470 Ω", "4.7 kΩ", "does not show 470Ω"},
		{"its value beside another name", "R1 470 Ω</text>", "R1</text><text>R2 470 Ω</text>", "does not show 470Ω"},
		{"a longer number", "470 Ω", "1470 Ω", "does not show 470Ω"},
		{"another tolerance", "±5 %", "±10 %", "does not show ±5%"},
		{"another name", ">R1 ", ">R2 ", "does not show the name R1"},
		{"no title", "<title>t</title>", "", "no <title>"},
		{"a link", `<text x="1">`, `<text href="http://example.org">`, "has an href"},
		{"a link of another kind", `<text x="1">`, `<text xmlns:x="http://www.w3.org/1999/xlink" x:href="a.png">`,
			"has an href"},
		{"two parts of one name", "V5 V", "R1 R a gnd 470Ω ±5%\nV5 V", "has two parts with the name R1"},
		{"two circuits of one name", "V5 V", "circuit x\nV5 V", "is defined twice"},
		{"a part before a circuit", "circuit x\n", "", "before the first circuit"},
		{"an unknown kind", "R1 R a", "R1 Q a", "unknown kind of part Q"},
		{"too few nodes", "R1 R a gnd", "R1 R gnd", "want 2 nodes"},
		{"no unit", "gnd 470Ω", "gnd 470", "no known unit"},
		{"no number", "gnd 470Ω", "gnd xΩ", "want a positive number"},
		{"infinite", "gnd 470Ω", "gnd InfΩ", "want a positive number"},
		{"a tolerance of everything", "±5%\nV5", "±100%\nV5", "want ±1%"},
		{"not XML", "</svg>", "</sv>", "not XML"},
		{"too large", "</svg>", strings.Repeat(" ", maxDrawing) + "</svg>", "bytes, want at most"},
		{"too many parts", "V5 V", many() + "V5 V", "more than 200 parts"},
	} {
		if !strings.Contains(small, x.old) {
			t.Fatalf("%s: the drawing does not contain %q", x.name, x.old)
		}
		_, err := Read([]byte(strings.Replace(small, x.old, x.new, 1)))
		if err == nil || !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s: %v, want %q", x.name, err, x.want)
		}
	}
}

func many() string {
	var b strings.Builder
	for i := range maxParts + 1 {
		b.WriteString("X" + strings.Repeat("y", i) + " R a gnd 470Ω\n")
	}
	return b.String()
}

func TestUnknownPartTypesAreRejected(t *testing.T) {
	for _, line := range []string{"D1 D a gnd 1N9999", "U1 OPTO a gnd c gnd 4N25", "Q1 NPN a b gnd 2N2222",
		"Q1 NMOS a b gnd 2N7002", "D1 TVS a gnd P6KE33CA"} {
		if _, err := Build(parseNetlist(t, line), Corner{}); err == nil {
			t.Errorf("netlist line %q was accepted without a model", line)
		}
	}
	if _, err := NewPump(parseNetlist(t, "R1 R a gnd 1Ω"), Corner{}, false); err == nil {
		t.Error("NewPump accepted a circuit without Q1")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(small))
	if files, _ := filepath.Glob("../*.svg"); len(files) > 0 {
		for _, name := range files {
			if b, err := os.ReadFile(name); err == nil {
				f.Add(b)
			}
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		d, err := Read(b)
		if err != nil {
			return
		}
		for _, name := range d.Order {
			for _, p := range d.Circuits[name] {
				if len(p.Nodes) != kinds[p.Kind].nodes || p.Tolerance < 0 || p.Tolerance >= 1 || p.Value < 0 {
					t.Errorf("accepted %+v", p)
				}
			}
			Build(d.Circuits[name], Corner{})
		}
	})
}
