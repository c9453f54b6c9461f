package circuit

import (
	"fmt"
	"math"
	"strings"
	"testing"
)

// inputCircuit is a circuit of inputs.svg.
type inputCircuit struct {
	name, contact string
	limit         string  // name of the resistor in series with the contact
	closedIsHigh  bool    // true if a closed contact gives a high level, as at the input busy
	least, most   float64 // current through the closed contact, in A
}

var inputCircuits = []inputCircuit{
	{"ground-contact", "X1", "R1", false, 4.3e-3, 5.5e-3},
	{"gold-contact", "X2", "R3", false, 0.9e-3, 1.25e-3},
	{"busy", "X3", "R5", true, 0.5e-3, 0.75e-3},
	{"opto", "X4", "R8", false, 5e-3, 9.5e-3},
}

// level is the logic level that the Pi reads.
type level int

const (
	unsure level = iota // the voltage is between VIL and VIH, so the Pi may read it as low or as high
	low
	high
)

func (l level) String() string { return [...]string{"**undefined**", "low", "high"}[l] }

func levelOf(least, most float64) level {
	switch {
	case most <= lowAtMost:
		return low
	case least >= highAtLeast:
		return high
	}
	return unsure
}

// pinVoltage returns the smallest and largest voltage at the pin over all corners, and the smallest and largest
// current of the contact.
func pinVoltage(t *testing.T, parts []Part, c inputCircuit, closed bool, change func(*Net), f ...Fault) (least, most,
	currentLeast, currentMost float64) {
	t.Helper()
	least, most, currentLeast, currentMost = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	var resistors []string
	for _, p := range parts {
		if p.Kind == "R" {
			resistors = append(resistors, p.Name)
		}
	}
	for bits := range 1 << (len(resistors) + 2) {
		high := map[string]bool{"V3": bits&1 == 1, "V24": bits&1 == 1}
		for i, name := range resistors {
			high[name] = bits>>(i+2)&1 == 1
		}
		diodes := []Diodes{Cold, Hot}[bits>>1&1]
		for _, pull := range []float64{pullLeast, pullMost} {
			for _, leak := range []float64{-inputLeak, inputLeak} {
				n, err := Build(parts, Corner{High: high, Diodes: diodes}, f...)
				if err != nil {
					t.Fatal(err)
				}
				to := "rail"
				if c.closedIsHigh {
					to = Ground
				}
				n.R("pull", "pin", to, pull)
				n.V("leak", "pin", Ground, leak*1e9, 1e9)
				n.Close(c.contact, closed)
				if change != nil {
					change(n)
				}
				if err := n.Solve(); err != nil {
					t.Fatalf("%s: %v", c.name, err)
				}
				v, i := n.At("pin"), math.Abs(n.Through(c.contact))
				least, most = min(least, v), max(most, v)
				currentLeast, currentMost = min(currentLeast, i), max(currentMost, i)
			}
		}
	}
	return least, most, currentLeast, currentMost
}

func TestInputsReadTheirContactsInEveryCorner(t *testing.T) {
	page := textOf(t, "inputs.svg")
	all := 0.0 // current from the 3.3 V supply, in A, with all inputs of the wiring page connected
	for _, c := range inputCircuits {
		p := circuitParts(t, "inputs.svg", c.name)
		for _, closed := range []bool{true, false} {
			least, most, i, j := pinVoltage(t, p, c, closed, nil)
			want := map[bool]level{true: low, false: high}[closed != c.closedIsHigh]
			if got := levelOf(least, most); got != want {
				t.Errorf("%s, contact closed %v: %.2f to %.2f V at the pin reads %v, want %v", c.name, closed, least, most, got,
					want)
			}
			t.Logf("%s, contact closed %v: %.2f to %.2f V at the pin, %.2f to %.2f mA through the contact", c.name, closed,
				least, most, i*1e3, j*1e3)
			if closed && (i < c.least || j > c.most) {
				t.Errorf("%s: the contact carries %.2f to %.2f mA, want %.2f to %.2f", c.name, i*1e3, j*1e3, c.least*1e3,
					c.most*1e3)
			}
			if said := fmt.Sprintf("%.1f to %.1f mA", i*1e3, j*1e3); closed && c.name != "opto" &&
				!strings.Contains(page, said) {
				t.Errorf("%s: the drawing does not say %s", c.name, said)
			}
			if closed && c.name == "ground-contact" {
				all += 3 * j // the contacts of the emergency stop, the mirror contact and the door
			}
		}
	}
	// Short the wire of the busy input to ground.
	p := circuitParts(t, "inputs.svg", "busy")
	_, _, _, j := pinVoltage(t, p, inputCircuits[2], true, func(n *Net) { n.R("short", "wire", Ground, shorted) })
	if all += j; all > railAtMost {
		t.Errorf("the inputs draw %.1f mA from 3.3 V, want at most %.0f mA", all*1e3, railAtMost*1e3)
	}
	t.Logf("all inputs together, with busy's wire against ground: %.1f mA from 3.3 V", all*1e3)
}

// A wrong configuration may turn an input into an output. In this case the pin drives the contact through the series
// resistor.
func TestInputDrivenByMistakeDoesNotOverloadThePin(t *testing.T) {
	for _, c := range inputCircuits {
		p := circuitParts(t, "inputs.svg", c.name)
		for _, volt := range []float64{0, railVolt * (1 + railTolerance)} {
			for _, closed := range []bool{false, true} {
				n, err := Build(p, Corner{Strong: true})
				if err != nil {
					t.Fatal(err)
				}
				n.Drive("IN", volt, sourceOhm)
				n.Close(c.contact, closed)
				if err := n.Solve(); err != nil {
					t.Fatal(err)
				}
				limit := pinAtMost
				if c.name == "opto" && volt > 0 && closed {
					// The optocoupler's output has no series resistor. Therefore only the optocoupler's gain limits the
					// current, which may exceed the limit of the Pi's pin.
					limit = 16e-3 * 4
				}
				if i := math.Abs(n.Through("IN")); i > limit {
					t.Errorf("%s, driven to %.1f V, contact closed %v: %.1f mA in the pin", c.name, volt, closed, i*1e3)
				}
			}
		}
	}
}

// The tests must detect the errors in these circuits, which earlier documentation recommended.
func TestUnsafeInputCircuitsAreDetected(t *testing.T) {
	for _, x := range []struct {
		name, lines string
		c           inputCircuit
		closed      bool
	}{
		{"680 Ω on the pin's side of 1 kΩ",
			"V3 V rail gnd 3.3V ±5%\nR1 R rail pin 680Ω ±5%\nR2 R wire pin 1kΩ ±5%\nX1 NC wire gnd NC\nC1 C pin gnd " +
				"100nF\nIN PIN pin GPIO22",
			inputCircuits[0], true},
		{"busy with 680 Ω to ground",
			"V3 V rail gnd 3.3V ±5%\nR5 R rail out 1kΩ ±5%\nX3 NO out wire NO\nR6 R wire gnd 680Ω ±5%\nR7 R wire pin 1kΩ " +
				"±5%\nIN PIN pin GPIO24",
			inputCircuits[2], true},
		{"a weak pull against a leaking cable",
			"V3 V rail gnd 3.3V ±5%\nR1 R rail wire 47kΩ ±5%\nR9 R wire gnd 47kΩ ±5%\nR2 R wire pin 1kΩ ±5%\nX1 NC wire " +
				"gnd NC\nIN PIN pin GPIO22",
			inputCircuits[0], false},
	} {
		least, most, _, _ := pinVoltage(t, parseNetlist(t, x.lines), x.c, x.closed, nil)
		if got := levelOf(least, most); got != unsure {
			t.Errorf("%s: %.2f to %.2f V at the pin is read as %v", x.name, least, most, got)
		}
	}
}

// inputRows returns a table row for each single fault of the inputs and of their wires.
func inputRows(t *testing.T) (rows []row) {
	for _, c := range inputCircuits {
		p := circuitParts(t, "inputs.svg", c.name)
		faults, names := faultsOf(p)
		for i, f := range faults {
			if f.Part != c.contact {
				rows = append(rows, inputRow(t, p, c, f.Part, names[i], nil, f))
			}
		}
		rail := "rail"
		if c.name == "opto" {
			rail = "plus"
		}
		zero := Ground
		if c.name == "opto" {
			zero = "zero"
		}
		rows = append(rows, inputRow(t, p, c, "the wire", "broken", func(n *Net) { n.Close(c.contact, false) }),
			inputRow(t, p, c, "the wire", "against "+map[bool]string{true: "0 V", false: "ground"}[c.name == "opto"],
				func(n *Net) {
					n.R("short", "wire", zero, shorted)
					n.Drive("V24", 0, sourceOhm) // the fuse of the 24 V supply has blown
				}),
			inputRow(t, p, c, "the wire", "against "+map[bool]string{true: "+24 V", false: "3.3 V"}[c.name == "opto"],
				func(n *Net) { n.R("short", "wire", rail, shorted) }))
	}
	return rows
}

func inputRow(t *testing.T, p []Part, c inputCircuit, part, fault string, change func(*Net), f ...Fault) row {
	t.Helper()
	r := row{drawing: "inputs.svg, " + c.name, part: part, fault: fault}
	read := func(closed bool) level {
		least, most, _, _ := pinVoltage(t, p, c, closed, change, f...)
		return levelOf(least, most)
	}
	closed, open := read(true), read(false)
	fine := [2]level{low, high}
	if c.closedIsHigh {
		fine = [2]level{high, low}
	}
	r.does = fmt.Sprintf("contact closed reads %v, open reads %v", closed, open)
	safe := high // a high level means an open contact, which stops the machine
	if c.closedIsHigh {
		safe = low // a low level means that the machine is idle
	}
	switch {
	case closed == fine[0] && open == fine[1]:
		r.notices = "nobody: the contact is read"
	case open != safe && open != unsure && c.closedIsHigh:
		r.notices = "the panel: the machine works although it is off, nobody starts"
	case open == safe && closed == safe && c.closedIsHigh:
		r.notices = "hours stay at zero; no job finishes alone"
	case closed == safe:
		r.notices = "the panel at once: stop or door open, or contactor fault; nobody starts"
	case open == closed:
		r.notices = "stop, door: **nobody**, until the acceptance test presses the button; their first contact still " +
			"acts. Mirror contact: contactor fault at the next start"
	default: // in this case the closed contact shorts 3.3 V to ground
		r.does = fmt.Sprintf("contact closed: 3.3 V is shorted, the Pi stops and the relay opens; open reads %v", open)
		r.notices = "everybody: the Pi is off"
	}
	return r
}
