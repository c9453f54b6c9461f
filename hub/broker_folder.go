package hub

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"portillon/hub/broker"
)

// startBroker starts the broker inside this program. If the broker cannot read its data folder, startBroker renames the
// folder and starts an empty one: the folder contains only messages that hub and machines publish again at each
// connection.
func (op *opening) startBroker(c broker.Config) (*broker.Broker, error) {
	b, err := broker.Start(c)
	if err == nil || errors.Is(err, syscall.EADDRINUSE) || errors.Is(err, syscall.EACCES) {
		return b, err
	}
	kept := c.Dir + ".damaged"
	if rerr := errors.Join(os.RemoveAll(kept), os.Rename(c.Dir, kept)); rerr != nil {
		return nil, fmt.Errorf("%w; move the broker's folder away: mv %s %s (%w)", err, c.Dir, kept, rerr)
	}
	op.hub.core.log.Warn("damaged folder of the broker replaced with an empty one", "kept", kept, "err", err)
	return broker.Start(c)
}
