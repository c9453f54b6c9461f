// Package acceptance contains the list of tests that a machine must pass before anybody works at it, and runs the list.
//
// The function Steps returns the list as data. In French and English, each step says what to do, which result the
// person must see, and what a different result means. A run is a pure function:
//
//	Next(plan, Progress, Input) (Progress, Output)
//
// Next reads no clock and has no side effects. The caller of Next shows the questions, reads the daemon's status, sends
// the signals and stores the Progress on disk, because some steps cut the Pi's power. The result of a run is a
// Protocol, a text that the machine's key signs.
//
// A step that nobody has done is reported as not passed. A person may skip a step with a reason, which the protocol
// quotes.
package acceptance

import "portillon/policy"

// Wiring contains the properties of a machine that determine which steps apply to the machine.
type Wiring struct {
	EStop, Door, Feedback, Busy, Exhaust bool

	Reader      bool // true: machine.yaml configures a card reader
	ReaderTells bool // true: the daemon can detect that this kind of reader is unplugged
}

// Needs is the set of properties that a machine must have for a step or a beat. The zero Needs applies to all
// machines.
type Needs uint8

// These constants are the properties of a machine that a step or a beat may need.
const (
	EStop Needs = 1 << iota
	Door
	Feedback
	Busy
	Exhaust
	Reader
	ReaderTells
)

func (w Wiring) has() (n Needs) {
	for _, x := range []struct {
		wired bool
		is    Needs
	}{{w.EStop, EStop}, {w.Door, Door}, {w.Feedback, Feedback}, {w.Busy, Busy}, {w.Exhaust, Exhaust}, {w.Reader,
		Reader}, {w.ReaderTells, ReaderTells}} {
		if x.wired {
			n |= x.is
		}
	}
	return n
}

// Everything returns the wiring of a machine that has every property, so that every step applies.
func Everything() Wiring { return Wiring{true, true, true, true, true, true, true} }

// Step is one test of the list.
type Step struct {
	ID    string
	Needs Needs
	With  string // the earlier step that contains the power cut; this step only checks a further result of that cut
	Title policy.Text
	Do    policy.Text // what to do
	See   policy.Text // the result that the person must see
	Means policy.Text // the meaning of a different result, and what to do then
	Beats []Beat
}

// Beat is one action or one check within a step.
type Beat struct {
	Kind   Kind
	Needs  Needs
	Say    policy.Text // for Act, Ask, Cut and Halt: the instruction or question that the person reads
	Want   bool        // for Ask: the answer with which the beat passes
	Deed   Deed        // Perform
	Sight  Sight       // Observe
	Within int         // for Observe: seconds within which the daemon's status must show the Sight
}

// Kind is the kind of a beat. The zero Kind is invalid.
type Kind uint8

// These constants are the kinds of beats.
const (
	Act     Kind = iota + 1 // the person does something, then presses Enter
	Ask                     // the person answers yes or no
	Perform                 // the program performs the Deed of the beat
	Observe                 // the program reads the daemon's status until the status shows the Sight of the beat
	Cut                     // the person disconnects the Pi's power; the run continues after the next boot
	Halt                    // the program halts the Pi; the run continues after the next boot
)

// Deed is an action that the program performs without the person.
type Deed string

// The deeds.
const (
	Rest       Deed = "rest"        // end the session, if one is running
	Untag      Deed = "untag"       // remove the tag that a contactor fault has set
	KillDaemon Deed = "kill-daemon" // SIGKILL
	StopDaemon Deed = "stop-daemon" // stop the daemon with SIGSTOP, so that systemd's watchdog ends the daemon
	KillGuard  Deed = "kill-guard"  // SIGKILL
)

// Sight is a condition that the daemon's status must meet.
type Sight string

// The sights. Each fault has the same name as in the daemon's status.
const (
	RelayOn        Sight = "relay on"
	RelayOff       Sight = "relay off"
	Ready          Sight = "ready" // the daemon and its reader answer, the machine is not blocked, and the relay is off
	NoFault        Sight = "no fault"
	FaultEStop     Sight = "fault e-stop"
	FaultDoor      Sight = "fault door"
	FaultContactor Sight = "fault contactor"
	FaultRuns      Sight = "fault runs"
	ReaderLost     Sight = "reader lost"
	ReaderBack     Sight = "reader back"
)

// Status is the part of the daemon's status that a run needs. The zero Status means that the daemon does not answer.
type Status struct {
	Answers, Relay bool
	Reader         bool // the reader answers, or no reader is configured
	Phase          string
	Faults         []string
}

// Plan returns the steps that apply to a machine, each with only the beats that apply.
func Plan(w Wiring) []Step {
	has := w.has()
	var out []Step
	for _, s := range Steps() {
		if s.Needs&has != s.Needs {
			continue
		}
		var beats []Beat
		for _, b := range s.Beats {
			if b.Needs&has == b.Needs {
				beats = append(beats, b)
			}
		}
		s.Beats = beats
		out = append(out, s)
	}
	return out
}
