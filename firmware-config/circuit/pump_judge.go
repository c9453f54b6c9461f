package circuit

import (
	"fmt"
	"strings"
	"time"
)

// These constants are the requirements for a charge pump. The relay that the pump feeds is certain to open below 10 %
// of its rated voltage, and certain to close at 75 % (Omron G5LE).
const (
	// PumpRelease is the longest time in which a pump must open its relay after the line stops.
	PumpRelease = 600 * time.Millisecond
	// number of stray edges that must not close the relay: a pin changes its level at boot and when a program ends
	strayEdges = 5
	// V, how far the gate must be above the largest threshold: the transistor then conducts amperes, and the coil needs
	// only 0.1 A
	ample       = 0.4
	chill       = 0.05  // V, increase of a cold transistor's threshold: 2 mV/K from 25 to 0 °C
	quiet       = 50e-3 // s, longest pause of the heartbeat on a busy Pi
	longest     = 3.0   // s, time after which the simulation of a release gives up
	openBelow   = 0.10
	closedAbove = 0.75
)

// PumpFigures are the extreme values over all corners of a pump's tolerances.
type PumpFigures struct {
	Edges       [strayEdges + 1]float64 // V, highest gate voltage, by number of stray edges
	Least, Most float64                 // V, lowest and highest gate voltage with the heartbeat
	Stalled     float64                 // V, lowest gate voltage after 50 ms without a beat
	Release     float64                 // s, longest time until the relay opens
}

// PumpCorners returns the corners of a pump's tolerances: C1, C2, R2 and the Pi's 3.3 V each high or low, and three
// curves of diodes. C2a and C2b have the same value in each corner, because equal values are the worst case; so have
// the other parts that are fitted twice.
func PumpCorners(parts []Part) (corners []Corner, supplyHigh []bool) {
	for bits := range 1 << 4 {
		high := map[string]bool{}
		for _, p := range parts {
			for i, group := range []string{"C1", "C2", "R2"} {
				if strings.HasPrefix(p.Name, group) {
					high[p.Name] = bits>>i&1 == 1
				}
			}
		}
		for _, d := range []Diodes{Cold, Fresh, Hot} {
			// in corner 13, C1, R2 and 3.3 V are high, and C2 is low
			if extreme := bits == 0 || bits == 13; d == Fresh && !extreme && bits != 15 {
				continue
			}
			corners = append(corners, Corner{High: high, Diodes: d, Strong: d == Hot})
			supplyHigh = append(supplyHigh, bits>>3 == 1)
		}
	}
	return corners, supplyHigh
}

// partsAtGate returns all parts except the parts at Q1's drain, which do not affect the gate.
func partsAtGate(parts []Part) (out []Part) {
	for _, p := range parts {
		if p.Kind != "COIL" && p.Kind != "V" && p.Kind != "FUSE" && p.Kind != "TVS" {
			out = append(out, p)
		}
	}
	return out
}

// JudgePump simulates one corner and returns the requirements that the pump violates.
func JudgePump(parts []Part, c Corner, supplyHigh bool) (f PumpFigures, wrong []string, err error) {
	p, err := NewPump(partsAtGate(parts), c, supplyHigh)
	if err != nil {
		return f, nil, err
	}
	q, _ := Find(parts, "Q1")
	least, most, _, err := Threshold(q.Text)
	if err != nil {
		return f, nil, err
	}
	say := func(format string, a ...any) { wrong = append(wrong, fmt.Sprintf(format, a...)) }
	for _, apart := range []float64{1e-3, 5e-3} {
		most, err := p.Edges(strayEdges, apart)
		if err != nil {
			return f, nil, err
		}
		for i, v := range most {
			f.Edges[i+1] = max(f.Edges[i+1], v)
		}
	}
	for n, v := range f.Edges {
		if v >= least {
			say("%d stray edges put %.2f V on the gate", n, v)
		}
	}
	if f.Least, f.Most, err = p.Steady(); err != nil {
		return f, nil, err
	}
	if f.Least < most+ample+chill {
		say("the heartbeat holds the gate at %.2f V only", f.Least)
	}
	if err := p.measureStalls(&f, least); err != nil {
		return f, nil, err
	}
	if f.Stalled < most+chill {
		say("a Pi that stalls for 50 ms leaves %.2f V on the gate", f.Stalled)
	}
	if f.Release > PumpRelease.Seconds() {
		say("stuck, it is still closed after %.2f s", f.Release)
	}
	return f, wrong, nil
}

// measureStalls stops the heartbeat with the line high, and with the line low. measureStalls stores in f the voltage
// after a stall and the time until the relay opens.
func (p *Pump) measureStalls(f *PumpFigures, least float64) error {
	for _, high := range []bool{true, false} {
		if !high { // charge the pump again, because the first stall has discharged it
			if _, _, err := p.Steady(); err != nil {
				return err
			}
		}
		v, _, err := p.Hold(high, quiet)
		if err != nil {
			return err
		}
		if f.Stalled == 0 || v < f.Stalled {
			f.Stalled = v
		}
		rest, err := p.Release(high, least, longest)
		if err != nil {
			return err
		}
		f.Release = max(f.Release, quiet+rest)
	}
	return nil
}
