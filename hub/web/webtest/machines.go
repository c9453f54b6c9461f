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

// Machines are the machines of a site.
type Machines struct{ *Site }

func (m Machines) find(id policy.MachineID) *enrol.Machine {
	for i := range m.machines {
		if m.machines[i].ID == id {
			return &m.machines[i]
		}
	}
	return nil
}

func standing(a actor.Actor, x enrol.Machine) enrol.Machine {
	if a.May(actor.ReadSessions, actor.Target{Machine: x.ID}) != nil {
		x.Standing.Session = nil
	}
	return x
}

// Machines lists them.
func (m Machines) Machines(_ context.Context, a actor.Actor) (out []enrol.Machine, err error) {
	leave, err := m.enter(a, actor.ReadMachines, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, x := range m.machines {
		out = append(out, standing(a, x))
	}
	return out, nil
}

// Machine is one machine.
func (m Machines) Machine(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	leave, err := m.enter(a, actor.ReadMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Machine{}, err
	}
	defer leave()
	if x := m.find(id); x != nil {
		return standing(a, *x), nil
	}
	return enrol.Machine{}, missing("machine", string(id))
}

// Add adds one.
func (m Machines) Add(_ context.Context, a actor.Actor, id policy.MachineID) (enrol.Machine, error) {
	leave, err := m.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Machine{}, err
	}
	defer leave()
	if !regexp.MustCompile(`^[a-z0-9-]{1,32}$`).MatchString(string(id)) || m.find(id) != nil {
		return enrol.Machine{}, bad("id", string(id), "not a new machine's id", "lower case letters, digits and dashes")
	}
	m.machines = append(m.machines, enrol.Machine{ID: id, Version: 1})
	return enrol.Machine{ID: id, Version: 1}, nil
}

// NewCode makes a code.
func (m Machines) NewCode(_ context.Context, a actor.Actor, id policy.MachineID, replace bool) (enrol.Code, error) {
	leave, err := m.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return enrol.Code{}, err
	}
	defer leave()
	if m.find(id) == nil {
		return enrol.Code{}, missing("machine", string(id))
	}
	text := "9G4T-K2QM-0VXR-7HWB-E3ZC-5NPD-A"
	command := "sudo portillond enrol https://hub.local:8443 " + text
	if replace {
		command = "sudo portillond enrol --replace https://hub.local:8443 " + text
	}
	return enrol.Code{Machine: id, Text: text, Command: command, Expires: m.now.Add(time.Hour), Replace: replace}, nil
}

// Revoke revokes one.
func (m Machines) Revoke(_ context.Context, a actor.Actor, id policy.MachineID, version int64, reason string) error {
	leave, err := m.enter(a, actor.EnrolMachines, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	x := m.find(id)
	switch {
	case x == nil:
		return missing("machine", string(id))
	case x.Version != version:
		return &fault.Conflict{What: "machine", ID: string(id), Have: x.Version, Got: version}
	case reason == "":
		return bad("reason", "", "empty", "why the machine is revoked")
	}
	x.Version++
	x.Revoked, x.Reason = m.now, reason
	return nil
}

// Tag takes one out of service.
func (m Machines) Tag(_ context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	leave, err := m.enter(a, actor.TagMachine, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	x := m.find(id)
	switch {
	case x == nil:
		return missing("machine", string(id))
	case reason == "" || len(reason) > 200:
		return bad("reason", reason, "empty or longer than 200 bytes", "why the machine is out of service")
	}
	x.Standing.Tags = append(x.Standing.Tags, enrol.Tag{ID: m.next("t-new"), By: a.Name, Reason: reason, At: m.now})
	return nil
}

// Stop ends a session.
func (m Machines) Stop(_ context.Context, a actor.Actor, id policy.MachineID) error {
	leave, err := m.enter(a, actor.StopMachine, actor.Target{Machine: id})
	if err != nil {
		return err
	}
	defer leave()
	if x := m.find(id); x != nil {
		x.Standing.Session = nil
		return nil
	}
	return missing("machine", string(id))
}
