package circuit

import "fmt"

// Fault is one broken part. The zero Fault means that no part is broken.
type Fault struct {
	Part  string
	Short bool   // shorted; otherwise open
	Pins  [2]int // the two pins that are shorted, for a part with three pins
}

// Corner is one combination of tolerances: the value of each part is at one end of the part's tolerance.
type Corner struct {
	High   map[string]bool // the parts that have the upper end of their tolerance; all other parts have the lower end
	Middle bool            // true if all parts have their nominal values
	Diodes Diodes
	Strong bool // true if transistors and optocouplers have their largest gain
}

// Of returns the value of a part in this corner.
func (c Corner) Of(p Part) float64 {
	switch {
	case c.Middle:
		return p.Value
	case c.High[p.Name]:
		return p.Value * (1 + p.Tolerance)
	}
	return p.Value * (1 - p.Tolerance)
}

const (
	shorted    = 0.05  // Ω
	loadOhm    = 100.0 // Ω, resistance of a load; a current through the load shows that the circuit supplies power
	insulation = 1e6   // Ω, resistance to ground of a supply that is not connected to ground
	sourceOhm  = 0.1   // Ω, internal resistance of a supply
	// A/V², slope of a power transistor; the slope does not matter, because the threshold determines the limits
	strongFet = 20.0
)

// Build returns the net of a circuit with faults. In the new net all contacts are open and all pins float.
func Build(parts []Part, c Corner, faults ...Fault) (*Net, error) {
	n := NewNet()
	for _, p := range parts {
		fault := Fault{}
		for _, f := range faults {
			if f.Part == p.Name {
				fault = f
			}
		}
		if fault.Part != "" {
			for _, node := range p.Nodes { // add the nodes also of a broken part, so that they have a voltage
				n.node(node)
			}
			if fault.Short && len(p.Nodes) > 1 {
				pins := fault.Pins
				if pins == [2]int{} {
					pins = [2]int{0, 1}
				}
				n.R(p.Name+" short", p.Nodes[pins[0]], p.Nodes[pins[1]], shorted)
			}
			if !fault.Short || len(p.Nodes) < 3 {
				continue
			} // continue, because the rest of a shorted transistor still works
		}
		if err := n.part(p, c); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return n, nil
}

func (n *Net) part(p Part, c Corner) error {
	x := p.Nodes
	switch p.Kind {
	case "R", "COIL":
		n.R(p.Name, x[0], x[1], c.Of(p))
	case "FUSE":
		n.R(p.Name, x[0], x[1], closedContact)
	case "C":
		n.C(p.Name, x[0], x[1], c.Of(p))
	case "V":
		n.V(p.Name, x[0], x[1], c.Of(p), sourceOhm)
		if x[1] != Ground {
			n.R(p.Name+" insulation", x[1], Ground, insulation)
		}
	case "PIN":
		n.V(p.Name, x[0], Ground, 0, 1e9)
	case "NC", "NO":
		n.Contact(p.Name, x[0], x[1])
	case "LOAD":
		n.R(p.Name, x[0], x[1], loadOhm)
	case "TIME":
	default:
		return n.semiconductor(p, c)
	}
	return nil
}

func (n *Net) semiconductor(p Part, c Corner) error {
	x := p.Nodes
	switch p.Kind {
	case "D", "LED":
		j, err := junctionOf(p.Text, c.Diodes)
		if err != nil {
			return err
		}
		n.D(p.Name, x[0], x[1], j)
	case "OPTO":
		j, err := junctionOf(p.Text, c.Diodes)
		if err != nil {
			return err
		}
		gain := 0.5 // the PC817 has a current transfer ratio of 50 to 600 % at 5 mA (Sharp)
		if c.Strong {
			gain = 6
		}
		n.Opto(p.Name, x[0], x[1], x[2], x[3], j, gain)
	case "TVS":
		least, most, ohm, err := clampOf(p.Text)
		if err != nil {
			return err
		}
		if c.High[p.Name] {
			least = most
		}
		n.Clamp(p.Name, x[0], x[1], least, ohm)
	case "NPN":
		q, err := transistorOf(p.Text, c.Diodes, c.Strong)
		if err != nil {
			return err
		}
		n.NPN(p.Name, x[0], x[1], x[2], q)
	case "NMOS":
		least, most, leak, err := Threshold(p.Text)
		if err != nil {
			return err
		}
		if !c.Strong {
			least = most
		}
		n.NMOS(p.Name, x[0], x[1], x[2], Fet{least, strongFet})
		n.Leak(p.Name+" gate", x[0], x[2], leak)
	}
	return nil
}
