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

// These are the JSON-LD contexts of the documents that publish an issuer's keys.
const (
	contextDID      = "https://www.w3.org/ns/did/v1"
	contextMultikey = "https://w3id.org/security/multikey/v1"
	contextJWK      = "https://w3id.org/security/jwk/v1"
)

// WebDID returns the did:web for a host, or for a host with a path such as lab.example/badges. WebDID also returns
// the address at which the issuer must publish the DID document (did:web method, section 3.2).
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

// DIDDocument returns the document that a did:web issuer publishes. The document lists each key under the id by which
// the issuer's proofs name the key.
func DIDDocument(did string, keys ...*Key) ([]byte, error) {
	if !strings.HasPrefix(did, "did:") {
		return nil, fmt.Errorf("%.100q is not a DID", did)
	}
	doc, err := controllerDocument(did, keys)
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
	return indentedJSON(doc)
}

// controllerDocument returns a document with an issuer's keys for assertions (Controlled Identifiers 1.0, section 2).
func controllerDocument(id string, keys []*Key) (object, error) {
	if len(keys) == 0 {
		return nil, errors.New("keys of the issuer are missing, want at least one key")
	}
	var methods, names []any
	for _, k := range keys {
		methods, names = append(methods, k.publicMethod(id)), append(names, k.methodID(id))
	}
	return object{"id": id, "verificationMethod": methods, "assertionMethod": names}, nil
}

// hasMethod reports whether a document has a verification method of the given type.
func hasMethod(doc object, kind string) bool {
	for _, m := range doc["verificationMethod"].([]any) {
		if m.(object)["type"] == kind {
			return true
		}
	}
	return false
}

// publicMethod returns the public key as a verification method.
func (k *Key) publicMethod(controller string) object {
	m := object{"id": k.methodID(controller), "controller": controller}
	if k.rsa != nil {
		m["type"], m["publicKeyJwk"] = "JsonWebKey", k.namedJWK(k.Name())
	} else {
		m["type"], m["publicKeyMultibase"] = "Multikey", k.Multikey()
	}
	return m
}

// namedJWK returns the public key as a JSON Web Key with kid, alg and use.
func (k *Key) namedJWK(name string) object {
	j := k.publicJWK()
	j["kid"], j["alg"], j["use"] = name, k.Algorithm(), "sig"
	return j
}

// JWKS returns the issuer's public keys as a JSON Web Key Set (RFC 7517, section 5). Each kid equals the kid that the
// issuer's VC-JWTs contain for this key.
func JWKS(issuer string, keys ...*Key) ([]byte, error) {
	var all []any
	for _, k := range keys {
		all = append(all, k.namedJWK(k.methodID(issuer)))
	}
	return indentedJSON(object{"keys": all})
}

// JWK returns one public key as a JSON Web Key. The document is published at the address that a token's kid names.
func (k *Key) JWK() ([]byte, error) { return indentedJSON(k.namedJWK(k.Name())) }

// Profile returns the document for an issuer with a web address as its id: an Open Badges 3.0 Profile with the keys as
// verification methods and, for Open Badges 2.0, as publicKey.
func Profile(id, name string, keys ...*Key) ([]byte, error) {
	if u, err := url.Parse(id); err != nil || u.Scheme != "https" || u.Host == "" || u.Fragment != "" {
		return nil, fmt.Errorf("%.100q is not an https address", id)
	}
	doc, err := controllerDocument(id, keys)
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
		public = append(public, object{"id": k.methodID(id), "type": "CryptographicKey", "owner": id,
			"publicKeyPem": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))})
	}
	doc["publicKey"] = public
	return indentedJSON(doc)
}

// indentedJSON returns a document as indented JSON.
func indentedJSON(doc object) ([]byte, error) {
	b, err := json.MarshalIndent(doc, "", "  ")
	return append(b, '\n'), err
}
