package circuit

import (
	"fmt"
	"math"
)

// These constants describe the Pi's pin as a voltage source. A pin of the BCM2711 delivers at least 2.6 V at 4 mA, so
// its resistance is at most 175 Ω (raspberrypi/documentation, gpio-on-raspberry-pi.adoc, table of BCM2711). A Pi's 3.3
// V has a tolerance of ±5 %. The tolerance of the regulator alone is 2 %.
const (
	pinOhm        = 175.0
	railVolt      = 3.3
	railTolerance = 0.05
	firstStep     = 5e-6 // s, the first time step after an edge: a twentieth of the shortest time constant R1·C1
	longestStep   = 2e-3 // s
	growth        = 1.4  // factor between two time steps after an edge
	steadyBeats   = 4    // number of beats between two readings of C2
	steadyTries   = 12
	steadyVolt    = 1e-3 // V, largest difference between two readings of a steady pump
)

// Pump simulates a charge pump. The circuit of a pump has a pin OUT, the capacitors C2a and C2b (or C2) and the
// transistor Q1.
type Pump struct {
	net   *Net
	high  float64 // V, the pin's voltage at the high level
	beat  float64 // s, the time between two edges
	store []string
	gate  string
	line  float64 // V, the present voltage of the line
	dt    float64 // s, the length of the next time step

	coilOhm float64 // Ω, resistance of K1's coil; 0 if the circuit ends at Q1
}

// NewPump builds a pump in one corner of the parts' tolerances. If supplyHigh is true, the Pi's 3.3 V is at its upper
// limit, otherwise at its lower limit.
func NewPump(parts []Part, c Corner, supplyHigh bool, faults ...Fault) (*Pump, error) {
	n, err := Build(parts, c, faults...)
	if err != nil {
		return nil, err
	}
	q, ok := Find(parts, "Q1")
	beat, timed := Find(parts, "BEAT")
	if !ok || !timed {
		return nil, fmt.Errorf("pump circuit is incomplete, want a part Q1 and a time BEAT")
	}
	p := &Pump{net: n, high: railVolt * (1 - railTolerance), beat: beat.Value, gate: q.Nodes[0]}
	if supplyHigh {
		p.high = railVolt * (1 + railTolerance)
	}
	if k, ok := Find(parts, "K1"); ok {
		p.coilOhm = c.Of(k)
	}
	for _, x := range parts {
		if x.Kind == "C" && x.Nodes[0] == p.gate {
			p.store = append(p.store, x.Name)
		}
	}
	return p, nil
}

// Gate returns the voltage at Q1's gate, in V.
func (p *Pump) Gate() float64 { return p.net.At(p.gate) }

// Coil returns the voltage across the relay K1, in V. A broken coil has 0 V.
func (p *Pump) Coil() float64 { return p.net.Through("K1") * p.coilOhm }

// Hold keeps the line at a level for a time, and returns the lowest and highest voltage at the gate.
func (p *Pump) Hold(high bool, seconds float64) (least, most float64, err error) {
	volt := 0.0
	if high {
		volt = p.high
	}
	if p.net.Drive("OUT", volt, pinOhm); volt != p.line || p.dt == 0 {
		p.line, p.dt = volt, firstStep // an edge
	}
	least, most = math.Inf(1), math.Inf(-1)
	for ; seconds > 1e-9; p.dt = min(p.dt*growth, longestStep) {
		dt := min(p.dt, seconds)
		if err := p.net.Step(dt); err != nil {
			return 0, 0, err
		}
		seconds -= dt
		least, most = min(least, p.Gate()), max(most, p.Gate())
	}
	return least, most, nil
}

// Edges discharges the capacitors, sets the line low, and then changes the line n times. Edges returns the highest gate
// voltage after each edge: element n−1 is the voltage after n edges.
func (p *Pump) Edges(n int, apart float64) (most []float64, err error) {
	p.net.Rest()
	p.dt = 0
	if _, _, err = p.Hold(false, 1e-3); err != nil {
		return nil, err
	}
	top := 0.0
	for i := range n {
		_, v, err := p.Hold(i%2 == 0, apart)
		if err != nil {
			return nil, err
		}
		top = max(top, v)
		most = append(most, top)
	}
	return most, nil
}

// Steady toggles the line until the gate's voltage is steady, and returns the lowest and highest voltage of a beat.
// When Steady returns, the line is at the end of a low half beat. To avoid simulating hundreds of beats, Steady finds
// the steady voltage by the secant method.
func (p *Pump) Steady() (least, most float64, err error) {
	p.net.Rest()
	rise := func(from float64) (float64, error) {
		for _, c := range p.store {
			p.net.Charge(c, from)
		}
		for range steadyBeats { // simulate several beats: C1 reaches its steady voltage in the first
			if least, most, err = p.beatOnce(); err != nil {
				return 0, err
			}
		}
		return p.Gate() - from, nil
	}
	from, before := 0.5, 0.0
	last := 0.0
	if before, err = rise(last); err != nil {
		return 0, 0, err
	}
	for range steadyTries {
		now, err := rise(from)
		if err != nil {
			return 0, 0, err
		}
		if math.Abs(now) < steadyVolt || math.Abs(now-before) < 1e-6 {
			break
		}
		next := from - now*(from-last)/(now-before)
		last, before, from = from, now, max(0, min(p.high, next))
	}
	return least, most, nil
}

func (p *Pump) beatOnce() (least, most float64, err error) {
	a, b, err := p.Hold(true, p.beat)
	if err != nil {
		return 0, 0, err
	}
	c, d, err := p.Hold(false, p.beat)
	return min(a, c), max(b, d), err
}

// Release returns how many seconds the gate needs to fall below the voltage under after the line stops toggling.
// Release simulates at most limit seconds.
func (p *Pump) Release(high bool, under, limit float64) (seconds float64, err error) {
	const look = 2e-3
	for p.Gate() > under && seconds < limit {
		if _, _, err := p.Hold(high, look); err != nil {
			return 0, err
		}
		seconds += look
	}
	return seconds, nil
}
