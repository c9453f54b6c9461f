package hub

import (
	"net"
	"regexp"

	"portillon/yamlfile"
)

// JoinConfig configures how machines join the site over the network. With the zero JoinConfig, all machines are named
// in hub.yaml.
//
//	machines-listen: ":8443"            # machines join, renew and fetch bundles here, with certificates of the
//	                                    # hub's authority
//	name: hub.local                     # name in the hub's certificate, which machines verify
//	card-key: card.key                  # sent to each machine that joins
//	machines-cert: hub.pem              # the site's own certificate for the hub, with intermediate certificates
//	machines-cert-key: hub.key          # key of machines-cert
//	machines-authority: ca.pem          # authority that machines pin; set all three of these keys, or none
type JoinConfig struct {
	Listen  string // host:port; empty: machines cannot join
	Name    string
	CardKey string // path of the file that contains the site's card key

	Cert, CertKey, Authority string // PEM files; empty: the hub's own authority signs the certificate
}

// dnsName matches a name that a certificate may contain: labels of RFC 1123 §2.1.
var dnsName = regexp.MustCompile(`^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$`)

// join parses the keys for machines that join over the network.
func (p parser) join(r yamlfile.Node) JoinConfig {
	n := r.Get("machines-listen")
	c := JoinConfig{Listen: addr(n), Name: r.Get("name").Str(), CardKey: p.file(r.Get("card-key")),
		Cert: p.file(
			r.Get("machines-cert"),
		), CertKey: p.file(r.Get("machines-cert-key")), Authority: p.file(r.Get("machines-authority"))}
	checkSiteCert(r)
	if c.Name != "" && (!dnsName.MatchString(c.Name) || len(c.Name) > 253 || net.ParseIP(c.Name) != nil) {
		r.Get("name").Fault("a name in lower case, as hub.local", "%.100q cannot be in a certificate", c.Name)
	}
	if !n.Present() {
		return c
	}
	for _, needed := range []string{"name", "card-key"} {
		r.Get(needed).Required()
	}
	if !r.Get("web").Present() {
		r.Get("bundle").Required()
	}
	m := r.Get("mqtt")
	if m.Get("broker").Present() {
		m.Get("broker").
			Fault("listen: for the broker inside", "machines that join get accounts at the broker inside, and mqtt names one "+
				"outside")
	}
	if m.Get("cert").Present() {
		m.Get("cert").Fault("leave it out", "machines that join verify the broker by the hub's own authority")
	}
	return c
}

// checkSiteCert adds a fault if hub.yaml has only some of the three keys of the site's own certificate, or has them
// without machines-listen.
func checkSiteCert(r yamlfile.Node) {
	n := r.Get("machines-listen")
	certs := []string{"machines-cert", "machines-cert-key", "machines-authority"}
	for _, given := range certs {
		for _, needed := range certs {
			if r.Get(given).Present() && !r.Get(needed).Present() {
				r.Get(given).Fault("machines-cert, machines-cert-key and machines-authority", "%s is missing beside it", needed)
			}
		}
		if r.Get(given).Present() && !n.Present() {
			r.Get(given).Fault("machines-listen: \":8443\"", "no machine joins: machines-listen is missing")
		}
	}
}
