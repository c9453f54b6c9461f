package hublink

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"
)

// Service is the DNS-SD name of a hub's listener for machines (RFC 6763 §7).
const Service = "_portillon._tcp"

const (
	// mdnsTime is the time for which a search waits for answers.
	mdnsTime = 2 * time.Second
	// maxFound is the maximum number of addresses that a search returns; a limit is needed because any host on the network
	// can answer.
	maxFound = 8
	// maxPacket is the maximum size of a message of multicast DNS, in bytes (RFC 6762 §17).
	maxPacket = 9000
)

// mdnsGroup is the address to which queries are sent (RFC 6762 §3).
var mdnsGroup = net.UDPAddr{IP: net.IPv4(224, 0, 0, 251), Port: 5353}

// MDNS finds hubs by multicast DNS (RFC 6762) over IPv4. MDNS sends one query on every interface. The caller must
// verify the results by the hub's certificate. Only tests set the field Interface.
type MDNS struct{ Interface *net.Interface }

// Find implements Finder.
func (m MDNS) Find(ctx context.Context) ([]string, error) {
	from, err := m.addresses()
	if err != nil {
		return nil, err
	}
	query := pointerQuery(Service + ".local.")
	ctx, cancel := context.WithTimeout(ctx, mdnsTime)
	defer cancel()
	var all sync.WaitGroup
	found, errs := make([][]string, len(from)), make([]error, len(from))
	for i, ip := range from {
		all.Go(func() { found[i], errs[i] = ask(ctx, ip, query) })
	}
	all.Wait()
	out := slices.Concat(found...)
	if len(out) == 0 {
		return nil, errors.Join(errs...)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	return out[:min(len(out), maxFound)], nil
}

// addresses returns this computer's IPv4 addresses from which multicast is sent. Linux sends a multicast packet through
// the interface of the address that the socket is bound to (ip(7), IP_MULTICAST_IF).
func (m MDNS) addresses() (out []net.IP, err error) {
	interfaces := []net.Interface{}
	if m.Interface != nil {
		interfaces = append(interfaces, *m.Interface)
	} else if interfaces, err = net.Interfaces(); err != nil {
		return nil, err
	}
	for _, i := range interfaces {
		if m.Interface == nil && i.Flags&(net.FlagUp|net.FlagMulticast) != net.FlagUp|net.FlagMulticast {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			return nil, err
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil {
				out = append(out, n.IP)
			}
		}
	}
	return out, nil
}

// ask sends the query from one address, and collects answers until ctx ends.
func ask(ctx context.Context, from net.IP, query []byte) (out []string, err error) {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: from})
	if err != nil {
		return nil, err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.Close() }) // when ctx ends, close the socket, which ends the read below
	defer stop()
	if _, err := c.WriteToUDP(query, &mdnsGroup); err != nil {
		return nil, err
	}
	packet := make([]byte, maxPacket)
	for len(out) < maxFound {
		n, err := c.Read(packet)
		if err != nil {
			return out, nil // ctx has ended
		}
		out = append(out, hubsIn(packet[:n])...)
	}
	return out, nil
}

// hubsIn returns the hubs in an answer, as host:port, or none for a malformed packet.
func hubsIn(packet []byte) (out []string) {
	records, err := parseAnswer(packet)
	if err != nil {
		return nil
	}
	hosts := map[string]netip.Addr{}
	for _, r := range records {
		if r.kind == typeA {
			hosts[r.name] = r.address
		}
	}
	for _, r := range records {
		if r.kind != typeSRV || !strings.HasSuffix(r.name, "."+Service+".local.") {
			continue
		}
		if ip, known := hosts[r.target]; known && r.port > 0 && len(out) < maxFound {
			out = append(out, netip.AddrPortFrom(ip, r.port).String())
		}
	}
	return out
}
