package circuit

import (
	"errors"
	"fmt"
	"math"
)

// Ground is the reference node of all voltages.
const Ground = "gnd"

// The constants are the limits of the solver. The circuits have currents from 0.1 µA to 10 A.
const (
	leastConductance = 1e-9 // S (1 GΩ), from every node to ground, so that a floating node has a voltage
	closedContact    = 0.05 // Ω
	converged        = 2e-5 // V, largest change of a node in the last Newton iteration of a time step
	// V, largest change of a node in the last Newton iteration of a steady state. The limit is larger because
	// rounding moves a floating node by 1e-5 V (5 V at 20 S, in 1 GΩ).
	steady        = 2e-4
	maxIterations = 300
)

// ErrNoSolution reports a circuit whose equations did not converge.
var ErrNoSolution = errors.New("circuit: Newton iteration did not converge")

// Net is a simulated circuit: its nodes, its elements and the last voltages. A Net is not safe for concurrent use.
type Net struct {
	index    map[string]int // index of each node by its name; ground has the index -1
	v        []float64      // V, voltage of each node after the last solution
	elements []element
	named    map[string]element
	matrix   [][]float64
	right    []float64
	least    float64 // S, conductance from every node to ground
	limited  bool    // true if the solver limited the voltage of a junction in this iteration
}

// element is a part that adds its conductance and current to the equations.
type element interface {
	stamp(n *Net, dt float64)
	// accept stores the element's state for the next time step.
	accept(n *Net, dt float64)
}

// NewNet returns an empty circuit.
func NewNet() *Net {
	return &Net{index: map[string]int{Ground: -1}, named: map[string]element{}, least: leastConductance}
}

func (n *Net) node(name string) int {
	i, ok := n.index[name]
	if !ok {
		i = len(n.v)
		n.index[name] = i
		n.v = append(n.v, 0)
	}
	return i
}

func (n *Net) add(name string, e element) {
	n.elements = append(n.elements, e)
	n.named[name] = e
}

// At returns the voltage of a node in V, or NaN for an unknown node.
func (n *Net) At(node string) float64 {
	i, ok := n.index[node]
	if !ok {
		return math.NaN()
	}
	return n.voltage(i)
}

func (n *Net) voltage(i int) float64 {
	if i < 0 {
		return 0
	}
	return n.v[i]
}

func (n *Net) across(a, b int) float64 { return n.voltage(a) - n.voltage(b) }

// conduct adds a conductance between two nodes.
func (n *Net) conduct(a, b int, g float64) {
	n.transconduct(a, b, a, b, g)
}

// transconduct adds a current g·v(c,d) that flows from a to b through the element.
func (n *Net) transconduct(a, b, c, d int, g float64) {
	for _, x := range [...]struct {
		row, col int
		g        float64
	}{{a, c, g}, {a, d, -g}, {b, c, -g}, {b, d, g}} {
		if x.row >= 0 && x.col >= 0 {
			n.matrix[x.row][x.col] += x.g
		}
	}
}

// inject adds a current that leaves node a and enters node b through the element.
func (n *Net) inject(a, b int, i float64) {
	if a >= 0 {
		n.right[a] -= i
	}
	if b >= 0 {
		n.right[b] += i
	}
}

// Solve finds the steady state, in which capacitors carry no current and inductors are wires.
func (n *Net) Solve() error { return n.newton(0) }

// Step advances the simulation by dt seconds (backward Euler method).
func (n *Net) Step(dt float64) error {
	if dt <= 0 {
		return fmt.Errorf("circuit: time step is %g s, want more than 0", dt)
	}
	return n.newton(dt)
}

// Rest discharges all capacitors and inductors.
func (n *Net) Rest() {
	for _, e := range n.elements {
		switch e := e.(type) {
		case *capacitor:
			e.v = 0
		case *inductor:
			e.i = 0
		}
	}
	for i := range n.v {
		n.v[i] = 0
	}
}

// newton solves the equations. If the iteration does not converge, newton adds a conductance from every node to ground,
// and reduces this conductance step by step.
func (n *Net) newton(dt float64) error {
	n.resize()
	err := n.iterate(dt)
	for g := 1e-2; err != nil && g >= leastConductance; g /= 10 {
		n.least = g
		n.iterate(dt) // ignore the error: the next iteration continues with a smaller conductance
	}
	if n.least != leastConductance {
		n.least = leastConductance
		err = n.iterate(dt)
	}
	if err != nil {
		return err
	}
	for _, e := range n.elements {
		e.accept(n, dt)
	}
	return nil
}

func (n *Net) iterate(dt float64) error {
	limit := converged
	if dt == 0 {
		limit = steady
	}
	for range maxIterations {
		n.clear()
		for _, e := range n.elements {
			e.stamp(n, dt)
		}
		next, err := n.eliminate()
		if err != nil {
			return err
		}
		if n.storeVoltages(next) < limit && !n.limited {
			return nil
		}
	}
	return ErrNoSolution
}

// storeVoltages stores the next voltages and returns the largest change.
func (n *Net) storeVoltages(next []float64) (change float64) {
	for i, v := range next {
		change = max(change, math.Abs(v-n.v[i]))
		n.v[i] = v
	}
	return change
}

func (n *Net) resize() {
	if len(n.matrix) == len(n.v) {
		return
	}
	n.matrix = make([][]float64, len(n.v))
	for i := range n.matrix {
		n.matrix[i] = make([]float64, len(n.v))
	}
	n.right = make([]float64, len(n.v))
}

func (n *Net) clear() {
	n.limited = false
	for i := range n.matrix {
		for j := range n.matrix[i] {
			n.matrix[i][j] = 0
		}
		n.matrix[i][i] = n.least
		n.right[i] = 0
	}
}

// eliminate solves the linear equations (Gaussian elimination with partial pivoting).
func (n *Net) eliminate() ([]float64, error) {
	a, b := n.matrix, n.right
	for k := range a {
		p := k
		for i := k + 1; i < len(a); i++ {
			if math.Abs(a[i][k]) > math.Abs(a[p][k]) {
				p = i
			}
		}
		a[k], a[p], b[k], b[p] = a[p], a[k], b[p], b[k]
		if a[k][k] == 0 || math.IsNaN(a[k][k]) {
			return nil, ErrNoSolution
		}
		pivot := a[k]
		for i := k + 1; i < len(a); i++ {
			row := a[i][:len(pivot)]
			f := row[k] / pivot[k]
			if f == 0 {
				continue
			}
			for j := k; j < len(pivot); j++ {
				row[j] -= f * pivot[j]
			}
			b[i] -= f * b[k]
		}
	}
	for k := len(a) - 1; k >= 0; k-- {
		for j := k + 1; j < len(a); j++ {
			b[k] -= a[k][j] * b[j]
		}
		b[k] /= a[k][k]
	}
	return b, nil
}
