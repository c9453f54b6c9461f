package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostNames returns the hosts as hostName formats them. If hosts is empty, hostNames returns the names of the local
// computer.
func hostNames(hosts []string) []string {
	if len(hosts) == 0 {
		hosts = []string{"localhost", "127.0.0.1", "::1"}
	}
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = hostName(h)
	}
	return out
}

// hostName returns the name in a Host header without its port, in lower case and without a final dot, so that equal
// names are equal texts (RFC 9110, section 4.2.3; RFC 4343).
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// maxForwards is the maximum number of addresses that client reads from X-Forwarded-For.
const maxForwards = 16

// client returns the address of the client, and whether the client uses TLS. client trusts headers only from a
// configured proxy. client reads the addresses in X-Forwarded-For from the right, up to the first address that is not a
// configured proxy: this is the client.
func (g *guard) client(r *http.Request) (netip.Addr, bool) {
	peer := peerOf(r.RemoteAddr)
	secure := r.TLS != nil
	if !g.isProxy(peer) {
		return peer, secure
	}
	if proto := r.Header.Values("X-Forwarded-Proto"); len(proto) == 1 {
		secure = strings.EqualFold(strings.TrimSpace(proto[0]), "https")
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	address := peer
	for n := 0; n < maxForwards && len(hops) > 0; n++ {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[len(hops)-1]))
		if err != nil {
			break // do not read further left, because an untrusted client wrote those addresses
		}
		if address = hop.Unmap(); !g.isProxy(address) {
			break
		}
		hops = hops[:len(hops)-1]
	}
	return address, secure
}

// isProxy reports whether an address belongs to a configured proxy.
func (g *guard) isProxy(a netip.Addr) bool {
	for _, p := range g.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peerOf returns the address of the client or proxy that opened the connection. If the address cannot be parsed,
// peerOf returns the zero Addr, which is never a configured proxy.
func peerOf(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
