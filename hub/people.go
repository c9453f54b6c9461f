package hub

import (
	"net/netip"
	"net/url"
	"strings"

	"portillon/keykind"
	"portillon/yamlfile"
)

// PeopleConfig configures the listener for browsers and API clients. A hub with this listener manages the site: the
// directory and the policy are in its database. Without the listener, the site is a folder of files, and the hub serves
// a bundle that was built from this folder.
//
//	web:
//	  listen: 127.0.0.1:8040              # without cert: plain HTTP, on loopback only
//	  url: https://hub.lab.example        # address for browsers, in links, QR codes and mails
//	  cert: web.pem                       # with cert-key; or "own": signed by the hub's authority
//	  cert-key: web.key
//	  proxies: ["10.0.0.4"]               # reverse proxies whose X-Forwarded headers are trusted
type PeopleConfig struct {
	Listen        string // host:port for pages and API; empty: the hub has neither
	URL           *url.URL
	Cert, CertKey string // PEM files, or OwnCert; empty: plain HTTP
	Proxies       []netip.Prefix
}

// OwnCert is the value of cert: for a certificate signed by the hub's own authority.
const OwnCert = "own"

// Managed reports whether the hub manages the site's directory and policy in its database.
func (c Config) Managed() bool { return c.Web.Listen != "" }

// web parses the key web; the zero PeopleConfig: the hub has no pages.
func (p parser) web(n yamlfile.Node) PeopleConfig {
	if !n.Present() {
		return PeopleConfig{}
	}
	n.Only("listen", "url", "cert", "cert-key", "proxies")
	c := PeopleConfig{
		Listen:  addr(n.Get("listen").Required()),
		Cert:    n.Get("cert").Str(),
		CertKey: p.file(n.Get("cert-key")),
	}
	if c.Cert != OwnCert {
		c.Cert = p.file(n.Get("cert"))
	}
	switch {
	case (c.Cert != "" && c.Cert != OwnCert) != (c.CertKey != ""):
		n.Fault("cert: FILE and cert-key: FILE, or cert: own alone", "cert and cert-key go together")
	case c.Cert == "" && c.Listen != "" && !onLoopback(c.Listen):
		n.Get("listen").Fault("listen on 127.0.0.1 behind a reverse proxy, or write cert: own",
			"%q can be reached from the network, and passwords would travel in the clear", c.Listen)
	}
	c.URL = baseURL(n.Get("url"))
	for i, s := range n.Get("proxies").Strs() {
		prefix, err := parsePrefix(s)
		if err != nil {
			n.Get("proxies").Fault("an address, or a network such as 10.0.0.0/8", "proxy %d: %q is no address", i+1, s)
		}
		c.Proxies = append(c.Proxies, prefix)
	}
	return c
}

// parsePrefix parses a network, or a single address as the network that contains only this address.
func parsePrefix(s string) (netip.Prefix, error) {
	if strings.Contains(s, "/") {
		return netip.ParsePrefix(s)
	}
	a, err := netip.ParseAddr(s)
	if err != nil {
		return netip.Prefix{}, err
	}
	return a.Prefix(a.BitLen())
}

// baseURL parses the hub's address for browsers: scheme and host, without a path.
func baseURL(n yamlfile.Node) *url.URL {
	s := n.Str()
	if s == "" {
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || strings.Trim(u.Path, "/") != "" ||
		u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		n.Fault("https://hub.lab.example", "%.80q is no address of the form https://HOST[:PORT]", s)
		return nil
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}
}

// hostsOf parses host names without a port.
func hostsOf(n yamlfile.Node) (out []string) {
	for i, s := range n.Strs() {
		if _, err := netip.ParseAddr(s); err != nil && !dnsName.MatchString(strings.ToLower(s)) {
			n.Fault("the name of a host, as badges.lab.example", "host %d: %.80q is no name of a host", i+1, s)
			continue
		}
		out = append(out, s)
	}
	return out
}

// policyKey parses the public half of the key that signs policies; empty: the hub's key signs policies.
func policyKey(n yamlfile.Node, site string) string {
	verifier(n, keykind.Place{Kind: keykind.Policy, ID: site})
	return n.Str()
}

// together adds a fault for each pair of keys in the file that exclude each other, and for each missing key that
// another key requires.
func (p parser) together(r yamlfile.Node, c Config) {
	if c.Join.Listen == "" && !c.Managed() {
		r.Get("machines").Required()
	}
	if !c.Managed() {
		for _, key := range []string{"policy-key", "mail", "lan-issuers", "issuer", "sources"} {
			if r.Get(key).Present() {
				r.Get(key).
					Fault("web: { listen: \"127.0.0.1:8040\" }", "it is for a hub that keeps the site itself, and there is no web:")
			}
		}
		return
	}
	if r.Get("bundle").Present() {
		r.Get("bundle").Fault("take bundle: away, or web:", "a hub with web: builds the bundle itself")
	}
	r.Get("card-key").Required()
}
