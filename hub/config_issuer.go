package hub

import (
	"portillon/openbadge"
	"portillon/yamlfile"
)

// IssuerConfig configures the issuer of the site's own badges. With the zero IssuerConfig, the hub issues no badges.
// The documents of the issuer (key, status lists) are public at the address web: url:.
//
//	issuer:
//	  key: issuer.key                     # portillon badge keygen -o issuer.key
//	  id: did:web:hub.lab.example         # id of the issuer in its badges; default: the policy's, which has the key
type IssuerConfig struct {
	Key string // path of the file that contains the issuer's key; empty: the hub issues no badges
	ID  string
}

// issuer parses the key issuer. The other keys of the file are read from r.
func (p parser) issuer(r yamlfile.Node) IssuerConfig {
	n := r.Get("issuer")
	if !n.Present() {
		return IssuerConfig{}
	}
	n.Only("key", "id")
	c := IssuerConfig{Key: p.file(n.Get("key").Required()), ID: n.Get("id").Str()}
	if c.ID != "" && openbadge.CheckKey(c.ID) != nil {
		n.Get("id").Fault("did:web:hub.lab.example, a did:key, or the https address of a profile",
			"%.80q is no id of an issuer", c.ID)
	}
	u := r.Get("web").Get("url")
	if address := baseURL(u); !u.Present() || address != nil && address.Scheme != "https" {
		n.Fault("web: { url: https://hub.lab.example }",
			"verifiers read the issuer's status lists at the hub's address, which must begin with https")
	}
	return c
}
