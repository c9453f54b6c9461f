package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// hostNames are the hosts as hostName writes them; without any, those of this computer alone.
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

// hostName is a Host header without its port, in lower case and without the root's dot: names compare equal so
// (RFC 9110 §4.2.3, RFC 4343).
func hostName(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	return strings.ToLower(strings.TrimSuffix(host, "."))
}

// maxForwards bounds the addresses of X-Forwarded-For that are looked at.
const maxForwards = 16

// client is who asks, and whether over TLS. A header is believed only from a proxy that is named, and of
// X-Forwarded-For only the part that named proxies wrote: the last address from the right that is no named proxy.
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
			break // no trusted proxy wrote the entries to its left
		}
		if address = hop.Unmap(); !g.isProxy(address) {
			break
		}
		hops = hops[:len(hops)-1]
	}
	return address, secure
}

// isProxy reports whether an address is one of the proxies whose headers count.
func (g *guard) isProxy(a netip.Addr) bool {
	for _, p := range g.proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// peerOf is the address of the other end of a connection; the zero Addr: it is unknown.
func peerOf(remote string) netip.Addr {
	ap, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}
