package issue

import (
	"context"
	"errors"
	"net/url"
	"strconv"
	"strings"

	"portillon/openbadge"
	"portillon/policy"
)

// Paths of the public documents.
const (
	pathDID     = "/.well-known/did.json"
	pathProfile = "/issuer"
	pathJWKS    = "/issuer/jwks.json"
	pathList    = "/issuer/status/"
	pathPicture = "/issuer/pictures/"
	pathBadge   = "/issuer/badges/"
)

// addresses are the addresses at which the hub serves the issuer's documents.
type addresses struct {
	base          string // scheme and host
	did           string // the did:web of the host
	profile, jwks string
}

// addresses returns the addresses of the issuer's documents.
func (o Options) addresses() addresses {
	base := "https://" + o.URL.Host
	did, _, err := openbadge.WebDID(o.URL.Host)
	if err != nil {
		did = "" // the host is an IPv6 address, which has no did:web
	}
	return addresses{base: base, did: did, profile: base + pathProfile, jwks: base + pathJWKS}
}

// list returns the address of a status list.
func (a addresses) list(number int) string { return a.base + pathList + strconv.Itoa(number) }

// picture returns the address of the picture of a badge class.
func (a addresses) picture(id policy.BadgeID) string {
	return a.base + pathPicture + url.PathEscape(string(id)) + ".png"
}

// badge returns the id of a badge, which is an address of the hub.
func (a addresses) badge(id string) string { return a.base + pathBadge + id }

// documents returns the documents by which verifiers find the issuer's key; the key is the address.
func (s *Service) documents(ctx context.Context) (map[string][]byte, error) {
	p, err := s.o.Policy(ctx)
	if err != nil {
		return nil, err
	}
	own, name, id := s.o.addresses(), "", s.o.ID
	if is, err := s.classes.issuer(p); err == nil {
		name, id = is.Name, is.Profile
	}
	out := map[string][]byte{}
	if out[own.profile], err = openbadge.Profile(own.profile, name, s.o.Key); err != nil {
		return nil, err
	}
	if id == "" {
		id = own.profile
	}
	if out[own.jwks], err = openbadge.JWKS(id, s.o.Key); err != nil {
		return nil, err
	}
	if own.did != "" {
		if out[own.base+pathDID], err = openbadge.DIDDocument(own.did, s.o.Key); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var errNoList = errors.New("status list does not exist")

// Document returns a public document of the issuer by its address: a status list, or a document with the issuer's key.
// own is false if the address belongs to no document of this issuer. The hub reads its own documents with Document
// instead of fetching them, because an old copy of a status list from a cache would make a revoked badge valid again.
func (s *Service) Document(ctx context.Context, address string) (data []byte, own bool, err error) {
	base := s.o.addresses().base
	if rest, ok := strings.CutPrefix(address, base+pathList); ok {
		number, err := strconv.Atoi(rest)
		if err != nil || number < 1 || strconv.Itoa(number) != rest {
			return nil, true, errNoList
		}
		err = s.o.Site.QueryRow(ctx, `SELECT data FROM issue_list WHERE site = $1 AND number = $2`, int64(number)).
			Scan(&data)
		return data, true, err
	}
	if !strings.HasPrefix(address, base+"/") {
		return nil, false, nil
	}
	all, err := s.documents(ctx)
	data, own = all[address]
	return data, own, err
}
