package relay

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// pump is the charge pump of firmware-config/charge-pump.svg: the line, R1, C1, then D2 to ground and D1 to Q1's gate with C2 and R2.
type pump struct {
	r1, c1, c2, r2 float64 // Ω, F, F, Ω
	beat           float64 // s between two toggles
	supply, drop   float64 // V: the Pi's 3.3 V, and a diode's
	v1, gate       float64 // V: over C1, and at the gate
}

// The bounds of what is soldered. Q1 is an AO3400A: VGS(th) 0.65 to 1.45 V (Alpha & Omega's datasheet, static parameters). A BAT85 drops
// at most 0.24 V at 0.1 mA and 0.32 V at 1 mA (NXP's datasheet, table 7), less when it is warm; R1 lets far less flow when a beat ends.
const (
	thresholdMin, thresholdMax = 0.65, 1.45
	dropMin, dropMax           = 0.10, 0.30
	capacitors, resistors      = 0.20, 0.05 // tolerances
	supplyNominal, supplyOff   = 3.3, 0.05
	ample                      = 0.4             // V above the highest threshold: the channel carries amperes there, the coil wants 0.1
	quiet                      = 50e-3           // s for which a busy Pi may not beat
	longest                    = 1.0             // s until Q1 is off
	step                       = 20e-6           // s; a third of the shortest R1·C1 here
	charged                    = 2 * time.Second // by then the pump is steady, whatever its values
)

// run has the line stand at high for a time and returns the highest voltage at the gate.
func (p *pump) run(high bool, seconds float64) (most float64) {
	line := 0.0
	if high {
		line = p.supply
	}
	for range int(math.Round(seconds / step)) {
		i := 0.0 // through R1 and C1, towards the diodes
		switch x := line - p.v1; {
		case x > p.gate+p.drop:
			i = (x - p.drop - p.gate) / p.r1
			p.gate += i * step / p.c2
		case x < -p.drop:
			i = (x + p.drop) / p.r1
		}
		p.v1 += i * step / p.c1
		p.gate -= p.gate / p.r2 * step / p.c2
		most = max(most, p.gate)
	}
	return most
}

// steady beats until nothing changes any more, and ends after a high beat.
func (p *pump) steady() (least float64) {
	for range int(charged.Seconds() / p.beat / 2) {
		p.run(false, p.beat)
		least = p.gate
		p.run(true, p.beat)
	}
	return least
}

// faults are what this pump, as it might be soldered, does that it must not.
func (p pump) faults() (out []string) {
	say := func(format string, a ...any) { out = append(out, fmt.Sprintf(format, a...)) }
	stray := p
	if v := stray.run(true, 10e-3); v >= thresholdMin {
		say("one rising edge puts %.2f V on the gate", v)
	}
	stray.run(false, 5e-3)
	if v := stray.run(true, 10e-3); v >= thresholdMin {
		say("two rising edges put %.2f V on the gate", v)
	}
	if v := p.steady(); v < thresholdMax+ample {
		say("the gate is held at %.2f V only", v)
	}
	for _, high := range []bool{true, false} {
		stuck := p
		if stuck.run(high, quiet); stuck.gate < thresholdMax {
			say("a Pi that stalls for 50 ms leaves %.2f V on the gate", stuck.gate)
		}
		if stuck.run(high, longest-quiet); stuck.gate > thresholdMin {
			say("stuck %s it is closed after a second: %.2f V", map[bool]string{true: "high", false: "low"}[high], stuck.gate)
		}
	}
	return out
}

// corners are the pumps that tolerances make of this one.
func (p pump) corners() (out []pump) {
	for n := range 1 << 5 {
		bit := func(i int, off float64) float64 { return 1 + off*float64(n>>i&1*2-1) }
		q := p
		q.c1, q.c2, q.r2, q.supply = p.c1*bit(0, capacitors), p.c2*bit(1, capacitors), p.r2*bit(2, resistors), supplyNominal*bit(3, supplyOff)
		if q.drop = dropMin; n>>4 == 1 {
			q.drop = dropMax
		}
		out = append(out, q)
	}
	return out
}

var unit = map[string]float64{"Ω": 1, "kΩ": 1e3, "µF": 1e-6, "ms": 1e-3}

// pumpOf reads the values that a drawing names.
func pumpOf(t *testing.T, drawing string) (p pump) {
	t.Helper()
	for name, to := range map[string]*float64{"R1": &p.r1, "C1": &p.c1, "C2": &p.c2, "R2": &p.r2, "toggled every": &p.beat} {
		m := regexp.MustCompile(name + ` ([\d.]+) (\S+?)[<,]`).FindStringSubmatch(drawing)
		if m == nil || unit[m[2]] == 0 {
			t.Fatalf("the drawing does not say %s", name)
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		*to = v * unit[m[2]]
	}
	return p
}

func drawn(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("../../firmware-config/charge-pump.svg")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestChargePumpHoldsForASignalAndForNothingElse(t *testing.T) {
	p := pumpOf(t, drawn(t))
	lowest, highest, off := math.Inf(1), 0.0, 0.0
	for _, q := range p.corners() {
		for _, why := range q.faults() {
			t.Errorf("C1 %.2f µF, C2 %.2f µF, R2 %.1f kΩ, %.2f V, diodes %.2f V: %s", q.c1*1e6, q.c2*1e6, q.r2/1e3, q.supply, q.drop, why)
		}
		v := q.steady()
		lowest, highest = min(lowest, v), max(highest, q.gate)
		for seconds := 0.0; q.gate > thresholdMin; seconds += 1e-3 {
			off = max(off, seconds)
			q.run(true, 1e-3)
		}
	}
	t.Logf("the gate is held at %.2f to %.2f V; with a line that sticks high Q1 is off after %.2f s at most", lowest, highest, off)
}

// The model must be able to say no: these were soldered, or nearly.
func TestChargePumpThatAStrayEdgeCouldCloseIsSeen(t *testing.T) {
	for _, x := range []struct {
		r1, c1, c2, r2, beat float64
		want                 string
	}{
		{220, 10e-6, 4.7e-6, 47e3, 25e-3, "one rising edge"},   // the first drawing
		{220, 10e-6, 4.7e-6, 47e3, 25e-3, "stuck high"},        // C1 and C2 empty themselves through R2 together
		{220, 1e-6, 4.7e-6, 47e3, 5e-3, "one rising edge"},     // good with these values to the letter, not with those of a shop
		{470, 330e-9, 4.7e-6, 68e3, 25e-3, "the gate is held"}, // today's, beaten as slowly as the first
		{470, 330e-9, 1e-6, 68e3, 2.5e-3, "stalls for 50 ms"},
	} {
		said := ""
		for _, q := range (pump{r1: x.r1, c1: x.c1, c2: x.c2, r2: x.r2, beat: x.beat}).corners() {
			said += strings.Join(q.faults(), "\n") + "\n"
		}
		if !strings.Contains(said, x.want) {
			t.Errorf("%+v: nobody says %q:\n%s", x, x.want, said)
		}
	}
}

// The guard, its manual, the drawing and the page for makers speak of one frequency.
func TestHeartbeatIsTheOneThatThePumpIsDrawnFor(t *testing.T) {
	if p := pumpOf(t, drawn(t)); math.Abs(p.beat-pulse.Seconds()) > 1e-9 {
		t.Errorf("the drawing's line is toggled every %v s, the guard's every %v", p.beat, pulse)
	}
	hertz := fmt.Sprintf("%.0f Hz", 1/pulse.Seconds()/2)
	for _, file := range []string{"doc.go", "../../firmware-config/charge-pump.svg", "../../firmware-config/README.md", "../../firmware-config/LISEZMOI.md", "../../firmware-config/mfrc522-contactor.yaml"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, said := range regexp.MustCompile(`\d+ Hz`).FindAllString(string(b), -1) {
			if said != hertz && said != "50 Hz" {
				t.Errorf("%s says %s, the guard beats with %s", file, said, hertz)
			}
		}
		if !strings.Contains(string(b), hertz) {
			t.Errorf("%s does not say %s", file, hertz)
		}
	}
}
