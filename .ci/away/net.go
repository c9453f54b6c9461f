package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// These are the addresses of the two computers, and the hub's address after moveHub.
const (
	hubAddress   = "10.77.0.1"
	movedAddress = "10.77.0.9"
	piAddress    = "10.77.0.2"
)

// network is a switch that connects two computers; each computer is a network namespace. No packet can leave this
// network.
type network struct{ hub, pi, wire string }

// newNetwork creates the network with number nth of this process.
func newNetwork(ctx context.Context, n int) (network, error) {
	name := fmt.Sprintf("ptl%d-%d-", os.Getpid(), n)
	w := network{name + "hub", name + "pi", name + "wire"}
	lines := []string{
		"netns add " + w.wire, "netns add " + w.hub, "netns add " + w.pi,
		"-n " + w.wire + " link add switch type bridge", "-n " + w.wire + " link set switch up",
	}
	for _, c := range [][3]string{{w.hub, "hub", hubAddress}, {w.pi, "pi", piAddress}} {
		lines = append(lines, "-n "+w.wire+" link add "+c[1]+" type veth peer name eth0 netns "+c[0],
			"-n "+w.wire+" link set "+c[1]+" master switch up",
			"-n "+c[0]+" link set lo up", "-n "+c[0]+" link set eth0 up", "-n "+c[0]+" addr add "+c[2]+"/24 dev eth0")
	}
	return w, runIP(ctx, lines...)
}

// runIP runs commands of iproute2 in order, and stops at the first command that fails.
func runIP(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := command(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// cut makes the switch drop all packets that come from the hub or go to the hub. Both computers still see an active
// link, so neither of them notices the interruption.
func (n network) cut(ctx context.Context) error {
	return runIP(ctx, "-n "+n.wire+" link set hub nomaster")
}

// restore makes the switch forward these packets again.
func (n network) restore(ctx context.Context) error {
	return runIP(ctx, "-n "+n.wire+" link set hub master switch")
}

// moveHub changes the address of the hub's computer, as a new DHCP lease does. After the change, no computer answers
// at the old address.
func (n network) moveHub(ctx context.Context) error {
	return runIP(ctx, "-n "+n.hub+" addr flush dev eth0", "-n "+n.hub+" addr add "+movedAddress+"/24 dev eth0")
}

// disableMulticast disables multicast on both computers, so that the machine cannot find the hub by multicast DNS.
func (n network) disableMulticast(ctx context.Context) error {
	return runIP(ctx, "-n "+n.hub+" link set eth0 multicast off", "-n "+n.pi+" link set eth0 multicast off")
}

// close deletes the namespaces of the network.
func (n network) close() error {
	ctx := context.Background() // the deletion needs a new context, because the row's context may already be cancelled
	return errors.Join(runIP(ctx, "netns del "+n.hub), runIP(ctx, "netns del "+n.pi), runIP(ctx, "netns del "+n.wire))
}
