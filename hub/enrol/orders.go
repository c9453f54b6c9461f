package enrol

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// Orders sends an administrator's commands to machines. The audit log has each command before the machine gets it.
type Orders struct {
	table   machineTable
	command func(context.Context, policy.MachineID, wire.Command) (wire.Reply, error) // nil: this hub sends no commands
}

// Tag sends a machine the command to go out of service.
func (s *Orders) Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	if err := a.May(actor.TagMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := words("reason", reason); err != nil {
		return err
	}
	return s.order(ctx, a, actor.TagMachine, id, wire.Command{Do: "tag", Reason: reason})
}

// Stop sends a machine the command to end its session.
func (s *Orders) Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error {
	if err := a.May(actor.StopMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	return s.order(ctx, a, actor.StopMachine, id, wire.Command{Do: "stop"})
}

// Refused is the error for a command that the machine refused, with the machine's reason.
type Refused struct {
	Machine policy.MachineID
	Why     string
}

// Error names the machine and its reason.
func (e *Refused) Error() string {
	return fmt.Sprintf("the machine %s refuses: %s", e.Machine, e.Why)
}

// Unreachable is the error for a command without an answer: the machine is not enrolled yet, is off, or has no network.
// Whether the machine executed the command is unknown.
type Unreachable struct{ Machine policy.MachineID }

// Error names the machine.
func (e *Unreachable) Error() string { return fmt.Sprintf("the machine %s does not answer", e.Machine) }

// order sends a command. The audit entry is written before the command is sent, because a command may arrive even if
// its answer does not.
func (s *Orders) order(ctx context.Context, a actor.Actor, act actor.Act, id policy.MachineID, c wire.Command) error {
	if s.command == nil {
		return errors.New("enrol: this hub sends no commands")
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.table.row(ctx, tx, id)
		if err != nil {
			return err
		}
		if r.revoked > 0 {
			return &fault.NotFound{What: "machine", ID: string(id)}
		}
		return s.table.audit(ctx, tx, a, act, id, strings.TrimSpace(c.Do+" "+c.Reason))
	})
	if err != nil {
		return err
	}
	reply, err := s.command(ctx, id, c)
	if err != nil {
		return err
	}
	if !reply.OK {
		return &Refused{id, wire.OneLine(reply.Why, maxWords)}
	}
	return nil
}
