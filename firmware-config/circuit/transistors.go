package circuit

import "math"

// Bipolar is the model of an NPN transistor (Ebers and Moll, transport form).
type Bipolar struct {
	Junction
	Gain    float64 // forward current gain: the smallest or the largest value of the data sheet
	Reverse float64 // reverse current gain
}

// npn is an NPN transistor between three nodes.
type npn struct {
	b, c, e  int
	q        Bipolar
	vbe, vbc float64
}

func (npn) accept(*Net, float64) {}

func (q *npn) stamp(n *Net, _ float64) {
	q.vbe = n.limitVoltage(q.q.Junction, n.across(q.b, q.e), q.vbe)
	q.vbc = n.limitVoltage(q.q.Junction, n.across(q.b, q.c), q.vbc)
	ife, gfe := q.q.current(q.vbe)
	irc, grc := q.q.current(q.vbc)
	// Add the base currents: the transport currents divided by the gains.
	base := func(x int, i, g, v, gain float64) {
		n.conduct(q.b, x, g/gain)
		n.inject(q.b, x, i/gain-g/gain*v)
	}
	base(q.e, ife, gfe, q.vbe, q.q.Gain)
	base(q.c, irc, grc, q.vbc, q.q.Reverse)
	// Add the collector's transport current ife − irc.
	n.transconduct(q.c, q.e, q.b, q.e, gfe)
	n.transconduct(q.c, q.e, q.b, q.c, -grc)
	n.inject(q.c, q.e, ife-irc-gfe*q.vbe+grc*q.vbc)
}

// NPN adds an NPN transistor.
func (n *Net) NPN(name, base, collector, emitter string, q Bipolar) {
	n.add(name, &npn{b: n.node(base), c: n.node(collector), e: n.node(emitter), q: q})
}

// Fet is the model of an N-channel transistor (square law).
type Fet struct {
	Threshold float64 // V, gate to source
	Slope     float64 // A/V²
}

// nmos is an N-channel transistor between three nodes, without a gate current.
type nmos struct {
	g, d, s int
	m       Fet
}

func (nmos) accept(*Net, float64) {}

func (m *nmos) stamp(n *Net, _ float64) {
	over, vds := n.across(m.g, m.s)-m.m.Threshold, n.across(m.d, m.s)
	if over <= 0 {
		n.conduct(m.d, m.s, leastConductance)
		return
	}
	var i, gm, gd float64
	if vds < 0 { // a channel is a resistor in both directions
		i, gd = m.m.Slope*over*vds, m.m.Slope*over
	} else if vds < over {
		i, gm, gd = m.m.Slope*(over*vds-vds*vds/2), m.m.Slope*vds, m.m.Slope*(over-vds)
	} else {
		i, gm, gd = m.m.Slope*over*over/2, m.m.Slope*over, leastConductance
	}
	n.conduct(m.d, m.s, gd)
	n.transconduct(m.d, m.s, m.g, m.s, gm)
	n.inject(m.d, m.s, i-gd*vds-gm*(over+m.m.Threshold))
}

// NMOS adds an N-channel transistor.
func (n *Net) NMOS(name, gate, drain, source string, m Fet) {
	n.add(name, &nmos{n.node(gate), n.node(drain), n.node(source), m})
}

// opto is the output of an optocoupler: a current proportional to the current of its LED, limited by the voltage
// across the output.
type opto struct {
	led  *diode
	c, e int
	gain float64 // current transfer ratio: 1 is 100 %
}

func (opto) accept(*Net, float64) {}

// knee is a voltage that shapes an optocoupler's output near saturation: at 0.2 V, where most data sheets specify the
// saturated current, the output carries 95 % of the current.
const knee = 0.067

func (o *opto) stamp(n *Net, _ float64) {
	i, g := o.led.j.current(o.led.last)
	i, g = max(i, 0)*o.gain, g*o.gain
	v := n.across(o.c, o.e)
	part, slope := v/knee, 1/knee // the model of the output is a resistor in the reverse direction
	if v > 0 {
		e := math.Exp(-v / knee)
		part, slope = 1-e, e/knee
	}
	gd, gm := i*slope+leastConductance, g*part
	n.conduct(o.c, o.e, gd)
	n.transconduct(o.c, o.e, o.led.a, o.led.b, gm)
	n.inject(o.c, o.e, i*part-gd*v-gm*o.led.last)
}

// Opto adds an optocoupler: an LED and a transistor that carries gain times its current.
func (n *Net) Opto(name, anode, cathode, collector, emitter string, j Junction, gain float64) {
	led := &diode{pair: pair{n.node(anode), n.node(cathode)}, j: j}
	n.add(name, led)
	n.add(name+" output", &opto{led: led, c: n.node(collector), e: n.node(emitter), gain: gain})
}

// Through returns the current through a two-pole part in A, from the part's first node to its second node. For an
// unknown part it returns 0.
func (n *Net) Through(name string) float64 {
	switch e := n.named[name].(type) {
	case *resistor:
		return n.across(e.a, e.b) * e.g
	case *source:
		return (n.across(e.a, e.b) - e.volt) * e.g
	case *diode:
		i, _ := e.j.current(n.across(e.a, e.b))
		return i
	case *inductor:
		return e.i
	}
	return 0
}
