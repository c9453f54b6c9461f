package hublink

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/mdns"
	"golang.org/x/net/dns/dnsmessage"
)

// The test creates the hub's answer with another DNS library than the program uses.
func TestHubIsFoundByMulticastDNS(t *testing.T) {
	if testing.Short() {
		t.Skip("short: waits for answers of a network")
	}
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		t.Fatal(err)
	}
	zone, err := mdns.NewMDNSService(
		"big",
		Service,
		"local.",
		"big-portillon.local.",
		8443,
		[]net.IP{net.IPv4(192, 0, 2, 7)},
		[]string{"site=big"},
	)
	if err != nil {
		t.Fatal(err)
	}
	s, err := mdns.NewServer(&mdns.Config{Zone: zone, Iface: lo})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Shutdown()
	got, err := MDNS{Interface: lo}.Find(t.Context())
	if err != nil || !slices.Equal(got, []string{"192.0.2.7:8443"}) {
		t.Errorf("%v, %v", got, err)
	}
}

func FuzzAnswersNameAtMostAFewHubs(f *testing.F) {
	name := func(s string) dnsmessage.Name { return dnsmessage.MustNewName(s) }
	h := func(s string, t dnsmessage.Type) dnsmessage.ResourceHeader {
		return dnsmessage.ResourceHeader{Name: name(s), Type: t, Class: dnsmessage.ClassINET}
	}
	m := dnsmessage.Message{Header: dnsmessage.Header{Response: true}, Answers: []dnsmessage.Resource{
		{
			Header: h("big."+Service+".local.", dnsmessage.TypeSRV),
			Body:   &dnsmessage.SRVResource{Port: 8443, Target: name("Hub.local.")},
		},
		{
			Header: h("other._http._tcp.local.", dnsmessage.TypeSRV),
			Body:   &dnsmessage.SRVResource{Port: 80, Target: name("hub.local.")},
		},
		{Header: h("hub.local.", dnsmessage.TypeA), Body: &dnsmessage.AResource{A: [4]byte{192, 0, 2, 7}}},
	}}
	good, err := m.Pack()
	if err != nil {
		f.Fatal(err)
	}
	if got := hubsIn(good); !slices.Equal(got, []string{"192.0.2.7:8443"}) {
		f.Fatal(got)
	}
	f.Add(good)
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, packet []byte) {
		got := hubsIn(packet)
		sameAsLibrary(t, packet)
		if len(got) > maxFound {
			t.Errorf("%d hubs", len(got))
		}
		for _, a := range got {
			if _, _, err := net.SplitHostPort(a); err != nil {
				t.Errorf("%q", a)
			}
		}
	})
}

// sameAsLibrary parses a message with our parser and with another library and, if both accept the message, compares
// their results.
func sameAsLibrary(t *testing.T, packet []byte) {
	t.Helper()
	var m dnsmessage.Message
	records, err := parseAnswer(packet)
	if err != nil || m.Unpack(packet) != nil {
		return
	}
	var want []record
	for _, r := range slices.Concat(m.Answers, m.Authorities, m.Additionals) {
		name := strings.ToLower(r.Header.Name.String())
		switch b := r.Body.(type) {
		case *dnsmessage.AResource:
			want = append(want, record{name: name, kind: typeA, address: netip.AddrFrom4(b.A)})
		case *dnsmessage.SRVResource:
			want = append(want, record{name: name, kind: typeSRV, port: b.Port, target: strings.ToLower(b.Target.String())})
		}
	}
	got := slices.DeleteFunc(records, func(r record) bool { return r.kind != typeA && r.kind != typeSRV })
	if !slices.Equal(got, want) {
		t.Errorf("%x: %+v, another library reads %+v", packet, got, want)
	}
}

func TestAnotherLibraryUnderstandsTheQuery(t *testing.T) {
	var m dnsmessage.Message
	if err := m.Unpack(pointerQuery(Service + ".local.")); err != nil {
		t.Fatal(err)
	}
	if len(m.Questions) != 1 || m.Response || m.Questions[0].Name.String() != Service+".local." ||
		m.Questions[0].Type != dnsmessage.TypePTR || m.Questions[0].Class != dnsmessage.ClassINET|1<<15 {
		t.Errorf("%+v", m)
	}
}

func TestMalformedAnswersAreIgnoredInTheSearchForHubs(t *testing.T) {
	head := "\x00\x00\x84\x00\x00\x00\x00\x01\x00\x00\x00\x00" // the header of a response with one answer
	for name, packet := range map[string]string{
		"empty":                      "",
		"a query":                    "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"no record after the header": head,
		"a pointer to itself":        head + "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",
		"a pointer forward":          head + "\xc0\x20\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",
		"a label of 64 bytes": head + "\x40" + strings.Repeat("x", 64) +
			"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x00",
		"an address of 5 bytes":       head + "\x01x\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x05\x01\x02\x03\x04\x05",
		"a record longer than itself": head + "\x01x\x00\x00\x10\x00\x01\x00\x00\x00\x00\x00\x09x",
		"65535 records":               "\x00\x00\x84\x00\x00\x00\xff\xff\x00\x00\x00\x00",
		"a name of 320 bytes": head + strings.Repeat("\x3f"+strings.Repeat("x", 63), 5) +
			"\x00\x00\x01\x00\x01\x00\x00\x00\x00\x00\x04\x01\x02\x03\x04",
	} {
		if records, err := parseAnswer([]byte(packet)); err == nil {
			t.Errorf("%s: %+v", name, records)
		}
	}
}
