package openbadge

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
)

func TestWebDIDIsMadeFromAHostAndAPath(t *testing.T) {
	for place, want := range map[string]string{
		"lab.example":           "did:web:lab.example https://lab.example/.well-known/did.json",
		"lab.example/":          "did:web:lab.example https://lab.example/.well-known/did.json",
		"lab.example:8443":      "did:web:lab.example%3A8443 https://lab.example:8443/.well-known/did.json",
		"lab.example/badges/fr": "did:web:lab.example:badges:fr https://lab.example/badges/fr/did.json",
		"":                      "",
		"/x":                    "",
		"lab.example//x":        "",
		"lab.example/../x":      "",
		"lab.example/a:b":       "",
		"user@lab.example":      "",
		"lab.example?x":         "",
		"lab.example#x":         "",
		"lab example":           "", "https://lab.example": "", "lab.example/é": "", "lab.example/%2e": "", "[::1]": "",
	} {
		did, address, err := WebDID(place)
		if got := strings.TrimSpace(did + " " + address); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q %v, want %q", place, got, err, want)
		}
	}
}

// The published keys must have the same ids as in issued proofs and tokens. The published documents must not contain
// a private key.
func TestPublishedKeysHaveTheIDsUsedInSignatures(t *testing.T) {
	ed, rs := key(t), testRSA(t)
	for issuer, publish := range map[string]func(...*Key) ([]byte, error){
		"did:web:lab.example": func(k ...*Key) ([]byte, error) { return DIDDocument("did:web:lab.example", k...) },
		"https://lab.example/issuer": func(k ...*Key) ([]byte, error) {
			return Profile(
				"https://lab.example/issuer",
				"Lab",
				k...,
			)
		},
	} {
		b, err := publish(ed, rs)
		if err != nil {
			t.Fatal(err)
		}
		var doc struct {
			ID                 string
			AssertionMethod    []string
			VerificationMethod []struct {
				ID, Type, Controller, PublicKeyMultibase string
				PublicKeyJwk                             map[string]string
			}
			PublicKey []struct{ ID, Owner, PublicKeyPem, PublicKeyMultibase string }
		}
		if err := json.Unmarshal(b, &doc); err != nil {
			t.Fatal(err)
		}
		m := doc.VerificationMethod
		if doc.ID != issuer || len(m) != 2 || m[0].ID != ed.methodID(issuer) || m[0].PublicKeyMultibase != ed.Multikey() ||
			m[0].Type != "Multikey" || m[0].Controller != issuer ||
			m[1].ID != rs.methodID(issuer) || m[1].Type != "JsonWebKey" ||
			m[1].PublicKeyJwk["alg"] != "RS256" ||
			m[1].PublicKeyJwk["d"] != "" ||
			len(doc.AssertionMethod) != 2 ||
			doc.AssertionMethod[0] != m[0].ID ||
			doc.AssertionMethod[1] != m[1].ID {
			t.Errorf("%s", b)
		}
		if !strings.HasPrefix(issuer, "https:") {
			continue
		}
		block, _ := pem.Decode([]byte(doc.PublicKey[1].PublicKeyPem))
		pub, err := x509.ParsePKIXPublicKey(block.Bytes)
		if k, ok := pub.(*rsa.PublicKey); err != nil || !ok || !k.Equal(rs.Public()) ||
			doc.PublicKey[0].PublicKeyMultibase != ed.Multikey() ||
			doc.PublicKey[1].Owner != issuer {
			t.Errorf("%v %+v", err, doc.PublicKey)
		}
	}
}

// RFC 7638, section 3.1, gives the thumbprint of its example key.
func TestThumbprintEqualsTheExampleOfRFC7638(t *testing.T) {
	const n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJ" +
		"ECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW" +
		"2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQ" +
		"Fh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
	var m number
	if err := m.UnmarshalText([]byte(n)); err != nil {
		t.Fatal(err)
	}
	k := &Key{rsa: &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: m.int, E: 65537}}}
	if k.Name() != "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs" {
		t.Error(k.Name())
	}
}

func TestPublishingNeedsAnAddress(t *testing.T) {
	k := key(t)
	if _, err := DIDDocument("https://lab.example", k); err == nil {
		t.Error("DIDDocument accepted a web address")
	}
	if _, err := DIDDocument("did:web:lab.example"); err == nil {
		t.Error("DIDDocument accepted an issuer without keys")
	}
	for _, id := range []string{"did:web:lab.example", "http://lab.example", "https://", "https://lab.example/#x"} {
		if _, err := Profile(id, "", k); err == nil {
			t.Errorf("Profile accepted the id %q", id)
		}
	}
	jwk, err := testRSA(t).JWK()
	if err != nil || strings.Contains(string(jwk), `"d"`) || !strings.Contains(string(jwk), `"RS256"`) {
		t.Errorf("%s %v", jwk, err)
	}
	set, err := JWKS("did:web:lab.example", k, testRSA(t))
	if err != nil || strings.Count(string(set), `"kid": "did:web:lab.example#`) != 2 {
		t.Errorf("%s %v", set, err)
	}
}
