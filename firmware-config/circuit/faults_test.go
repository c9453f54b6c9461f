package circuit

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// row is one row of the tables in faults.md.
type row struct {
	drawing, part, fault string
	does, notices        string
	closes               bool // true if the fault closes the relay, or starts the machine, although nobody ordered it
	seen                 bool // true if a person or the daemon notices the fault
}

func (r row) key() string { return r.drawing + ": " + r.part + " " + r.fault }

// accepted lists the single faults that close a relay or start a machine unnoticed, with the reason why each is
// accepted.
var accepted = map[string]string{
	"charge-pump.svg: Q1 D–S shorted":             transistorShorts,
	"charge-pump.svg: Q1 G–D shorted":             transistorShorts,
	"relay-board.svg: Q5 C–E shorted":             transistorShorts,
	"relay-board.svg: Q5 B–C shorted":             transistorShorts,
	"relay-active-low.svg (a): Q1 C–E shorted":    transistorShorts,
	"relay-active-low.svg (a): Q1 B–C shorted":    transistorShorts,
	"relay-active-low.svg (a): U5 output shorted": transistorShorts,
	"relay-active-low.svg (a): Q5 C–E shorted":    transistorShorts,
	"relay-active-low.svg (a): Q5 B–C shorted":    transistorShorts,
	"relay-active-low.svg (b): U5 output shorted": transistorShorts,
	"relay-active-low.svg (b): Q5 C–E shorted":    transistorShorts,
	"relay-active-low.svg (b): Q5 B–C shorted":    transistorShorts,
	"wiring.svg: S1 shorted":                      "the emergency stop and the end of the session still stop the machine",
	"wiring.svg: S0.1 shorted": "a contact with direct opening breaks a weld; for a short in " +
		"its cable, S0.2 opens K1; where the risk asks for more, a safety relay with two channels",
	"wiring.svg: S3 shorted": "a spring returns S3; where a start by itself endangers " +
		"somebody, a safety relay with a monitored start",
	"laser-lid.svg, enable: S4.1 shorted": lidShorts,
	"laser-lid.svg, mains: S4.1 shorted":  lidShorts,
	"laser-lid.svg, enable: K1 shorted":   "the lid is closed, and opening it stops the beam",
}

const lidShorts = "direct opening breaks a weld; for a short in its cable, a safety relay with two channels and " +
	"cross-fault detection (EN ISO 14119)"

const transistorShorts = "as a relay whose contact is welded: K1 starts no machine by itself (start circuit in " +
	"wiring.svg), and `feedback` reports it at once"

// faultsOf returns every way in which each part of a circuit can break. It leaves out wires, supplies and times, which
// are no parts that can break.
func faultsOf(parts []Part) (out []Fault, names []string) {
	add := func(f Fault, name string) { out, names = append(out, f), append(names, name) }
	for _, p := range parts {
		switch p.Kind {
		case "V", "TIME":
			continue
		case "PIN":
			continue
		}
		add(Fault{Part: p.Name}, "open")
		switch p.Kind {
		case "NPN":
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{1, 2}}, "C–E shorted")
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{0, 1}}, "B–C shorted")
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{0, 2}}, "B–E shorted")
		case "NMOS":
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{1, 2}}, "D–S shorted")
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{0, 1}}, "G–D shorted")
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{0, 2}}, "G–S shorted")
		case "OPTO":
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{0, 1}}, "LED shorted")
			add(Fault{Part: p.Name, Short: true, Pins: [2]int{2, 3}}, "output shorted")
		default:
			add(Fault{Part: p.Name, Short: true}, "shorted")
		}
	}
	return out, names
}

// pumpRows returns a table row for each single fault of the charge pump.
func pumpRows(t *testing.T) (rows []row) {
	pump := circuitParts(t, "charge-pump.svg", "pump")
	faults, names := faultsOf(pump)
	for i, f := range faults {
		rows = append(rows, pumpRow(t, pump, f, names[i]))
	}
	bridge := pumpRow(t, pump, Fault{Part: "C1a", Short: true}, "", Fault{Part: "C1b", Short: true})
	bridge.part, bridge.fault, bridge.seen = "C1a and C1b", "bridged, two faults", true
	return append(rows, bridge)
}

const coilVolt = 5.0

// waitUntilOpen waits until K1 is certainly open, and returns the time until then.
func (p *Pump) waitUntilOpen(t *testing.T, high bool) (seconds float64) {
	for p.Coil() > openBelow*coilVolt && seconds < longest {
		if _, _, err := p.Hold(high, 5e-3); err != nil {
			t.Fatal(err)
		}
		seconds += 5e-3
	}
	return seconds
}

func both(parts []Part, c1, c2, r2 bool) map[string]bool {
	high := map[string]bool{}
	for _, p := range parts {
		high[p.Name] = strings.HasPrefix(p.Name, "C1") && c1 || strings.HasPrefix(p.Name, "C2") && c2 ||
			strings.HasPrefix(p.Name, "R2") && r2
	}
	return high
}

// pumpRow computes the effect of one fault in three corners of the tolerances: the corner in which the relay closes
// most easily, the corner in which the relay holds worst, and the corner in which the relay opens last. C2 is small in
// the first corner and large in the last corner.
func pumpRow(t *testing.T, parts []Part, f Fault, name string, more ...Fault) row {
	t.Helper()
	r := row{drawing: "charge-pump.svg", part: f.Part, fault: name}
	faults := append([]Fault{f}, more...)
	strong := func(d Diodes, c2 bool) *Pump {
		p, err := NewPump(parts, Corner{High: both(parts, true, c2, true), Diodes: d, Strong: true}, true, faults...)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	level, edges, closed := 0.0, 0, 0.0
	for _, d := range []Diodes{Cold, Fresh, Hot} {
		p := strong(d, false)
		if _, err := p.Edges(1, 1e-3); err != nil {
			t.Fatal(err)
		}
		level = max(level, p.waitUntilOpen(t, true))
		for n := strayEdges; n > 0; n-- {
			if _, err := p.Edges(n, 2.5e-3); err != nil {
				t.Fatal(err)
			}
			if p.Coil() > openBelow*coilVolt {
				if closed = max(closed, p.waitUntilOpen(t, n%2 == 1)); edges == 0 || n < edges {
					edges = n
				}
			}
		}
	}
	holds, chatters := checkHeartbeat(t, parts, faults)
	release := 0.0
	for _, d := range []Diodes{Cold, Fresh, Hot} {
		p := strong(d, true)
		if _, _, err := p.Steady(); err != nil {
			t.Fatal(err)
		}
		release = max(release, p.waitUntilOpen(t, true))
	}
	return pumpWords(r, level, edges, closed, holds, chatters, release)
}

// checkHeartbeat reports whether the heartbeat holds the relay in the worst corner, and whether the relay chatters.
func checkHeartbeat(t *testing.T, parts []Part, faults []Fault) (holds, chatters bool) {
	t.Helper()
	holds = true
	for _, d := range []Diodes{Cold, Hot} {
		p, err := NewPump(parts, Corner{High: both(parts, false, true, false), Diodes: d}, false, faults...)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := p.Steady(); err != nil {
			t.Fatal(err)
		}
		low := p.Coil()
		if _, _, err := p.Hold(true, p.beat); err != nil {
			t.Fatal(err)
		}
		high := p.Coil()
		works := func(v float64) bool { return v > closedAbove*coilVolt }
		chatters = chatters || works(high) && !works(low)
		holds = holds && works(high) && works(low)
	}
	return holds, chatters
}

// pumpWords describes the behaviour of a pump with this fault.
func pumpWords(r row, level float64, edges int, closed float64, holds, chatters bool, release float64) row {
	if level >= longest {
		r.does, r.closes = "**closed on a level**, for as long as the Pi has power", true
		r.notices = "`feedback`: contactor fault, no start; `doctor --pump`"
		return r
	}
	switch {
	case edges == 0:
		r.does = "a level and five stray edges close nothing"
	default:
		r.does = fmt.Sprintf("a level closes nothing for long; %d or more stray edges close it for up to %.2f s after "+
			"the last of five", edges, closed)
	}
	switch {
	case chatters:
		r.does += "; the heartbeat makes it chatter"
		r.notices = "`feedback`: contactor fault; the noise"
	case !holds:
		r.does += "; the heartbeat does not close it"
		r.notices = "whoever starts; `feedback`: contactor fault"
	case release >= longest:
		r.does += "; it does not open within 3 s"
		r.notices = "`feedback`: contactor fault"
		r.closes = true
	case release > PumpRelease.Seconds():
		r.does += fmt.Sprintf("; it opens up to %.2f s after the last beat", release)
		r.notices = "`feedback`, where that makes the contactor late; `doctor --pump`"
	default:
		r.does += fmt.Sprintf("; the heartbeat holds it, and it opens within %.2f s", release)
		r.notices = "nobody: it does its work"
		if strings.Contains("C1a C1b C2a C2b", r.part) {
			r.notices = "nobody: the other of the pair does its work"
		}
	}
	r.does += map[string]string{"D3 open": "; Q1 alone takes the coil's kick of 30 V and more, and may short",
		"F2 shorted": "; a short of K1 or D3 would take the Pi's 5 V down",
		"D3 shorted": "; F2 limits the current through Q1", "K1 shorted": "; F2 limits the current through " +
			"Q1"}[r.part+" "+r.fault]
	return r
}

// TestFaultsMatchTheTable compares faults.md with the circuits. TestFaultsMatchTheTable fails for a fault that closes a
// relay unnoticed, unless accepted has a reason for the fault.
func TestFaultsMatchTheTable(t *testing.T) {
	if testing.Short() {
		t.Skip("short: calculates the circuit for thousands of cases")
	}
	var rows []row
	for _, of := range []func(*testing.T) []row{pumpRows, boardRows, inputRows, ladderRows, lidRows, mainsRows} {
		rows = append(rows, of(t)...)
	}
	known := map[string]bool{}
	for _, r := range rows {
		t.Logf("%s: %s; noticed by: %s", r.key(), r.does, r.notices)
		known[r.key()] = r.closes && !r.seen
		if known[r.key()] && accepted[r.key()] == "" {
			t.Errorf("%s closes the relay unnoticed, and the list accepted has no reason for this fault", r.key())
		}
	}
	for key := range accepted {
		if !known[key] {
			t.Errorf("the list accepted contains %s, but this fault does not close a relay unnoticed", key)
		}
	}
	golden(t, "../faults.md", table(rows))
}

func golden(t *testing.T, path, want string) {
	t.Helper()
	if os.Getenv("UPDATE") == "1" {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s differs from the computed faults: UPDATE=1 go test ./firmware-config/circuit rewrites it; then "+
			"read what changed", path)
	}
}

const preface = `# Single faults

This page lists what each circuit of the wiring page does when one part is broken: open (a broken wire or joint) or
shorted. The effects are calculated from the drawings at the ends of all tolerances, and not measured on a board.
Rows with "feedback" are for a machine with this input. **Without a feedback input Portillon does not report a relay or
a contactor that is stuck**: people notice this fault only when the machine does not stop. "K1 starts no machine" is
true with the start circuit of wiring.svg.
` + "`UPDATE=1 go test ./firmware-config/circuit -run Faults -v`" + ` writes this file.
`

func table(rows []row) string {
	var b strings.Builder
	b.WriteString(preface)
	last := ""
	for _, r := range rows {
		if r.drawing != last {
			fmt.Fprintf(&b, "\n## %s\n\n| part | fault | what happens | who notices |\n|---|---|---|---|\n", r.drawing)
			last = r.drawing
		}
		notices := r.notices
		if why := accepted[r.key()]; why != "" {
			notices += "; accepted: " + why
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.part, r.fault, r.does, notices)
	}
	return b.String()
}
