package hublink

import (
	"net"
	"slices"
	"testing"

	"github.com/hashicorp/mdns"
	"golang.org/x/net/dns/dnsmessage"
)

// The answer is another library's.
func TestHubIsFoundByMulticastDNS(t *testing.T) {
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
