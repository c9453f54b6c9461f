package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
)

// The addresses of the two computers. The hub's second one is what it has after it moved.
const (
	hubAddress   = "10.77.0.1"
	movedAddress = "10.77.0.9"
	piAddress    = "10.77.0.2"
)

// network is a switch and two computers at it, each a network namespace. No packet leaves it.
type network struct{ hub, pi, wire string }

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
	return w, ip(ctx, lines...)
}

// ip runs commands of iproute2 until one fails.
func ip(ctx context.Context, lines ...string) error {
	for _, line := range lines {
		if err := command(ctx, "ip", strings.Fields(line)...); err != nil {
			return err
		}
	}
	return nil
}

// cut has the switch drop what comes from the hub and goes there. Both computers still see a link: nobody is told.
func (n network) cut(ctx context.Context) error {
	return ip(ctx, "-n "+n.wire+" link set hub nomaster")
}

func (n network) mend(ctx context.Context) error {
	return ip(ctx, "-n "+n.wire+" link set hub master switch")
}

// moveHub gives the hub's computer another address, as a new lease does. What used the old one gets no answer.
func (n network) moveHub(ctx context.Context) error {
	return ip(ctx, "-n "+n.hub+" addr flush dev eth0", "-n "+n.hub+" addr add "+movedAddress+"/24 dev eth0")
}

// silence keeps multicast off the hub's link.
func (n network) silence(ctx context.Context) error {
	return ip(ctx, "-n "+n.hub+" link set eth0 multicast off", "-n "+n.pi+" link set eth0 multicast off")
}

func (n network) close() error {
	ctx := context.Background() // the namespaces go, whatever ended the row
	return errors.Join(ip(ctx, "netns del "+n.hub), ip(ctx, "netns del "+n.pi), ip(ctx, "netns del "+n.wire))
}
