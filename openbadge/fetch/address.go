package fetch

import "net/netip"

// specialRanges are the ranges of IANA's special-purpose registries (RFC 6890). No issuer on the public web can have
// an address in these ranges. A Client connects only to IPv4 addresses and to the allocated IPv6 range 2000::/3.
var specialRanges = [...]netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("10.0.0.0/8"),      // private (RFC 1918)
	netip.MustParsePrefix("100.64.0.0/10"),   // carrier-grade NAT (RFC 6598)
	netip.MustParsePrefix("127.0.0.0/8"),     // loopback
	netip.MustParsePrefix("169.254.0.0/16"),  // link-local, including the metadata services of cloud providers
	netip.MustParsePrefix("172.16.0.0/12"),   // private (RFC 1918)
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays (RFC 7526)
	netip.MustParsePrefix("192.168.0.0/16"),  // private (RFC 1918)
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks (RFC 2544)
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("224.0.0.0/3"),     // multicast, reserved, broadcast
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, including Teredo
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("2002::/16"),       // 6to4, which contains an IPv4 address
	netip.MustParsePrefix("3fff::/20"),       // documentation (RFC 9637)
}

// globalUnicast is the range of global unicast addresses (RFC 4291, section 2.4). This range does not contain NAT64,
// IPv4-mapped addresses or the private range fc00::/7.
var globalUnicast = netip.MustParsePrefix("2000::/3")

// IsPublic reports whether an address is a public address. An address with a zone is in no prefix, so IsPublic
// returns false for it.
func IsPublic(a netip.Addr) bool {
	if !a.Is4() && !globalUnicast.Contains(a) {
		return false
	}
	for _, p := range specialRanges {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// IsPrivate reports whether an address belongs to a private network (RFC 1918, RFC 4193), or to the range of
// carrier-grade NAT (RFC 6598), which some networks use as private. For loopback and link-local addresses, IsPrivate
// returns false.
func IsPrivate(a netip.Addr) bool {
	a = a.Unmap()
	return a.Zone() == "" && (a.IsPrivate() || netip.PrefixFrom(netip.AddrFrom4([4]byte{100, 64}), 10).Contains(a))
}
