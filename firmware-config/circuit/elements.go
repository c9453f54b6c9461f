package circuit

import "math"

// boltzmann is Boltzmann's constant divided by the electron's charge, in V/K. Multiplied by a junction's temperature it
// gives the thermal voltage (25.7 mV at 25 °C).
const boltzmann = 8.617e-5

// pair contains the two nodes of an element.
type pair struct{ a, b int }

func (pair) accept(*Net, float64) {}

// resistor is a resistor, a wire, or a contact (closed or open).
type resistor struct {
	pair
	g float64
}

func (r *resistor) stamp(n *Net, _ float64) { n.conduct(r.a, r.b, r.g) }

// R adds a resistor, in Ω.
func (n *Net) R(name, a, b string, ohm float64) {
	n.add(name, &resistor{pair{n.node(a), n.node(b)}, 1 / ohm})
}

// Contact adds an open contact.
func (n *Net) Contact(name, a, b string) {
	n.add(name, &resistor{pair{n.node(a), n.node(b)}, 0})
}

// Close closes or opens a contact. Close returns false if the net has no contact with this name.
func (n *Net) Close(name string, closed bool) bool {
	r, ok := n.named[name].(*resistor)
	if ok && closed {
		r.g = 1 / closedContact
	} else if ok {
		r.g = 0
	}
	return ok
}

// capacitor is a capacitor with its present voltage.
type capacitor struct {
	pair
	farad, v float64
}

func (c *capacitor) stamp(n *Net, dt float64) {
	if dt > 0 {
		g := c.farad / dt
		n.conduct(c.a, c.b, g)
		n.inject(c.a, c.b, -g*c.v)
	}
}

func (c *capacitor) accept(n *Net, _ float64) { c.v = n.across(c.a, c.b) }

// C adds a discharged capacitor.
func (n *Net) C(name, a, b string, farad float64) {
	n.add(name, &capacitor{pair: pair{n.node(a), n.node(b)}, farad: farad})
}

// Charge sets the voltage of a capacitor. Charge returns false if the net has no capacitor with this name.
func (n *Net) Charge(name string, volt float64) bool {
	c, ok := n.named[name].(*capacitor)
	if ok {
		c.v = volt
	}
	return ok
}

// inductor is an inductor with its present current.
type inductor struct {
	pair
	henry, i float64
}

func (l *inductor) stamp(n *Net, dt float64) {
	if dt == 0 {
		n.conduct(l.a, l.b, 1/closedContact)
		return
	}
	n.conduct(l.a, l.b, dt/l.henry)
	n.inject(l.a, l.b, l.i)
}

func (l *inductor) accept(n *Net, dt float64) {
	if dt == 0 {
		l.i = n.across(l.a, l.b) / closedContact
	} else {
		l.i += dt / l.henry * n.across(l.a, l.b)
	}
}

// L adds an inductor without current.
func (n *Net) L(name, a, b string, henry float64) {
	n.add(name, &inductor{pair: pair{n.node(a), n.node(b)}, henry: henry})
}

// source is a voltage source with a series resistance.
type source struct {
	pair
	volt, g float64
}

func (s *source) stamp(n *Net, _ float64) {
	n.conduct(s.a, s.b, s.g)
	n.inject(s.a, s.b, -s.volt*s.g)
}

// V adds a voltage source from node b (−) to node a (+) with a series resistance in Ω.
func (n *Net) V(name, a, b string, volt, ohm float64) {
	n.add(name, &source{pair{n.node(a), n.node(b)}, volt, 1 / ohm})
}

// Drive sets the voltage in V and the resistance in Ω of a source. A resistance of math.Inf(1) disconnects the source.
// Drive returns false if the net has no source with this name.
func (n *Net) Drive(name string, volt, ohm float64) bool {
	s, ok := n.named[name].(*source)
	if ok {
		s.volt, s.g = volt, 1/ohm
	}
	return ok
}

// sink is a leakage current from node a to node b that hardly depends on the voltage.
type sink struct {
	pair
	i float64
}

// stamp reduces the current to zero at zero volts, because a leakage discharges a node but never makes the node's
// voltage negative.
func (s *sink) stamp(n *Net, _ float64) {
	g := s.i / 0.1
	if v := n.across(s.a, s.b); v > 0.1 {
		n.inject(s.a, s.b, s.i)
	} else {
		n.conduct(s.a, s.b, g)
	}
}

// Leak adds a leakage from a to b, in A.
func (n *Net) Leak(name, a, b string, ampere float64) {
	n.add(name, &sink{pair{n.node(a), n.node(b)}, ampere})
}

// Junction is the model of a diode: I = Saturation·(exp(V/(Emission·kT/q)) − 1) + Leak·V.
type Junction struct {
	Saturation float64 // A
	Emission   float64 // 1 to 2
	Kelvin     float64 // the junction's temperature
}

// JunctionOf returns the model of a diode with this voltage drop at this current and temperature in °C.
func JunctionOf(volt, ampere, emission, celsius float64) Junction {
	j := Junction{Emission: emission, Kelvin: celsius + 273.15}
	j.Saturation = ampere / (math.Exp(volt/j.thermal()) - 1)
	return j
}

func (j Junction) thermal() float64 { return j.Emission * boltzmann * j.Kelvin }

// steepest is the exponent above which the model replaces a junction's exponential by a straight line, so that the
// current does not overflow.
const steepest = 70

// current returns the current and the conductance at the voltage v.
func (j Junction) current(v float64) (i, g float64) {
	t := j.thermal()
	x := v / t
	if x > steepest {
		top := math.Exp(steepest)
		return j.Saturation * (top*(1+x-steepest) - 1), j.Saturation * top / t
	}
	e := math.Exp(x)
	return j.Saturation * (e - 1), j.Saturation*e/t + leastConductance
}

// limitVoltage limits the next value of a junction's voltage, because the exponential would make Newton's method
// diverge (pnjlim in SPICE).
func (j Junction) limitVoltage(next, last float64) float64 {
	t := j.thermal()
	critical := t * math.Log(t/(math.Sqrt2*j.Saturation))
	if next <= critical || math.Abs(next-last) <= 2*t {
		return next
	}
	if last > 0 {
		if x := 1 + (next-last)/t; x > 0 {
			return last + t*math.Log(x)
		}
		return critical
	}
	return t * math.Log(max(next/t, 1e-9))
}

// limitVoltage limits the next voltage of a junction, and records whether the limited voltage differs from the voltage
// between the junction's nodes.
func (n *Net) limitVoltage(j Junction, next, last float64) float64 {
	v := j.limitVoltage(next, last)
	if math.Abs(v-next) > steady {
		n.limited = true
	}
	return v
}

// diode is a diode with its anode at a and its cathode at b.
type diode struct {
	pair
	j    Junction
	last float64
}

func (d *diode) stamp(n *Net, _ float64) {
	d.last = n.limitVoltage(d.j, n.across(d.a, d.b), d.last)
	i, g := d.j.current(d.last)
	n.conduct(d.a, d.b, g)
	n.inject(d.a, d.b, i-g*d.last)
}

// D adds a diode from its anode to its cathode.
func (n *Net) D(name, anode, cathode string, j Junction) {
	n.add(name, &diode{pair: pair{n.node(anode), n.node(cathode)}, j: j})
}

// clamp is a bidirectional suppressor, which conducts in both directions above its breakdown voltage.
type clamp struct {
	pair
	volt, ohm float64
}

func (c *clamp) stamp(n *Net, _ float64) {
	switch v := n.across(c.a, c.b); {
	case v > c.volt:
		n.conduct(c.a, c.b, 1/c.ohm)
		n.inject(c.a, c.b, -c.volt/c.ohm)
	case v < -c.volt:
		n.conduct(c.a, c.b, 1/c.ohm)
		n.inject(c.a, c.b, c.volt/c.ohm)
	}
}

// Clamp adds a bidirectional suppressor that conducts above volt, with a series resistance in Ω.
func (n *Net) Clamp(name, a, b string, volt, ohm float64) {
	n.add(name, &clamp{pair{n.node(a), n.node(b)}, volt, ohm})
}
