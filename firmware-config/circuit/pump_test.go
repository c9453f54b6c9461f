package circuit

import (
	"math"
	"os"
	"strings"
	"testing"
)

// textOf returns the text of a drawing's file.
func textOf(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile("../" + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// readDrawing reads a drawing of the wiring page.
func readDrawing(t *testing.T, name string) Drawing {
	t.Helper()
	d, err := Read([]byte(textOf(t, name)))
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return d
}

// circuitParts returns one circuit of a drawing.
func circuitParts(t *testing.T, drawing, circuit string) []Part {
	t.Helper()
	p := readDrawing(t, drawing).Circuits[circuit]
	if len(p) == 0 {
		t.Fatalf("%s has no circuit %s", drawing, circuit)
	}
	return p
}

// parseNetlist parses lines of a netlist, in the format of a drawing.
func parseNetlist(t *testing.T, lines string) []Part {
	t.Helper()
	d := Drawing{Circuits: map[string][]Part{}}
	if err := d.parse("circuit x\n" + lines); err != nil {
		t.Fatal(err)
	}
	return d.Circuits["x"]
}

func TestChargePumpHoldsOnlyWithTheHeartbeat(t *testing.T) {
	t.Parallel()
	pump := circuitParts(t, "charge-pump.svg", "pump")
	all := PumpFigures{Least: math.Inf(1), Stalled: math.Inf(1)}
	corners, supply := PumpCorners(pump)
	for i, c := range corners {
		f, wrong, err := JudgePump(pump, c, supply[i])
		if err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		for _, w := range wrong {
			t.Errorf("%+v, 3.3 V high %v: %s", c, supply[i], w)
		}
		for n, v := range f.Edges {
			all.Edges[n] = max(all.Edges[n], v)
		}
		all.Least, all.Most = min(all.Least, f.Least), max(all.Most, f.Most)
		all.Stalled, all.Release = min(all.Stalled, f.Stalled), max(all.Release, f.Release)
	}
	t.Logf("gate after 1 to %d stray edges: %.2f V; with the heartbeat %.2f to %.2f V; after 50 ms without a beat "+
		"%.2f V; open %.2f s after the last beat",
		strayEdges, all.Edges[1:], all.Least, all.Most, all.Stalled, all.Release)
}

// JudgePump must reject wrong circuits: earlier drawings, and substitutes that shops sell for the specified parts.
func TestPumpsWithUnsuitablePartsAreRejected(t *testing.T) {
	t.Parallel()
	single := func(r1, c1, c2, r2, beat, diode, tolerance string) string {
		return "OUT PIN pin GPIO17\nR1 R pin a " + r1 + " ±5%\nC1 C a c " + c1 + " " + tolerance + "\nD2 D gnd c " + diode +
			"\nD1 D c gate " + diode + "\nC2 C gate gnd " + c2 + " " + tolerance + "\nR2 R gate gnd " +
			"" + r2 + " ±5%\nQ1 NMOS gate d gnd AO3400A\nBEAT TIME " + beat
	}
	for _, x := range []struct{ name, lines, want string }{
		{"first drawing", single("220Ω", "10µF", "4.7µF", "47kΩ", "25ms", "BAT85", "±20%"), "1 stray edges"},
		{"first drawing, stuck", single("220Ω", "10µF", "4.7µF", "47kΩ", "25ms", "BAT85", "±20%"), "stuck"},
		{"second drawing", single("220Ω", "1µF", "4.7µF", "47kΩ", "5ms", "BAT85", "±20%"), "1 stray edges"},
		{"third drawing, with capacitors as they are after years", single("470Ω", "0.33µF", "4.7µF", "68kΩ", "2.5ms",
			"BAT85", "±35%"), "3 stray edges"},
		{"third drawing, hot diodes", single("470Ω", "0.33µF", "4.7µF", "68kΩ", "2.5ms", "BAT85", "±35%"),
			"stalls for 50 ms"},
		{"third drawing, 1N4148", single("470Ω", "0.33µF", "4.7µF", "68kΩ", "2.5ms", "1N4148", "±20%"),
			"the heartbeat holds"},
		{"beaten as slowly as the first", single("470Ω", "0.33µF", "4.7µF", "68kΩ", "25ms", "BAT46", "±20%"),
			"the heartbeat holds"},
		{"a small C2", single("470Ω", "0.33µF", "1µF", "68kΩ", "2.5ms", "BAT46", "±20%"), "stalls for 50 ms"},
		{"a large R2", single("470Ω", "0.22µF", "4.7µF", "150kΩ", "2.5ms", "BAT46", "±15%"), "stuck"},
	} {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			p := parseNetlist(t, x.lines)
			corners, supply := PumpCorners(p)
			for i := range corners {
				i = len(corners) - 1 - i
				_, wrong, err := JudgePump(p, corners[i], supply[i])
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(strings.Join(wrong, "\n"), x.want) {
					return
				}
			}
			t.Errorf("no corner of the tolerances reports %q", x.want)
		})
	}
}
