package display

import (
	"time"

	"portillon/policy"
)

// State is the state of a machine for people who want to use the machine.
type State string

// These are all states. A machine is offline if the hub does not hear from the machine; the machine may still work.
const (
	Free         State = "free"
	InUse        State = "in-use"
	OutOfService State = "out-of-service"
	Offline      State = "offline"
)

// States returns all states.
func States() []State { return []State{Free, InUse, OutOfService, Offline} }

// stateOf returns the state of a machine, and the time since which the machine has the state; zero: unknown.
func stateOf(m Machine) (State, time.Time) {
	switch {
	case len(m.Tags) > 0:
		since := m.Tags[0].At
		for _, t := range m.Tags[1:] {
			if t.At.Before(since) {
				since = t.At
			}
		}
		return OutOfService, since
	case m.Stopped:
		return OutOfService, time.Time{}
	case !m.Online:
		return Offline, m.Seen
	case m.Session != nil:
		return InUse, m.Session.Since
	}
	return Free, time.Time{}
}

// coarse is the precision of public times. An exact time would help a stranger to recognise a person's visits.
const coarse = 15 * time.Minute

// Shown is a machine in the public status.
type Shown struct {
	ID    policy.MachineID
	Name  policy.Text
	State State
	Since time.Time // rounded down to a quarter of an hour; zero: unknown
}

// shown returns the public part of each machine.
func shown(all []Machine) []Shown {
	out := make([]Shown, 0, len(all))
	for _, m := range all {
		s := Shown{ID: m.ID, Name: m.Name}
		s.State, s.Since = stateOf(m)
		if !s.Since.IsZero() {
			s.Since = s.Since.UTC().Truncate(coarse)
		}
		out = append(out, s)
	}
	return out
}

// WallMachine is a machine on a wall screen.
type WallMachine struct {
	ID      policy.MachineID
	Name    policy.Text
	State   State
	Since   time.Time // zero: unknown
	Until   time.Time // planned end of the session; zero: none
	Used    bool      // somebody uses the machine; a maintainer may use a machine that is out of service
	Who     string    // name of the user in the form that the policy permits; empty: unknown
	Role    string
	Reasons []string // why people put the machine out of service
	Stopped bool     // the machine stopped because of a fault
}

// onWall returns the machines of a wall screen. names are the names of members, by id.
func onWall(all []Machine, names map[policy.MemberID]string) []WallMachine {
	out := make([]WallMachine, 0, len(all))
	for _, m := range all {
		w := WallMachine{ID: m.ID, Name: m.Name, Stopped: m.Stopped}
		w.State, w.Since = stateOf(m)
		if s := m.Session; s != nil {
			w.Used, w.Who, w.Role, w.Until = true, names[s.Member], s.Role, s.Until
		}
		for _, t := range m.Tags {
			if t.Reason != "" {
				w.Reasons = append(w.Reasons, t.Reason)
			}
		}
		out = append(out, w)
	}
	return out
}
