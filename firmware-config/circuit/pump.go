package circuit

import (
	"fmt"
	"math"
)

// The Pi's pin as a source. BCM2711: at least 2.6 V at 4 mA, so at most 175 Ω (raspberrypi/documentation,
// gpio-on-raspberry-pi.adoc, table of BCM2711); the 3.3 V of a Pi are ±5 % (check: the regulator's own tolerance is 2
// %).
const (
	pinOhm        = 175.0
	railVolt      = 3.3
	railTolerance = 0.05
	firstStep     = 5e-6 // s, after an edge: a twentieth of the shortest R1·C1
	longestStep   = 2e-3 // s
	growth        = 1.4  // of the steps after an edge
	steadyBeats   = 4    // between two looks at C2
	steadyTries   = 12
	steadyVolt    = 1e-3 // V between two looks: the pump counts as steady
)

// Pump is a charge pump under calculation. Its circuit has a pin OUT, the capacitors C2a and C2b (or C2) and the
// transistor Q1.
type Pump struct {
	net   *Net
	high  float64 // V, of the pin
	beat  float64 // s between two toggles
	store []string
	gate  string
	line  float64 // V, as it was last driven
	dt    float64 // s, of the next step

	coilOhm float64 // Ω, of K1; 0 where the circuit ends at Q1
}

// NewPump builds a pump in one corner of its tolerances; supplyHigh takes the Pi's 3.3 V at their upper end.
func NewPump(parts []Part, c Corner, supplyHigh bool, faults ...Fault) (*Pump, error) {
	n, err := Build(parts, c, faults...)
	if err != nil {
		return nil, err
	}
	q, ok := Find(parts, "Q1")
	beat, timed := Find(parts, "BEAT")
	if !ok || !timed {
		return nil, fmt.Errorf("a pump needs Q1 and BEAT")
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

// Gate is the voltage at Q1's gate.
func (p *Pump) Gate() float64 { return p.net.At(p.gate) }

// Coil is the voltage across the relay K1. A coil that is broken moves nothing.
func (p *Pump) Coil() float64 { return p.net.Through("K1") * p.coilOhm }

// Hold has the line stand at a level for a time. It returns the lowest and the highest voltage at the gate.
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

// Edges begins with empty capacitors and a low line, which then changes n times. It returns the highest voltage at the
// gate so far after each edge: its element n−1 is what n edges do.
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

// Steady beats until the gate no longer rises, and returns the lowest and the highest voltage of a beat. It ends after
// a low half beat. It looks for the voltage that a few beats leave as it is (secant method): beating it up from nothing
// takes hundreds of beats.
func (p *Pump) Steady() (least, most float64, err error) {
	p.net.Rest()
	rise := func(from float64) (float64, error) {
		for _, c := range p.store {
			p.net.Charge(c, from)
		}
		for range steadyBeats { // C1 finds its own voltage in the first
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

// Release is how long the gate takes to fall under a voltage once the line stands still; at most the limit.
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
