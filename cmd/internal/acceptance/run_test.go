package acceptance

import (
	"slices"
	"strings"
	"testing"
)

// A sight matches only if the daemon answers. A sight that requires a fault matches only if the relay is also off.
func TestStatusMatchesASightOnlyIfAllConditionsOfTheSightHold(t *testing.T) {
	on := Status{Answers: true, Relay: true, Reader: true, Phase: "on"}
	off := Status{Answers: true, Reader: true, Phase: "off"}
	stopped := Status{Answers: true, Reader: true, Phase: "fault", Faults: []string{"e-stop"}}
	stuck := Status{Answers: true, Relay: true, Reader: true, Phase: "fault", Faults: []string{"e-stop"}}
	deaf := Status{Answers: true, Phase: "off"}
	tagged := Status{Answers: true, Reader: true, Phase: "tagged-out"}
	cooling := Status{Answers: true, Reader: true, Phase: "cooling"}
	silent := Status{Reader: true, Phase: "off"}
	for _, c := range []struct {
		sight Sight
		want  []bool // on, off, stopped, stuck, deaf, tagged, cooling, silent
	}{
		{RelayOn, []bool{true, false, false, true, false, false, false, false}},
		{RelayOff, []bool{false, true, true, false, true, true, true, false}},
		{Ready, []bool{false, true, false, false, false, false, true, false}},
		{NoFault, []bool{true, true, false, false, true, true, true, false}},
		{FaultEStop, []bool{false, false, true, false, false, false, false, false}},
		{FaultDoor, make([]bool, 8)},
		{ReaderLost, []bool{false, false, false, false, true, false, false, false}},
		{ReaderBack, []bool{true, true, true, true, false, true, true, false}},
		{"", make([]bool, 8)},
	} {
		for i, st := range []Status{on, off, stopped, stuck, deaf, tagged, cooling, silent} {
			if got := c.sight.in(st); got != c.want[i] {
				t.Errorf("%q in %+v: %t", c.sight, st, got)
			}
		}
	}
}

// beatOf returns the position of the first beat in the step for which the function is returns true.
func beatOf(plan []Step, id string, is func(Beat) bool) Progress {
	at := slices.IndexFunc(plan, func(s Step) bool { return s.ID == id })
	return Progress{At: at, Beat: slices.IndexFunc(plan[at].Beats, is)}
}

func TestRunResumedWithoutARebootAsksForThePowerCutAgain(t *testing.T) {
	plan := Plan(Everything())
	p := beatOf(plan, "pi-unplugged", func(b Beat) bool { return b.Kind == Cut })
	p.Boot = "a"
	same, out := Next(plan, p, Input{Now: day, Boot: "a"})
	if out.Deed != Rest || same.At != p.At || same.Beat != 0 {
		t.Errorf("the same boot: the step does not begin anew: %d %d %q", same.At, same.Beat, out.Deed)
	}
	other, out := Next(plan, p, Input{Now: day, Boot: "b"})
	if out.Keys != YesNo || other.Beat != p.Beat+1 {
		t.Errorf("another boot: the step does not go on: %d %d", other.At, other.Beat)
	}
}

func TestAcceptanceStepFailsIfItsActionFails(t *testing.T) {
	plan := Plan(Everything())
	p := beatOf(plan, "daemon-killed", func(b Beat) bool { return b.Deed == KillDaemon })
	p, out := Next(plan, p, Input{Event: Did, Now: day, Err: "no such process"})
	if out.Keys != Decide || p.Failure != "no such process" {
		t.Fatalf("%+v %+v", p, out)
	}
	p, _ = Next(plan, p, Input{Event: Line, Now: day})
	if last := p.Results[len(p.Results)-1]; last.Verdict != Failed || !strings.Contains(last.Why, "no such process") {
		t.Errorf("%+v", last)
	}
}
