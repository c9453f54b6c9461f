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

// Orders sends an administrator's commands to machines. The audit log contains each command before the command is sent.
type Orders struct {
	table machineTable
	// sends a command to a machine; nil: this hub sends no commands
	command func(context.Context, policy.MachineID, wire.Command) (wire.Reply, error)
}

// Tag sends a machine the command to go out of service.
func (s *Orders) Tag(ctx context.Context, a actor.Actor, id policy.MachineID, reason string) error {
	if err := a.May(actor.TagMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	if err := checkReason("reason", reason); err != nil {
		return err
	}
	return s.send(ctx, a, actor.TagMachine, id, wire.Command{Do: "tag", Reason: reason})
}

// Stop sends a machine the command to end its session.
func (s *Orders) Stop(ctx context.Context, a actor.Actor, id policy.MachineID) error {
	if err := a.May(actor.StopMachine, actor.Target{Machine: id}); err != nil {
		return err
	}
	return s.send(ctx, a, actor.StopMachine, id, wire.Command{Do: "stop"})
}

// Refused is the error for a command that a machine refused. Why is the machine's reason.
type Refused struct {
	Machine policy.MachineID
	Why     string
}

// Error returns the machine's id and reason.
func (e *Refused) Error() string {
	return fmt.Sprintf("the machine %s refuses: %s", e.Machine, e.Why)
}

// Unreachable is the error for a command without a reply, for example because the machine is not enrolled yet, is off,
// or has no network. The machine may have executed the command nevertheless.
type Unreachable struct{ Machine policy.MachineID }

// Error returns a text with the machine's id.
func (e *Unreachable) Error() string { return fmt.Sprintf("the machine %s does not answer", e.Machine) }

// send sends a command. The audit entry is written before the command is sent, because a machine may execute a command
// even if its reply is lost.
func (s *Orders) send(ctx context.Context, a actor.Actor, act actor.Act, id policy.MachineID, c wire.Command) error {
	if s.command == nil {
		return errors.New("enrol: hub cannot send commands to machines, because Options.Command is nil")
	}
	err := s.table.site.Write(ctx, func(tx *store.Tx) error {
		r, err := s.table.readRow(ctx, tx, id)
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
		return &Refused{id, wire.OneLine(reply.Why, maxReason)}
	}
	return nil
}
