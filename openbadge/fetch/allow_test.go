package fetch

import (
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// The table shows for each host which addresses the Client may connect to. The host lab.lan is on the allow-list;
// 10.0.0.5 and 1.1.1.5 are addresses of this computer.
func TestAllowListPermitsPrivateAddressesOfItsHosts(t *testing.T) {
	c := New(Options{AllowHosts: []string{"Lab.LAN.", "10.0.0.9"}})
	c.own = func() ([]net.Addr, error) {
		return []net.Addr{&net.IPNet{IP: net.IPv4(10, 0, 0, 5)}, &net.IPNet{IP: net.IPv4(1, 1, 1, 5)},
			&net.IPNet{IP: net.ParseIP("2a00::5")}}, nil
	}
	for _, x := range []struct {
		host, address string
		want          error
	}{
		{"lab.lan", "10.0.0.1:443", nil}, {"LAB.lan", "192.168.1.1:443", nil}, {"lab.lan.", "172.16.0.1:443", nil},
		{"lab.lan", "[fd12::1]:443", nil},
		{"lab.lan", "100.64.0.1:443", nil}, {"lab.lan", "1.1.1.1:443", nil}, {"lab.lan", "[::ffff:10.0.0.1]:443", nil},
		{"10.0.0.9", "10.0.0.9:443", nil},
		{"lab.lan", "127.0.0.1:443", errPrivate}, {"lab.lan", "[::1]:443", errPrivate}, {"lab.lan", "169.254.169.254:80",
			errPrivate},
		{"lab.lan", "[fe80::1]:443", errPrivate}, {"lab.lan", "0.0.0.0:443", errPrivate}, {"lab.lan", "224.0.0.1:443",
			errPrivate},
		{"lab.lan", "[fd12::1%eth0]:443", errPrivate}, {"lab.lan", "[::ffff:127.0.0.1]:443", errPrivate},
		{"other.lan", "10.0.0.1:443", errPrivate}, {"x.lab.lan", "10.0.0.1:443", errPrivate}, {"lab.lan.example",
			"10.0.0.1:443", errPrivate},
		{"10.0.0.8", "10.0.0.8:443", errPrivate},
		{"lab.lan", "10.0.0.5:443", errOwn}, {"lab.lan", "[::ffff:10.0.0.5]:443", errOwn}, {"example.org", "1.1.1.5:443",
			errOwn}, {"example.org", "[2a00::5]:443", errOwn},
	} {
		if err := c.checkAddress(x.host, x.address); !errors.Is(err, x.want) {
			t.Errorf("%s at %s: %v, want %v", x.host, x.address, err, x.want)
		}
	}
	c.own = func() ([]net.Addr, error) { return nil, errSlow }
	if err := c.checkAddress("example.org", "1.1.1.1:443"); !errors.Is(err, errSlow) {
		t.Errorf("control accepted an address although the own addresses were unknown: %v", err)
	}
}

// If a host on the allow-list resolves to this computer, the connection is refused because of the address.
func TestAllowedHostOnThisComputerIsNotDialled(t *testing.T) {
	_, url := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("the Client made a request") })
	c := New(Options{AllowHosts: []string{"localhost", "127.0.0.1"}, RootCAs: x509.NewCertPool()})
	t.Cleanup(c.Close)
	port := url[strings.LastIndex(url, ":"):]
	for _, host := range []string{"localhost", "127.0.0.1"} {
		if _, err := c.Resolve("https://" + host + port); !errors.Is(err, errPrivate) {
			t.Errorf("%s: %v", host, err)
		}
	}
}

// A permitted server may redirect to a forbidden server, so the Client must check each redirect separately.
func TestEachRedirectIsChecked(t *testing.T) {
	for _, to := range []string{"https://127.0.0.2:1/", "https://10.0.0.1/",
		"https://169.254.169.254/latest/meta-data/", "https://[::1]:1/", "https://localhost:1/",
		"http://example.org/", "file:///etc/passwd", "https://user@example.org/"} {
		asked := 0
		c, url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
			asked++
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusFound)
		}, func(o *Options) { o.AllowPrivate = false; o.AllowHosts = []string{"lab.lan"} })
		first := true
		c.allowed = func(a netip.Addr) bool { // the hook permits only the test's server, and only for the first request
			ok := first && a.IsLoopback()
			first = false
			return ok
		}
		c.own = func() ([]net.Addr, error) { return nil, nil }
		if b, err := c.Resolve(url); err == nil || asked != 1 || len(b) > 0 {
			t.Errorf("%s: %q %v, asked %d times", to, b, err, asked)
		}
	}
}
