package hub

import (
	"fmt"
	"net"
	"strconv"

	"github.com/hashicorp/mdns"
	"github.com/miekg/dns"
)

// machineService is the DNS-SD name of the machines' listener (RFC 6763 §7).
const machineService = "_portillon._tcp"

// announce publishes the address of the machines' listener on one network interface by multicast DNS (RFC 6762),
// until the caller calls stop. Machines find the hub by the announcement after the hub's address has changed.
// Machines trust only the hub's certificate, so a forged announcement does no harm.
func (en *enrolments) announce(iface *net.Interface) (stop func() error, err error) {
	host, port, err := net.SplitHostPort(en.addr())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	zone := currentZone{func() (mdns.Zone, error) {
		ips, err := reachableAddresses(host, iface)
		if err != nil {
			return nil, err
		}
		return mdns.NewMDNSService(string(en.core.c.Site), machineService, "local.",
			string(en.core.c.Site)+"-portillon.local.", number,
			ips,
			[]string{"site=" + string(en.core.c.Site)})
	}}
	if _, err := zone.now(); err != nil {
		return nil, fmt.Errorf("mdns: %w", err)
	}
	s, err := mdns.NewServer(&mdns.Config{Zone: zone, Iface: iface})
	if err != nil {
		return nil, fmt.Errorf("mdns: %w", err)
	}
	return s.Shutdown, nil
}

// currentZone answers DNS questions with the computer's current addresses. The addresses may change while the hub runs.
type currentZone struct{ now func() (mdns.Zone, error) }

// Records implements mdns.Zone.
func (z currentZone) Records(q dns.Question) []dns.RR {
	s, err := z.now()
	if err != nil { // the computer has no network address now
		return nil
	}
	return s.Records(q)
}

// maxAnnounced is the largest number of addresses in an announcement.
const maxAnnounced = 8

// reachableAddresses returns the addresses at which a listener can be reached from the network: the address to which
// the listener is bound, or all addresses of the interface or computer.
func reachableAddresses(host string, iface *net.Interface) (out []net.IP, err error) {
	if ip := net.ParseIP(host); ip != nil && !ip.IsUnspecified() {
		return []net.IP{ip}, nil
	}
	all, err := net.InterfaceAddrs()
	if iface != nil {
		all, err = iface.Addrs()
	}
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		n, ok := a.(*net.IPNet)
		if ok && n.IP.To4() != nil && (!n.IP.IsLoopback() || iface != nil) && len(out) < maxAnnounced {
			out = append(out, n.IP)
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("mdns: this computer has no IPv4 address on the network")
	}
	return out, nil
}
