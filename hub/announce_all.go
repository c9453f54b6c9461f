package hub

import (
	"context"
	"errors"
	"net"
	"time"
)

// announceEvery is the interval at which the hub looks for new networks, because a cable may be connected later.
const announceEvery = time.Minute

// announceAll announces the machines' listener on every network of this computer until ctx ends. Each interface has a
// separate responder, because a computer without a default route can join a multicast group only on a named interface
// (ip(7), IP_ADD_MEMBERSHIP).
func (en *enrolments) announceAll(ctx context.Context) {
	stops := map[int]func() error{} // stop functions of the announcements, by interface index
	defer func() {
		for _, stop := range stops {
			_ = stop() // sockets close with the program, so an error of stop does no harm
		}
	}()
	t := time.NewTicker(announceEvery)
	defer t.Stop()
	for said := false; ; {
		err := en.announceNew(stops)
		if err != nil && !said { // machines that already have the hub's address need no announcement
			en.core.log.Warn("hub not announced on the network", "err", err)
		}
		said = err != nil
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// announceNew announces the hub on each network interface that has no entry in stops, and adds a function to stops
// that ends the announcement.
func (en *enrolments) announceNew(stops map[int]func() error) error {
	all, err := net.Interfaces()
	if err != nil {
		return err
	}
	const need = net.FlagUp | net.FlagMulticast
	for _, i := range all {
		if stops[i.Index] != nil || i.Flags&need != need || i.Flags&net.FlagLoopback != 0 {
			continue
		}
		if stop, aerr := en.announce(&i); aerr != nil {
			err = errors.Join(err, aerr)
		} else {
			stops[i.Index] = stop
		}
	}
	if len(stops) > 0 {
		return nil
	}
	return errors.Join(err, errors.New("mdns: this computer has no network"))
}
