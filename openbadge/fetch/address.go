package fetch

import "net/netip"

// closed are the addresses of IANA's special-purpose registries (RFC 6890) that no issuer stands at, within those that
// are dialled at all: 2000::/3 of IPv6, which is what is given out, and all of IPv4.
var closed = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private (RFC 1918)
	netip.MustParsePrefix("100.64.0.0/10"),   // behind a carrier's NAT (RFC 6598)
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, and the clouds' metadata services
	netip.MustParsePrefix("172.16.0.0/12"),   // private
	netip.MustParsePrefix("192.0.0.0/24"),    // protocols
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays (RFC 7526)
	netip.MustParsePrefix("192.168.0.0/16"),  // private
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks (RFC 2544)
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/3"),     // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocols, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4: an IPv4 address within
	netip.MustParsePrefix("3fff::/20"),       // documentation (RFC 9637)
}

// global unicast (RFC 4291, section 2.4): not NAT64, nor mapped IPv4, nor private fc00::/7
var given = netip.MustParsePrefix("2000::/3")

// public reports whether an address is one of the open network. One with a zone is in no prefix.
func public(a netip.Addr) bool {
	if !a.Is4() && !given.Contains(a) {
		return false
	}
	for _, p := range closed {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// within reports whether an address is one of a network of one's own: private (RFC 1918, RFC 4193), or behind a
// carrier's NAT (RFC 6598), which some networks use as such. Loopback and link-local addresses are none.
func within(a netip.Addr) bool {
	a = a.Unmap()
	return a.Zone() == "" && (a.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a))
}
