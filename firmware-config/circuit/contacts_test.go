package circuit

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// ladder simulates the start circuit of wiring.svg. A test opens and closes the contacts as people and Portillon do.
// The simulation shows whether the contactors stay closed.
type ladder struct {
	t      *testing.T
	net    *Net
	pulled map[string]bool // by name, K2 and KM1: true while the contactor is closed
	welded string          // name of the welded contact, which stays closed; empty for none
	order  bool            // true while Portillon orders the relay K1 to close
	lied   bool            // true if the feedback input differed from the order at least once
}

// A contactor of 24 V DC closes at 70 to 80 % of its voltage and opens at 10 to 25 % (Schneider LC1D: 0.7 to 1.25 Uc,
// 0.1 to 0.25 Uc).
const (
	contactorCloses = 0.7 * 24
	contactorOpens  = 0.1 * 24
)

func newLadder(t *testing.T, parts []Part, f ...Fault) *ladder {
	t.Helper()
	n, err := Build(parts, Corner{}, f...) // use the lowest values of all parts and the weakest supply
	if err != nil {
		t.Fatal(err)
	}
	l := &ladder{t: t, net: n, pulled: map[string]bool{}}
	for _, x := range f {
		if x.Short {
			l.welded = x.Part
		}
	}
	for _, c := range []string{"S0.1", "S1"} {
		n.Close(c, true)
	}
	return l.settle()
}

// settle moves the contacts of K2 and KM1 according to their coils. The contacts are mechanically linked: the NC
// contact stays open while the NO contact is welded.
func (l *ladder) settle() *ladder {
	l.t.Helper()
	for range 6 {
		if err := l.net.Solve(); err != nil {
			l.t.Fatal(err)
		}
		for _, k := range []string{"K2", "KM1"} {
			v := math.Abs(l.net.Through(k)) * 107
			l.pulled[k] = v > contactorCloses || l.pulled[k] && v > contactorOpens
			l.net.Close(k+".13", l.pulled[k])
			l.net.Close(k+".21", !l.pulled[k] && l.welded != k+".13")
		}
	}
	l.lied = l.lied || l.net.At("fb") > highAtLeast != l.order
	return l
}

func (l *ladder) set(name string, closed bool) *ladder {
	if l.net.Close(name, closed); name == "K1" {
		l.order = closed
	}
	return l.settle()
}

func (l *ladder) close(name string) *ladder { return l.set(name, true) }
func (l *ladder) open(name string) *ladder  { return l.set(name, false) }
func (l *ladder) press() *ladder            { return l.close("S3").open("S3") }

// stories are sequences of operations, each with the contactor's expected final state.
var stories = []struct {
	name string
	tell func(*ladder)
	runs bool
}{
	{"a card alone", func(l *ladder) { l.close("K1") }, false},
	{"a card, then the start button", func(l *ladder) { l.close("K1").press() }, true},
	{"the start button without a card", func(l *ladder) { l.press() }, false},
	{"the end of a session", func(l *ladder) { l.close("K1").press().open("K1") }, false},
	{"a second card after that", func(l *ladder) { l.close("K1").press().open("K1").close("K1") }, false},
	{"the emergency stop", func(l *ladder) { l.close("K1").press().open("S0.1") }, false},
	{"its release", func(l *ladder) { l.close("K1").press().open("S0.1").close("S0.1") }, false},
	{"the stop button", func(l *ladder) { l.close("K1").press().open("S1").close("S1") }, false},
	{"the return of the power", func(l *ladder) {
		l.close("K1").press()
		l.net.Drive("V24", 0, sourceOhm)
		l.settle()
		l.net.Drive("V24", 24, sourceOhm)
		l.settle()
	}, false},
}

func TestMachineStartsByItsButtonAndNotByACardAlone(t *testing.T) {
	start := circuitParts(t, "wiring.svg", "start")
	for _, s := range stories {
		l := newLadder(t, start)
		if s.tell(l); l.pulled["KM1"] != s.runs {
			t.Errorf("%s: the contactor is closed: %v, want %v", s.name, l.pulled["KM1"], s.runs)
		}
		// without 24 V the contactor does not follow the order, so Portillon correctly reports a fault
		if l.lied && s.name != "the return of the power" {
			t.Errorf("%s: the feedback input differs from Portillon's order", s.name)
		}
	}
}

// In the first drawing, Portillon's contact was in series with the coil, and there was no self-holding contact. The
// tests must detect that with such a circuit a card alone starts the machine.
func TestCircuitWithoutASelfHoldingContactIsRejected(t *testing.T) {
	old := parseNetlist(t,
		"V3 V rail gnd 3.3V\nR1 R rail fb 680Ω\nV24 V plus gnd 24V\nF1 FUSE plus a 1A\nS0.1 NC a b e-stop\nK1 NO b "+
			"coil Portillon\nKM1 COIL coil gnd 107Ω")
	for _, name := range []string{"a card alone", "its release", "the return of the power"} {
		for _, s := range stories {
			if s.name == name {
				l := newLadder(t, old)
				if s.tell(l); !l.pulled["KM1"] {
					t.Errorf("%s does not start a machine without a self-holding contact, so this test could not fail", name)
				}
			}
		}
	}
}

// ladderRows returns a table row for each single fault of the start circuit. The row names the stories whose final
// state the fault changes.
func ladderRows(t *testing.T) (rows []row) {
	start := circuitParts(t, "wiring.svg", "start")
	faults, names := faultsOf(start)
	for i, f := range faults {
		if f.Part == "R1" { // the tests of inputs.svg cover R1
			continue
		}
		var starts, stops []string
		lied := false
		for _, s := range stories {
			l := newLadder(t, start, f)
			switch s.tell(l); {
			case l.pulled["KM1"] && !s.runs:
				starts = append(starts, s.name)
			case !l.pulled["KM1"] && s.runs:
				stops = append(stops, s.name)
			}
			lied = lied || l.lied && s.name != "the return of the power"
		}
		r := row{drawing: "wiring.svg", part: f.Part, fault: names[i], seen: lied}
		switch {
		case len(starts) > 0:
			r.does, r.closes = "**the machine runs** after: "+strings.Join(starts, "; "), true
		case len(stops) > 0:
			r.does = "the machine does not start"
		default:
			r.does = "works"
		}
		r.notices = ladderNotices[r.part+" "+r.fault]
		switch {
		case lied && len(starts) > 0:
			r.notices = "`feedback`, at the latest when the session ends: contactor fault, no start"
		case lied:
			r.notices = "`feedback`: contactor fault, no start"
		case r.notices == "" && len(stops) > 0:
			r.notices = "whoever starts"
		case r.notices == "":
			r.notices = "nobody"
		}
		if r.part == "KM1.13" && r.fault == "shorted" {
			r.notices += "; a short in its cable alone: as S3 shorted, `feedback` does not see it"
		}
		rows = append(rows, r)
	}
	return rows
}

var ladderNotices = map[string]string{
	"S0.1 shorted": "the acceptance step `e-stop`, only while the Pi's input is bridged to ground: otherwise S0.2 " +
		"opens K1 and hides it",
	"S1 shorted": "whoever stops",
	"S3 shorted": "whoever presses stop: the machine starts anew when it is released; the acceptance step " +
		"`switch-left-on`",
	"KM1.21 shorted": "nobody, until the acceptance step `contactor-held`; until then a weld of KM1 is not seen",
	"F1 shorted":     "nobody, until a short is not cut",
	"D1 open":        "nobody: the contacts wear, and the kick disturbs the Pi",
	"D2 open":        "nobody: K1's contact wears, and the kick disturbs the Pi",
}

func TestOpenLidStopsTheBeamInEveryState(t *testing.T) {
	for _, name := range []string{"enable", "mains"} {
		p := circuitParts(t, "laser-lid.svg", name)
		for _, k1 := range []bool{false, true} {
			for _, lid := range []bool{false, true} {
				n, err := Build(p, Corner{})
				if err != nil {
					t.Fatal(err)
				}
				n.Close("S4.1", lid)
				n.Close("K1", k1)
				n.Close("KM1.1", k1)
				n.Close("KM1.2", k1)
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				enabled, live := n.Through("EN") > 1e-3, name == "enable" || n.Through("PS") > 1e-3
				if enabled && !lid || (enabled && live) != (lid && k1) {
					t.Errorf("%s, lid closed %v, K1 closed %v: enabled %v, supplied %v", name, lid, k1, enabled, live)
				}
			}
		}
	}
}

// lidRows returns a table row for each single fault of the lid circuit.
func lidRows(t *testing.T) (rows []row) {
	for _, name := range []string{"enable", "mains"} {
		p := circuitParts(t, "laser-lid.svg", name)
		faults, names := faultsOf(p)
		for i, f := range faults {
			if f.Part == "EN" || f.Part == "PS" {
				continue
			}
			beam := func(lid, k1 bool) bool {
				n, err := Build(p, Corner{}, f)
				if err != nil {
					t.Fatal(err)
				}
				n.Close("S4.1", lid)
				for _, c := range []string{"K1", "KM1.1", "KM1.2"} {
					n.Close(c, k1)
				}
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				return n.Through("EN") > 1e-3 && (name == "enable" || n.Through("PS") > 1e-3)
			}
			r := row{drawing: "laser-lid.svg, " + name, part: f.Part, fault: names[i]}
			switch {
			case beam(false, true):
				r.does, r.notices = "**a beam with the lid open**", "the test of the lid; S4 opens by force (Annex K), and "+
					"the door input ends the session"
				r.closes = true
			case beam(true, false):
				r.does, r.notices = "a beam without a session, with the lid closed",
					"the acceptance step `tap-again`: nothing reads K1 here; the lid still stops it"
				r.closes = true
			case !beam(true, true):
				r.does, r.notices = "no beam", "whoever starts"
			default:
				r.does, r.notices = "no beam with the lid open, none without a session; that pole stays "+
					"live", "`feedback` (mirror contact)"
			}
			rows = append(rows, r)
		}
	}
	return rows
}

// mainsCircuits lists the circuits of mains.svg, with the main contacts and the machine's nodes of each circuit.
var mainsCircuits = []struct {
	name            string
	poles, machines []string
}{
	{"single", []string{"KM1.1", "KM1.2"}, []string{"lm", "nm"}},
	{"three", []string{"KM1.1", "KM1.2", "KM1.3"}, []string{"m1", "m2", "m3"}},
}

// closeAllExcept returns a mains circuit with all switches closed, except the switches whose name begins with off.
func closeAllExcept(t *testing.T, p []Part, off string, f ...Fault) *Net {
	t.Helper()
	n, err := Build(p, Corner{Middle: true}, f...)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range p {
		if x.Kind == "NO" {
			n.Close(x.Name, off == "" || !strings.HasPrefix(x.Name, off))
		}
	}
	n.Drive("V2", -115, sourceOhm) // set the voltages of the three phases at one instant
	n.Drive("V3", -115, sourceOhm)
	if err := n.Solve(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestContactorCutsAllPolesButNotThePisSupply(t *testing.T) {
	for _, c := range mainsCircuits {
		p := circuitParts(t, "mains.svg", c.name)
		neutral := "n"
		if n := closeAllExcept(t, p, ""); math.Abs(n.Through("M1")) < 1 || math.Abs(n.Through("T1")) < 1 {
			t.Errorf("%s: all switches are closed, but the machine or the Pi has no power", c.name)
		}
		for _, off := range []string{"Q0", "Q1", "Q2", "KM1"} {
			n := closeAllExcept(t, p, off)
			for _, m := range c.machines {
				if v := n.At(m) - n.At(neutral); math.Abs(v) > 20 && c.name == "three" {
					t.Errorf("%s: %s open, %s of the machine has %.0f V", c.name, off, m, v)
				}
			}
			if i := math.Abs(n.Through("M1")); i > 1e-3 {
				t.Errorf("%s: %s open, the machine takes %.3f A", c.name, off, i)
			}
			if v := n.At(p[supplyIndex(p)].Nodes[0]) - n.At(neutral); off != "KM1" && math.Abs(v) > 20 {
				t.Errorf("%s: %s open, the Pi's supply still has %.0f V", c.name, off, v)
			}
			if fed := math.Abs(n.Through("T1")) > 1; fed != (off == "KM1") {
				t.Errorf("%s: %s open, the Pi is fed: %v", c.name, off, fed)
			}
		}
		// Open each pole alone: with one open pole the machine must have no power.
		for _, pole := range c.poles {
			whole, less := closeAllExcept(t, p, ""), closeAllExcept(t, p, pole)
			if isNear(whole.Through("M1"), less.Through("M1"), 1e-3) && isNear(whole.Through("M3"), less.Through("M3"), 1e-3) {
				t.Errorf("%s: the machine has full power although %s is open", c.name, pole)
			}
		}
	}
}

// supplyIndex returns the index of the Pi's supply.
func supplyIndex(parts []Part) int {
	return slices.IndexFunc(parts, func(p Part) bool { return p.Name == "T1" })
}

// mainsRows returns a table row for each pole of the contactor that is welded or stays open.
func mainsRows(t *testing.T) (rows []row) {
	for _, c := range mainsCircuits {
		p := circuitParts(t, "mains.svg", c.name)
		for _, pole := range c.poles {
			n := closeAllExcept(t, p, "KM1", Fault{Part: pole, Short: true})
			r := row{drawing: "mains.svg, " + c.name, part: pole, fault: "welded",
				does:    "KM1 open: no current in the machine, **one pole live**",
				notices: "`feedback` (the mirror contact cannot close): contactor fault, no start"}
			for _, m := range []string{"M1", "M2", "M3"} {
				if math.Abs(n.Through(m)) > 1e-3 {
					r.does, r.closes = "KM1 open: **the machine takes current**", true
				}
			}
			rows = append(rows, r, row{drawing: "mains.svg, " + c.name, part: pole, fault: "broken",
				does: "the machine lacks that conductor", notices: "whoever starts; a motor on two phases trips its own " +
					"protection"})
		}
	}
	return rows
}
