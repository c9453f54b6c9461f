package relay

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"portillon/firmware-config/circuit"
)

// Three places must state the same frequency as the guard: its package documentation, the drawing, and the
// documentation for makers.
func TestHeartbeatFrequencyMatchesThePumpsDrawing(t *testing.T) {
	svg, err := os.ReadFile("../../firmware-config/charge-pump.svg")
	if err != nil {
		t.Fatal(err)
	}
	d, err := circuit.Read(svg)
	if err != nil {
		t.Fatal(err)
	}
	if beat, ok := circuit.Find(d.Circuits["pump"], "BEAT"); !ok || math.Abs(beat.Value-pulse.Seconds()) > 1e-9 {
		t.Errorf("the drawing's line is toggled every %v s, the guard's every %v", beat.Value, pulse)
	}
	hertz := fmt.Sprintf("%.0f Hz", 1/pulse.Seconds()/2)
	for _, file := range []string{
		"doc.go", "../../firmware-config/charge-pump.svg", "../../firmware-config/README.md",
		"../../firmware-config/LISEZMOI.md", "../../firmware-config/mfrc522-contactor.yaml",
	} {
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
