package enrol

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/hublink"
)

// Move stores a new address of the hub for each machine of this computer; the machines need no new code. The hub must
// have a certificate of the authority that the machines have pinned. If the address is empty, Move searches the
// network.
func (e *Enrolment) Move(ctx context.Context, address string, finder hublink.Finder) error {
	if address != "" {
		at, err := hublink.Address(address)
		if err != nil {
			return err
		}
		address = at
	}
	dir := e.path(e.Dir)
	if e.Folder != "" {
		dir = e.Folder
	}
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil {
		return err
	}
	moved := 0
	var errs []error
	for _, file := range files {
		c, err := daemoncmd.ReadConfig(file)
		if err != nil || c.Hub == (daemoncmd.HubConfig{}) || c.Machine+".yaml" != filepath.Base(file) {
			continue
		}
		if err := e.moveOne(ctx, e.belowRoot(c), address, finder); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", c.Machine, err))
			continue
		}
		moved++
	}
	if moved == 0 && len(errs) == 0 {
		return fmt.Errorf("folder %s contains no enrolled machine, run: portillond enrol https://HUB:8443 CODE", dir)
	}
	return errors.Join(errs...)
}

// moveOne stores the hub's new address for one machine.
func (e *Enrolment) moveOne(ctx context.Context, c daemoncmd.Config, address string, finder hublink.Finder) error {
	link, err := c.HubLinkBy(e.Dial, nil, e.Host.Now, func() bool { return false })
	if err != nil {
		return err
	}
	tried := []string{address}
	if address == "" {
		if tried, err = finder.Find(ctx); err != nil {
			return err
		}
	}
	for _, at := range tried {
		if err = link.Move(ctx, at); err == nil {
			e.say("%s : le hub est à %s", "%s: the hub is at %s", c.Machine, at)
			if !e.isLive() || e.NoStart {
				return nil
			}
			if err := e.Host.Own(filepath.Join(c.HubDir(), "address")); err != nil &&
				!strings.Contains(err.Error(), "no such file") {
				return err
			}
			return e.restart(ctx, c)
		}
	}
	if len(tried) == 0 {
		return errors.New("no hub was found on this network, run: portillond enrol --hub ADDRESS")
	}
	return err
}

// searchTime is the time limit of a search for the hub on the network.
const searchTime = 5 * time.Second
