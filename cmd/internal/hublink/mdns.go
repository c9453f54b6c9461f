package hublink

import (
	"context"
	"io"
	"log"
	"net"
	"strconv"
	"time"

	"github.com/hashicorp/mdns"
)

// Service is the DNS-SD name of a hub's listener for machines.
const Service = "_portillon._tcp"

const (
	// mdnsTime is how long answers are waited for.
	mdnsTime = 2 * time.Second
	// maxFound bounds how many addresses are tried: anybody on the network can answer.
	maxFound = 8
)

// MDNS finds hubs by multicast DNS (RFC 6762). Interface is nil but for tests.
type MDNS struct{ Interface *net.Interface }

// Find implements Finder.
func (m MDNS) Find(ctx context.Context) (out []string, err error) {
	entries := make(chan *mdns.ServiceEntry, 64) // the library drops what does not fit
	err = mdns.QueryContext(ctx, &mdns.QueryParam{Service: Service, Domain: "local", Timeout: mdnsTime, Interface: m.Interface,
		Entries: entries, DisableIPv6: true, Logger: log.New(io.Discard, "", 0)})
	for len(entries) > 0 && len(out) < maxFound {
		if e := <-entries; e.AddrV4 != nil && e.Port > 0 {
			out = append(out, net.JoinHostPort(e.AddrV4.String(), strconv.Itoa(e.Port)))
		}
	}
	return out, err
}
