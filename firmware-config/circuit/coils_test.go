package circuit

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// measureDecay returns how long a coil's current needs to fall from its steady value to the fraction part, after the
// contact opens.
func measureDecay(t *testing.T, p []Part, c Corner, part float64) (seconds, peak float64) {
	t.Helper()
	coil, _ := Find(p, "KM1")
	tau, _ := Find(p, "TAU")
	ohm := c.Of(coil)
	var rest []Part
	for _, x := range p {
		switch x.Kind {
		case "COIL", "D":
		default:
			rest = append(rest, x)
		}
	}
	n, err := Build(rest, c)
	if err != nil {
		t.Fatal(err)
	}
	n.R("KM1", "coil", "inside", ohm)
	n.L("L", "inside", Ground, ohm*tau.Value)
	if d, ok := Find(p, "D2"); ok {
		n.D("D2", d.Nodes[0], d.Nodes[1], JunctionOf(0.8, 0.2, 1.8, 25)) // a 1N4007 has typically 0.8 V at 0.2 A
	}
	n.Close("K2.13", true)
	if err := n.Solve(); err != nil {
		t.Fatal(err)
	}
	n.Close("K2.13", false)
	const step = 20e-6
	for n.Through("L") > part*24/coil.Value && seconds < 1 {
		if err := n.Step(step); err != nil {
			t.Fatal(err)
		}
		peak = max(peak, math.Abs(n.At("coil")))
		seconds += step
	}
	return seconds, peak
}

func TestContactorOpensFastWithTheSuppressor(t *testing.T) {
	type span struct{ least, most, peak float64 }
	got := map[string]span{}
	for _, name := range []string{"tvs", "diode"} {
		p := circuitParts(t, "suppressor.svg", name)
		s := span{least: math.Inf(1)}
		// supply and clamp have their upper values when the coil has its lower value, and the reverse
		for _, high := range []bool{false, true} {
			for _, clamp := range []bool{false, true} {
				c := Corner{High: map[string]bool{"V24": high, "KM1": !high, "D1": clamp}}
				seconds, peak := measureDecay(t, p, c, 0.1)
				s = span{min(s.least, seconds), max(s.most, seconds), max(s.peak, peak)}
			}
		}
		got[name] = s
		t.Logf("%s: %.0f to %.0f ms from full current to 10 %%, %.0f V at the coil", name, s.least*1e3, s.most*1e3, s.peak)
	}
	tvs, diode := got["tvs"], got["diode"]
	if tvs.least < 8.5e-3 || tvs.most > 14.5e-3 || diode.least < 49e-3 || diode.most > 66e-3 {
		t.Errorf("opening times are %+v, but the drawing says 9 to 14 ms and 50 to 65 ms", got)
	}
	if diode.most < 4*tvs.most {
		t.Errorf("a diode takes %.0f ms, the suppressor %.0f ms", diode.most*1e3, tvs.most*1e3)
	}
	if v := tvs.peak + 24*1.2; v > 125 { // an Omron G5LE permits at most 125 V DC over the contact
		t.Errorf("the voltage over the contact is %.0f V, want at most 125 V", v)
	}
	least, _, _, err := clampOf("P6KE39CA")
	if err != nil || least < 24*1.2+4 {
		t.Errorf("the suppressor begins at %.1f V, too near to 28.8 V", least)
	}
}

// A suppressor diode with a stand-off voltage below the supply's upper limit would conduct all the time.
func TestSuppressorThatConductsAtTheSupplyVoltageIsDetected(t *testing.T) {
	n := NewNet()
	n.V("V24", "plus", Ground, 28.8, sourceOhm)
	n.R("wire", "plus", "coil", 1)
	n.Clamp("D1", "coil", Ground, 11.4, 0.12)
	if err := n.Solve(); err != nil || n.Through("wire") < 1 {
		t.Errorf("12 V at 28.8 V: %.2f A, %v", n.Through("wire"), err)
	}
}

func TestLampsStayWithinTheLimitsOfThePins(t *testing.T) {
	lamps := circuitParts(t, "signals.svg", "lamps")
	total, least, most := 0.0, math.Inf(1), 0.0
	for _, c := range []Corner{{Diodes: Cold}, {Diodes: Hot}, {Diodes: Cold, High: map[string]bool{"R1": true, "R2": true,
		"R3": true}}} {
		for _, volt := range []float64{railVolt * (1 - railTolerance), railVolt * (1 + railTolerance)} {
			n, err := Build(lamps, c)
			if err != nil {
				t.Fatal(err)
			}
			ohm := 20.0 // a strong pin
			if volt < railVolt {
				ohm = pinOhm
			}
			sum := 0.0
			for _, p := range []string{"P1", "P2", "P3"} {
				n.Drive(p, volt, ohm)
			}
			if err := n.Solve(); err != nil {
				t.Fatal(err)
			}
			for _, d := range []string{"D1", "D2", "D3"} {
				i := n.Through(d)
				sum, least, most = sum+i, min(least, i), max(most, i)
			}
			total = max(total, sum)
		}
	}
	t.Logf("LEDs: %.1f to %.1f mA each, %.1f mA together", least*1e3, most*1e3, total*1e3)
	if said := fmt.Sprintf("%.1f to %.1f mA", least*1e3, most*1e3); !strings.Contains(textOf(t, "signals.svg"), said) {
		t.Errorf("the drawing does not say %s", said)
	}
	if least < 1e-3 || most > pinAtMost {
		t.Errorf("an LED takes %.1f to %.1f mA, want 1 to %.0f", least*1e3, most*1e3, pinAtMost*1e3)
	}
	// Add the other currents of the pins: the base of the buzzer's transistor and the relay boards of machine and
	// extraction (R5), about 3 mA each.
	if all := total + 3*3.5e-3; all > 30e-3 {
		t.Errorf("all outputs together draw %.1f mA, but the drawing says under 30 mA", all*1e3)
	}
}

func TestPinSwitchesBuzzerAndTowerLamp(t *testing.T) {
	for _, x := range []struct {
		circuit, pin, load string
		rated, ohm         float64
	}{{"buzzer", "P4", "BZ", 5, 100}, {"tower", "P5", "LA", 24, 300}} {
		p := circuitParts(t, "signals.svg", x.circuit)
		for _, strong := range []bool{false, true} {
			for _, d := range []Diodes{Cold, Hot} {
				n, err := Build(p, Corner{Diodes: d, Strong: strong})
				if err != nil {
					t.Fatal(err)
				}
				n.Drive(x.pin, railVolt*(1-railTolerance), pinOhm)
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				if v := n.Through(x.load) * x.ohm; v < 0.75*x.rated {
					t.Errorf("%s on: %.1f V across it", x.circuit, v)
				}
				n.Drive(x.pin, railVolt*(1+railTolerance), 20)
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				drive := -n.Through(x.pin)
				if drive > pinAtMost {
					t.Errorf("%s: the pin gives %.1f mA", x.circuit, drive*1e3)
				}
				n.Drive(x.pin, inputLeak*floating, floating)
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				if i := n.Through(x.load); i > 1e-3 {
					t.Errorf("%s with a floating pin: %.2f mA", x.circuit, i*1e3)
				}
			}
		}
	}
}
