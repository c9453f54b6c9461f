package openbadge

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// The contexts of what an issuer publishes about its keys.
const (
	contextDID      = "https://www.w3.org/ns/did/v1"
	contextMultikey = "https://w3id.org/security/multikey/v1"
	contextJWK      = "https://w3id.org/security/jwk/v1"
)

// WebDID is the did:web of a host, or of a path on it, as in lab.example/badges, and the address at which its document
// must stand (did:web method, section 3.2).
func WebDID(place string) (did, address string, err error) {
	host, path, _ := strings.Cut(strings.TrimSuffix(place, "/"), "/")
	u, err := url.Parse("https://" + host)
	if err != nil || u.Hostname() == "" || u.Host != host || strings.ContainsAny(place, "#?@% \\") ||
		strings.Contains(u.Host, "[") {
		return "", "", fmt.Errorf("%.100q is not a host, or a host with a path", place)
	}
	did, address = "did:web:"+strings.ReplaceAll(host, ":", "%3A"), "https://"+host+"/.well-known/did.json"
	if path == "" {
		return did, address, nil
	}
	for part := range strings.SplitSeq(path, "/") {
		if part == "" || part == "." || part == ".." || strings.Contains(part, ":") || url.PathEscape(part) != part {
			return "", "", fmt.Errorf("%.100q has an invalid path, want plain path segments", place)
		}
		did += ":" + part
	}
	return did, "https://" + host + "/" + path + "/did.json", nil
}

// DIDDocument is what a did:web issuer publishes: its keys, each under the name that its proofs give it.
func DIDDocument(did string, keys ...*Key) ([]byte, error) {
	if !strings.HasPrefix(did, "did:") {
		return nil, fmt.Errorf("%.100q is not a DID", did)
	}
	doc, err := controller(did, keys)
	if err != nil {
		return nil, err
	}
	contexts := []any{contextDID}
	for _, c := range [...]struct{ kind, context string }{{"Multikey", contextMultikey}, {"JsonWebKey", contextJWK}} {
		if hasMethod(doc, c.kind) {
			contexts = append(contexts, c.context)
		}
	}
	doc["@context"] = contexts
	return indented(doc)
}

// controller is an issuer with its keys, good for assertions (Controlled Identifiers 1.0, section 2).
func controller(id string, keys []*Key) (object, error) {
	if len(keys) == 0 {
		return nil, errors.New("keys are missing, want at least one")
	}
	var methods, names []any
	for _, k := range keys {
		methods, names = append(methods, k.publicMethod(id)), append(names, k.method(id))
	}
	return object{"id": id, "verificationMethod": methods, "assertionMethod": names}, nil
}

func hasMethod(doc object, kind string) bool {
	for _, m := range doc["verificationMethod"].([]any) {
		if m.(object)["type"] == kind {
			return true
		}
	}
	return false
}

// publicMethod is the key as a verification method.
func (k *Key) publicMethod(controller string) object {
	m := object{"id": k.method(controller), "controller": controller}
	if k.rsa != nil {
		m["type"], m["publicKeyJwk"] = "JsonWebKey", k.namedJWK(k.Name())
	} else {
		m["type"], m["publicKeyMultibase"] = "Multikey", k.Multikey()
	}
	return m
}

// namedJWK is the public key as a JSON Web Key with its name and use.
func (k *Key) namedJWK(name string) object {
	j := k.jwk()
	j["kid"], j["alg"], j["use"] = name, k.Algorithm(), "sig"
	return j
}

// JWKS is the issuer's public keys as a JSON Web Key Set (RFC 7517, section 5): each kid is the name that its VC-JWTs
// give it.
func JWKS(issuer string, keys ...*Key) ([]byte, error) {
	var all []any
	for _, k := range keys {
		all = append(all, k.namedJWK(k.method(issuer)))
	}
	return indented(object{"keys": all})
}

// JWK is the public key alone as a JSON Web Key, for an address that a kid names.
func (k *Key) JWK() ([]byte, error) { return indented(k.namedJWK(k.Name())) }

// Profile is what an issuer whose id is a web address publishes there: an OB 3.0 Profile with its keys, as verification
// methods and, for those who read Open Badges 2.0, as publicKey.
func Profile(id, name string, keys ...*Key) ([]byte, error) {
	if u, err := url.Parse(id); err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, fmt.Errorf("%.100q is not an https address", id)
	}
	doc, err := controller(id, keys)
	if err != nil {
		return nil, err
	}
	doc["@context"], doc["type"] = []any{ContextVC, ContextOB}, []any{"Profile"}
	if name != "" {
		doc["name"] = name
	}
	var public []any
	for _, k := range keys {
		if k.rsa == nil {
			public = append(public, k.publicMethod(id))
			continue
		}
		der, err := x509.MarshalPKIXPublicKey(k.Public())
		if err != nil {
			return nil, err
		}
		public = append(public, object{"id": k.method(id), "type": "CryptographicKey", "owner": id,
			"publicKeyPem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	}
	doc["publicKey"] = public
	return indented(doc)
}

func indented(doc object) ([]byte, error) {
	b, err := json.MarshalIndent(doc, "", "  ")
	return append(b, '\n'), err
}
