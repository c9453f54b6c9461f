package circuit

import (
	"math"
	"strings"
	"testing"
)

// These constants are the limits of a Pi's pin. BCM2711 (raspberrypi/documentation, gpio-on-raspberry-pi.adoc): the
// input leakage is at most 10 µA at 85 °C, an output delivers at least 2.6 V at 4 mA and sinks 4 mA at 0.4 V at most,
// and pull resistors are 33 to 73 kΩ. BCM2835: an input reads up to 0.9 V as low and 1.6 V or more as high, its leakage
// is at most 5 µA, and pull resistors are 50 to 65 kΩ. For RP1 (Pi 5), whose data sheet gives no limits, the tests use
// the values of BCM2711.
const (
	inputLeak   = 10e-6
	sinkOhm     = 100.0 // Ω, resistance of a pin at the low level: 0.4 V at 4 mA
	pullLeast   = 33e3
	pullMost    = 73e3
	lowAtMost   = 0.8
	highAtLeast = 2.0
	// A, maximum current of a pin that keeps its level (BCM2711: 7 mA at 2.6 V; BCM2835: 8 mA by default)
	pinAtMost = 8e-3
	// A, limit for all circuits together on the 3.3 V pins. 50 mA is the limit of the first Pi. Later models allow a
	// larger current.
	railAtMost         = 50e-3
	floating           = 1e9 // Ω
	coilHolds          = openBelow * coilVolt
	relayBoardCoilOhms = 63.0
)

// state is a state of the Pi and its supplies in which the relay must be open.
type state struct {
	name string
	set  func(n *Net)
}

// offStates returns the states in which the relay must be open, for an active-high or an active-low line.
func offStates(activeLow bool) []state {
	rail := railVolt * (1 + railTolerance)
	drive := func(volt, ohm float64) func(*Net) {
		return func(n *Net) { n.Drive("OUT", volt, ohm) }
	}
	off := state{"the program holds the line off", drive(0, sinkOhm)}
	if activeLow {
		off.set = drive(railVolt*(1-railTolerance), pinOhm)
	}
	return []state{
		off,
		{"no program runs: the pin is an input", drive(0, floating)},
		// Model the leakage as a source of 10 µA, in the direction that closes the relay.
		{"no program runs, the pin leaks upwards", drive(inputLeak*floating, floating)},
		{"no program runs, the pin leaks downwards", drive(-inputLeak*floating, floating)},
		{"no program runs, the pin's own pull-down is left", drive(0, pullLeast)},
		{"the Pi has halted: 3.3 V is off, 5 V on", func(n *Net) {
			n.Drive("OUT", 0, floating)
			n.Drive("V3", 0, sourceOhm) // the loads keep the 3.3 V supply near 0 V
		}},
		{"5 V is off", func(n *Net) {
			n.Drive("OUT", rail, floating)
			n.Drive("V5", 0, sourceOhm)
		}},
	}
}

func onState(activeLow bool) func(*Net) {
	return func(n *Net) {
		if n.Drive("OUT", railVolt*(1-railTolerance), pinOhm); activeLow {
			n.Drive("OUT", 0, sinkOhm)
		}
	}
}

// boardCorners returns the corners in which all values are high or all are low, each with the strongest and with the
// weakest semiconductors.
func boardCorners(parts []Part, strong bool) (out []Corner) {
	for _, up := range []bool{false, true} {
		high := map[string]bool{}
		for _, p := range parts {
			// The voltage of a supply is high in the corners in which resistors and coils are low, and low in the
			// others.
			high[p.Name] = up != (p.Kind == "R" || p.Kind == "COIL")
		}
		for _, d := range []Diodes{Cold, Fresh, Hot} {
			out = append(out, Corner{High: high, Diodes: d, Strong: strong})
		}
	}
	return out
}

// addProtection adds the protective diode from each pin to the chip's 3.3 V. The diode conducts when the 3.3 V supply
// is off.
func addProtection(n *Net, parts []Part) {
	if _, ok := Find(parts, "V3"); ok {
		n.D("protection", "pin", "rail", JunctionOf(0.6, 1e-3, 1.5, 25))
	}
}

// coilVoltage returns the largest or the smallest voltage across K1 over all corners.
func coilVoltage(t *testing.T, parts []Part, corners []Corner, set func(*Net), worst func(a, b float64) float64,
	f ...Fault) float64 {
	t.Helper()
	v := math.NaN()
	for _, c := range corners {
		n, err := Build(parts, c, f...)
		if err != nil {
			t.Fatal(err)
		}
		addProtection(n, parts)
		set(n)
		if err := n.Solve(); err != nil {
			t.Fatalf("%+v: %v", c, err)
		}
		k := n.Through("K1") * relayBoardCoilOhms
		if math.IsNaN(v) {
			v = k
		}
		v = worst(v, k)
	}
	return v
}

// judgeBoard returns the states in which the relay may close without a command, and whether a command closes it.
func judgeBoard(t *testing.T, parts []Part, activeLow bool, f ...Fault) (closes []string, works bool) {
	t.Helper()
	for _, s := range offStates(activeLow) {
		if v := coilVoltage(t, parts, boardCorners(parts, true), s.set, math.Max, f...); v > coilHolds {
			closes = append(closes, s.name)
		}
	}
	v := coilVoltage(t, parts, boardCorners(parts, false), onState(activeLow), math.Min, f...)
	return closes, v > closedAbove*coilVolt*0.95
}

// boards returns the relay boards of the drawings.
func boards(t *testing.T) []struct {
	drawing, circuit, name string
	low                    bool
} {
	return []struct {
		drawing, circuit, name string
		low                    bool
	}{
		{"relay-board.svg", "board", "relay-board.svg", false},
		{"relay-active-low.svg", "transistor", "relay-active-low.svg (a)", false},
		{"relay-active-low.svg", "split", "relay-active-low.svg (b)", true},
	}
}

func TestRelayBoardsCloseOnlyOnCommand(t *testing.T) {
	for _, b := range boards(t) {
		closes, works := judgeBoard(t, circuitParts(t, b.drawing, b.circuit), b.low)
		if len(closes) > 0 || !works {
			t.Errorf("%s: states in which the relay closes without an order: %q; closes on an order: %v", b.name, closes, works)
		}
	}
}

// A wet board or a long wire adds a leakage of 15 µA to the leakage of the pin. With the resistors, the relay must stay
// open. Without the resistors, the relay must close, which shows that the test can fail.
func TestResistorsKeepTheRelayOpenOnAWetBoard(t *testing.T) {
	for _, b := range boards(t) {
		p := circuitParts(t, b.drawing, b.circuit)
		leak := 2.5 * inputLeak
		if b.low {
			leak = -leak
		}
		wet := func(n *Net) { n.Drive("OUT", leak*floating, floating) }
		if v := coilVoltage(t, p, boardCorners(p, true), wet, math.Max); v > coilHolds {
			t.Errorf("%s: %.1f V on the coil", b.name, v)
		}
		if v := coilVoltage(t, p, boardCorners(p, true), wet, math.Max, Fault{Part: "R0"}, Fault{Part: "R2"}); v < coilHolds {
			t.Errorf("%s without its resistors: only %.1f V on the coil, so this test could not fail", b.name, v)
		}
	}
}

// The tests must detect that these circuits, which earlier documentation recommended, close the relay without a
// program.
func TestBoardsThatCloseWithoutAProgramAreRejected(t *testing.T) {
	opto := func(first string) string {
		return "OUT PIN pin GPIO17\nV3 V rail gnd 3.3V ±5%\n" + first + "V5 V five gnd 5V ±5%\nR5 R five x 1kΩ " +
			"±5%\nU5 OPTO x pin five t PC817\n" +
			"R6 R t b2 510Ω ±5%\nQ5 NPN b2 c gnd BC337\nK1 COIL five c 63Ω ±10%\n"
	}
	for _, x := range []struct{ name, lines, want string }{
		{"4.7 kΩ to 3.3 V on a 5 V board", opto("R0 R pin rail 4.7kΩ ±5%\n"), "3.3 V is off, 5 V on"},
		{"a 5 V board, held off by the program", opto("R0 R pin rail 4.7kΩ ±5%\n"), "the program holds the line off"},
		{"10 kΩ to ground on a 5 V board", opto("R0 R pin gnd 10kΩ ±5%\n"), "no program runs"},
		{"no resistor", opto(""), "pull-down is left"},
	} {
		closes, _ := judgeBoard(t, parseNetlist(t, x.lines), true)
		if !strings.Contains(strings.Join(closes, "\n"), x.want) {
			t.Errorf("%s: no state is %q: %q", x.name, x.want, closes)
		}
	}
}

// boardRows returns a table row for each single fault of the boards and of the wire to IN.
func boardRows(t *testing.T) (rows []row) {
	for _, b := range boards(t) {
		p := circuitParts(t, b.drawing, b.circuit)
		faults, names := faultsOf(p)
		for i, f := range faults {
			closes, works := judgeBoard(t, p, b.low, f)
			r := row{drawing: b.name, part: f.Part, fault: names[i]}
			switch {
			// this fault closes the relay in all states except "5 V is off"
			case len(closes) >= len(offStates(b.low))-1:
				r.does, r.closes = "**closed**, for as long as the board has its 5 V", true
				r.notices = "`feedback`: contactor fault, no start"
			case len(closes) > 0:
				r.does, r.closes = "**closed** while "+strings.Join(closes, ", or "), true
				r.notices = "`feedback`: contactor fault, no start"
			case !works:
				r.does, r.notices = "open; an order does not close it", "whoever starts; `feedback`: contactor fault"
			default:
				r.does, r.notices = "works; open without a program", "nobody"
				if b.name == "relay-board.svg" && f.Part == "R0" { // TestResistorsKeepTheRelayOpenOnAWetBoard tests the wet board
					r.does = "works; open without a program on a dry board, by the pin's own pull-down; a wet board may close it"
					r.notices = "nobody: look whether it is there"
				}
			}
			rows = append(rows, r)
		}
	}
	return rows
}
