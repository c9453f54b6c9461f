package hub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"portillon/hub/fault"
	"portillon/policy"
	"portillon/wire"
)

// commands sends signed commands to machines, and waits for their replies.
type commands struct {
	core  *core
	fleet *fleet

	orders chan order

	mu      sync.Mutex
	waiting map[string]chan wire.Reply // channels on which deliver waits for replies, by the id of the command
}

// reply passes a machine's reply to the call of deliver that waits for the reply.
func (cm *commands) reply(id policy.MachineID, data []byte) {
	var r wire.Reply
	if len(data) > wire.MaxRecord || json.Unmarshal(data, &r) != nil {
		return
	}
	cm.mu.Lock()
	defer cm.mu.Unlock()
	if to, ok := cm.waiting[string(id)+"/"+r.ID]; ok {
		select {
		case to <- r:
		default: // the channel already contains a reply
		}
	}
}

// ErrNoReply means that a machine did not answer before the command expired. Whether the machine executed the command
// is unknown until the machine's journal arrives.
var ErrNoReply = errors.New("the machine did not answer the command before the command expired")

// command signs a command to a machine, sends the command, and waits for the reply: at most wire.CommandLife, or until
// ctx ends. The caller sets c.Do, Tag, Reason and Now; command sets the other fields. While the hub is not connected to
// the broker, command waits. A machine refuses a command that arrives after the command's expiry.
func (cm *commands) command(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	if !cm.fleet.has(m) {
		return wire.Reply{}, &fault.NotFound{What: "enrolled machine", ID: string(m)}
	}
	c.Site, c.Machine, c.ID = cm.core.c.Site, m, randomHex(16)
	c.Issued = cm.core.now().UTC()
	c.Expires = c.Issued.Add(wire.CommandLife)
	data, err := wire.SignCommand(c, cm.core.signer)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("command: %w", err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wire.CommandLife, ErrNoReply)
	defer cancel()
	return cm.deliver(ctx, m, c.ID, data)
}

// deliver sends a signed message on a machine's command topic, and waits for the reply with this id until ctx ends.
func (cm *commands) deliver(ctx context.Context, m policy.MachineID, id string, data []byte) (wire.Reply, error) {
	answer := cm.await(m, id)
	defer cm.forget(m, id)
	select {
	case cm.orders <- order{topic: cm.core.topics.Command(m), data: data}:
	case <-ctx.Done():
		return wire.Reply{}, fmt.Errorf("command: the hub is not connected to the broker: %w", context.Cause(ctx))
	}
	select {
	case r := <-answer:
		return r, nil
	case <-ctx.Done():
		return wire.Reply{}, fmt.Errorf("command: %w", context.Cause(ctx))
	}
}

// await returns the channel on which the reply to a command arrives. The caller must call forget afterwards.
func (cm *commands) await(m policy.MachineID, id string) chan wire.Reply {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	c := make(chan wire.Reply, 1)
	cm.waiting[string(m)+"/"+id] = c
	return c
}

// forget ends the wait for a reply that await began. A later reply is dropped.
func (cm *commands) forget(m policy.MachineID, id string) {
	cm.mu.Lock()
	defer cm.mu.Unlock()
	delete(cm.waiting, string(m)+"/"+id)
}
