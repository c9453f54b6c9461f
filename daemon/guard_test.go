package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/session"
)

// After a contactor has reported a wrong state, the machine stays out of service until a maintainer has checked it.
func TestContactorThatDiffersPutsTheMachineOutOfService(t *testing.T) {
	b := newBench(t)
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
	before := len(b.notes.said)
	b.signal(t.Context(), Signal{What: "contactor", On: true})
	b.signal(t.Context(), Signal{What: "contactor", On: true})
	if got := strings.Join(b.notes.said[before:], " "); got != "relay off session-end fault tagged" {
		t.Errorf("recorded %q", got)
	}
	b.wants(b.tap(lea), "refused [fault]") // the panel keeps showing the fault
	b.signal(t.Context(), Signal{What: "contactor"})
	b.wants(b.tap(lea), "refused [tagged]")
	if b.m.state.Phase != session.TaggedOut || b.m.state.Holds.Tags[0].Reason == "" {
		t.Errorf("%v, %+v", b.m.state.Phase, b.m.state.Holds.Tags)
	}
	b.wants(b.tap(ines), "session-start RELAY ON [maintenance]")
}

// The guard reports that the contactor is still opening, and sends no second report once the contactor is open.
// Therefore the machine does not treat the first report as a fault. The start of the session fails, and the member taps
// again.
func TestContactorThatIsStillOpeningIsNotAFault(t *testing.T) {
	b := newBench(t)
	b.notes.dead = fmt.Errorf("relay: %w", relay.ErrContactorOpening)
	b.wants(b.tap(lea), "session-start session-end [refused]")
	if b.m.relay || b.m.state.Running() || len(b.m.state.Holds.Faults) > 0 {
		t.Errorf("relay %v, %v, %v", b.m.relay, b.m.state.Phase, b.m.state.Holds.Faults)
	}
	if v := b.cfg.Panel.Current(); v.Line != panel.StillStopping().Line {
		t.Errorf("the panel says %q", v.Line.EN)
	}
	b.notes.dead = nil
	b.wants(b.tap(lea), "session-start RELAY ON [on]")
}

func TestRefusalOfTheGuardRaisesTheFaultThatItNames(t *testing.T) {
	for _, r := range []relay.Refusal{relay.ErrEStop, relay.ErrDoor, relay.ErrContactor, relay.ErrMachineRuns} {
		b := newBench(t)
		b.notes.dead = fmt.Errorf("relay: %w", r)
		b.tap(lea)
		if !slices.Equal(b.m.state.Holds.Faults, []session.FaultKind{session.FaultKind(r)}) || b.m.state.Running() {
			t.Errorf("%s: %v, %v", r, b.m.state.Holds.Faults, b.m.state.Phase)
		}
		if v := b.cfg.Panel.Current(); v.Sign != panel.SignFault || v.Line == panel.Fault("").Line {
			t.Errorf("%s: the panel says %q", r, v.Line.EN)
		}
	}
}
