package webtest

import (
	"context"
	"regexp"
	"time"

	"portillon/hub/actor"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/policy"
)

// Machines implements web.Machines.
type Machines struct{ Site *Site }

// Codes implements web.Codes.
type Codes struct{ Site *Site }

// Orders implements web.Orders.
type Orders struct{ Site *Site }

// machine returns the machine with an id; nil: there is no such machine.
func (s *Site) machine(id policy.MachineID) *enrol.Machine {
	for i := range s.machines {
		if s.machines[i].ID == id {
			return &s.machines[i]
		}
	}
	return nil
}

// standing returns a machine without the current session if the actor lacks the permission to see sessions.
func standing(a actor.Actor, x enrol.Machine) enrol.Machine {
	if a.May(actor.ReadSessions, actor.Target{Machine: x.ID}) != nil {
		x.Standing.Session = nil
	}
	return x
}

// List returns all machines.
func (m Machines) List(_ context.Context, a actor.Actor) (out []enrol.Machine, err error) {
	leave, err := m.Site.enter(a, actor.ReadMachines, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, x := range m.Site.machines {
		out = append(out, standing(a, x))
	}
	return out, nil
}

// Get returns one machine.
func (m Machines) Get(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	leave, err := m.Site.enter(a, actor.ReadMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Machine{}, err
	}
	defer leave()
	if x := m.Site.machine(id); x != nil {
		return standing(a, *x), nil
	}
	return enrol.Machine{}, missing("machine", string(id))
}

// Add adds a machine that is not enrolled yet.
func (m Machines) Add(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	leave, err := m.Site.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Machine{}, err
	}
	defer leave()
	if !regexp.MustCompile(`^[a-z0-9-]{1,32}$`).MatchString(string(id)) || m.Site.machine(id) != nil {
		return enrol.Machine{}, bad("id", string(id), "not a new machine's id", "lower case letters, digits and dashes")
	}
	m.Site.machines = append(m.Site.machines, enrol.Machine{ID: id, Version: 1})
	return enrol.Machine{ID: id, Version: 1}, nil
}

// New returns a one-time code. The code's text is always the same.
func (m Codes) New(_ context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error) {
	leave, err := m.Site.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Code{}, err
	}
	defer leave()
	if m.Site.machine(id) == nil {
		return enrol.Code{}, missing("machine", string(id))
	}
	text := "9G4T-K2QM-0VXR-7HWB-E3ZC-5NPD-A"
	command := "sudo portillond enrol https://hub.local:8443 " + text
	if replace {
		command = "sudo portillond enrol --replace https://hub.local:8443 " + text
	}
	return enrol.Code{Machine: id, Text: text, Command: command, Expires: m.Site.now.Add(time.Hour), Replace: replace}, nil
}

// Revoke revokes a machine if the version is current.
func (m Machines) Revoke(_ context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error {
	leave, err := m.Site.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	x := m.Site.machine(id)
	switch {
	case x == nil:
		return missing("machine", string(id))
	case x.Version != version:
		return &fault.Conflict{What: "machine", ID: string(id), Have: x.Version, Got: version}
	case reason == "":
		return bad("reason", "", "empty", "why the machine is revoked")
	}
	x.Version++
	x.Revoked, x.Reason = m.Site.now, reason
	return nil
}

// Tag adds a tag to a machine, which takes it out of service.
func (m Orders) Tag(_ context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	leave, err := m.Site.enter(a, actor.TagMachine, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	x := m.Site.machine(id)
	switch {
	case x == nil:
		return missing("machine", string(id))
	case reason == "" || len(reason) > 200:
		return bad("reason", reason, "empty or longer than 200 bytes", "why the machine is out of service")
	}
	x.Standing.Tags = append(
		x.Standing.Tags,
		enrol.Tag{ID: m.Site.next("t-new"), By: a.Name, Reason: reason, At: m.Site.now},
	)
	return nil
}

// Stop ends the session on a machine.
func (m Orders) Stop(_ context.Context, a actor.Actor, id policy.MachineID) error {
	leave, err := m.Site.enter(a, actor.StopMachine, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	if x := m.Site.machine(id); x != nil {
		x.Standing.Session = nil
		return nil
	}
	return missing("machine", string(id))
}
