package circuit

import (
	"errors"
	"math"
	"testing"
)

// isNear reports whether got differs from want by at most the fraction part of want.
func isNear(got, want, part float64) bool { return math.Abs(got-want) <= part*math.Abs(want) }

func solved(t *testing.T, n *Net) *Net {
	t.Helper()
	if err := n.Solve(); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestVoltageDividerMatchesTheFormula(t *testing.T) {
	n := NewNet()
	n.V("V", "in", Ground, 5, 0.001)
	n.R("R1", "in", "out", 1000)
	n.R("R2", "out", Ground, 2000)
	solved(t, n)
	if v := n.At("out"); !isNear(v, 10.0/3, 1e-5) {
		t.Errorf("1 kΩ and 2 kΩ at 5 V: %.4f V, want 3.3333", v)
	}
	if i := n.Through("R1"); !isNear(i, 5.0/3000, 1e-5) {
		t.Errorf("current %.6f A, want 0.001667", i)
	}
}

// A Wheatstone bridge cannot be reduced to series and parallel parts. With 1, 2, 3, 4 Ω and 5 Ω across the bridge, at
// 10 V, the node equations (10−x)/1 = x/3 + (x−y)/5 and (10−y)/2 = y/4 − (x−y)/5 give x = 126/17, y = 116/17.
func TestUnbalancedBridgeMatchesTheNodeEquations(t *testing.T) {
	n := NewNet()
	n.V("V", "in", Ground, 10, 1e-6)
	n.R("a", "in", "x", 1)
	n.R("b", "in", "y", 2)
	n.R("c", "x", Ground, 3)
	n.R("d", "y", Ground, 4)
	n.R("e", "x", "y", 5)
	solved(t, n)
	x, y := n.At("x"), n.At("y")
	if !isNear((10-x)/1, x/3+(x-y)/5, 1e-4) || !isNear((10-y)/2, y/4-(x-y)/5, 1e-4) ||
		!isNear(x, 126.0/17, 1e-4) || !isNear(y, 116.0/17, 1e-4) {
		t.Errorf("bridge: %.4f V and %.4f V", x, y)
	}
}

func TestCapacitorChargesByItsTimeConstant(t *testing.T) {
	n := NewNet()
	n.V("V", "in", Ground, 1, 0.001)
	n.R("R", "in", "out", 1e3)
	n.C("C", "out", Ground, 1e-6)
	for range 1000 {
		if err := n.Step(1e-6); err != nil {
			t.Fatal(err)
		}
	}
	if v, want := n.At("out"), 1-math.Exp(-1); !isNear(v, want, 2e-3) {
		t.Errorf("after R·C: %.4f V, want %.4f", v, want)
	}
	n.Rest()
	if err := n.Step(1e-9); err != nil || n.At("out") > 1e-3 {
		t.Errorf("at rest: %.4f V, %v", n.At("out"), err)
	}
}

func TestCoilsCurrentDecaysByItsTimeConstant(t *testing.T) {
	n := NewNet()
	n.V("V", "in", Ground, 24, 0.001)
	n.R("R", "in", "x", 100)
	n.L("L", "x", Ground, 2.8)
	solved(t, n)
	if i := n.Through("L"); !isNear(i, 0.24, 1e-2) {
		t.Fatalf("steady current %.4f A, want 0.24", i)
	}
	n.Drive("V", 0, 0.001) // the coil's current then flows through the model of a diode without a forward voltage
	for range 28000 {
		if err := n.Step(1e-6); err != nil {
			t.Fatal(err)
		}
	}
	if i, want := n.Through("L"), 0.24*math.Exp(-1); !isNear(i, want, 5e-3) {
		t.Errorf("after L/R: %.4f A, want %.4f", i, want)
	}
}

func TestDiodeVoltageMatchesItsModel(t *testing.T) {
	j := JunctionOf(0.7, 10e-3, 1.8, 25)
	n := NewNet()
	n.V("V", "in", Ground, 1.7, 0.001)
	n.R("R", "in", "a", 100)
	n.D("D", "a", Ground, j)
	solved(t, n)
	if v := n.At("a"); !isNear(v, 0.7, 1e-3) {
		t.Errorf("at 10 mA: %.4f V, want 0.7", v)
	}
	n.Drive("V", -10, 0.001)
	solved(t, n)
	if i := n.Through("D"); i > 0 || i < -2*j.Saturation {
		t.Errorf("reverse current is %g A, want the saturation current %g A", i, j.Saturation)
	}
}

func TestTransistorsAmplifyAndSaturate(t *testing.T) {
	n := NewNet()
	n.V("V", "five", Ground, 5, 0.001)
	n.V("B", "in", Ground, 3.3, 0.001)
	n.R("RB", "in", "b", 100e3)
	n.R("RC", "five", "c", 1000)
	n.NPN("Q", "b", "c", Ground, Bipolar{JunctionOf(0.65, 1e-3, 1, 25), 100, 5})
	solved(t, n)
	if b, c := n.Through("RB"), n.Through("RC"); !isNear(c, 100*b, 0.02) {
		t.Errorf("base %g A, collector %g A, want 100 times", b, c)
	}
	n = NewNet()
	n.V("V", "five", Ground, 5, 0.001)
	n.V("B", "in", Ground, 3.3, 0.001)
	n.R("RB", "in", "b", 1000)
	n.R("RC", "five", "c", 1000)
	n.NPN("Q", "b", "c", Ground, Bipolar{JunctionOf(0.65, 1e-3, 1, 25), 100, 5})
	solved(t, n)
	if v := n.At("c"); v < 0 || v > 0.2 {
		t.Errorf("saturated, it leaves %.3f V", v)
	}
	n = NewNet()
	n.V("V", "five", Ground, 5, 0.001)
	n.V("G", "g", Ground, 2, 0.001)
	n.R("RD", "five", "d", 10)
	n.NMOS("Q", "g", "d", Ground, Fet{1, 0.2}) // the saturated transistor carries 0.2/2·1² = 0.1 A
	solved(t, n)
	if i := n.Through("RD"); !isNear(i, 0.1, 1e-3) {
		t.Errorf("MOSFET carries %.4f A, want 0.1", i)
	}
	n.Drive("G", 0.9, 0.001)
	solved(t, n)
	if i := n.Through("RD"); i > 1e-7 {
		t.Errorf("below its threshold the MOSFET carries %g A", i)
	}
}

func TestOptocouplerTransfersItsCurrent(t *testing.T) {
	build := func(load float64) *Net {
		n := NewNet()
		n.V("V", "in", Ground, 6, 0.001)
		n.R("R", "in", "a", 1000)
		n.Opto("U", "a", Ground, "c", Ground, JunctionOf(1.0, 5e-3, 1.7, 25), 0.5)
		n.V("P", "rail", Ground, 3.3, 0.001)
		n.R("L", "rail", "c", load)
		return solved(t, n)
	}
	if i := build(100).Through("L"); !isNear(i, 2.5e-3, 1e-2) {
		t.Errorf("5 mA at 50 %%: %.5f A, want 0.0025", i)
	}
	if v := build(100e3).At("c"); v > 0.2 {
		t.Errorf("saturated, it leaves %.3f V", v)
	}
}

func TestSuppressorClampsInBothDirections(t *testing.T) {
	for _, volt := range []float64{60, -60} {
		n := NewNet()
		n.V("V", "in", Ground, volt, 0.001)
		n.R("R", "in", "a", 99)
		n.Clamp("D", "a", Ground, 40, 1)
		solved(t, n)
		if v := n.At("a"); !isNear(math.Abs(v), 40.2, 1e-3) {
			t.Errorf("%v V behind 99 Ω: %.3f V, want ±40.2", volt, v)
		}
	}
}

func TestSingularCircuitIsAnError(t *testing.T) {
	n := NewNet()
	n.V("V", "in", Ground, math.NaN(), 1)
	if err := n.Solve(); !errors.Is(err, ErrNoSolution) {
		t.Errorf("Solve of a circuit with the voltage NaN returned %v, want ErrNoSolution", err)
	}
	if err := n.Step(0); err == nil {
		t.Error("Step accepted a time step of 0 s")
	}
	if !math.IsNaN(n.At("nowhere")) || n.Close("nothing", true) || n.Drive("nothing", 1, 1) || n.Charge("nothing", 1) {
		t.Error("a method accepted an unknown part")
	}
}
