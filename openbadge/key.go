package openbadge

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"math/big"
)

// Key is an issuer's signing key: Ed25519, or RSA for those who must read RS256. Printed or logged it is its DID or its
// thumbprint: only MarshalText gives its secret away.
type Key struct {
	private ed25519.PrivateKey // nil: it is an RSA key
	rsa     *rsa.PrivateKey
	note    string
}

// The sizes of RSA keys: what we make, and what we take (RFC 7518, section 3.3, demands 2,048 bits; more than 8,192
// only costs time).
const (
	rsaBits    = 3072
	minRSABits = 2048
	maxRSABits = 8192
)

// GenerateKey makes an Ed25519 key. note stands in its file for people: what the key is for.
func GenerateKey(note string) (*Key, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Key{private: priv, note: note}, nil
}

// GenerateRSAKey makes an RSA key of 3,072 bits, which signs VC-JWTs with RS256. It has no DID of its own: its issuer
// has a did:web or a web address, where the key is published.
func GenerateRSAKey(note string) (*Key, error) {
	priv, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	return &Key{rsa: priv, note: note}, nil
}

// DID is an Ed25519 key as a did:key, which is also the issuer's id where it has no other. Empty: an RSA key has none.
func (k *Key) DID() string {
	if k.rsa != nil {
		return ""
	}
	return "did:key:" + k.Multikey()
}

// Multikey is an Ed25519 public key as z6Mk…. Empty: an RSA key has no such form.
func (k *Key) Multikey() string {
	if k.rsa != nil {
		return ""
	}
	return multikey(k.private.Public().(ed25519.PublicKey))
}

// Name is what stands behind the # where the key is published: its multikey, or the thumbprint of an RSA key (RFC
// 7638).
func (k *Key) Name() string {
	if k.rsa == nil {
		return k.Multikey()
	}
	e, n := k.exponentAndModulus()
	h := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Algorithm is how the key signs a JWT: EdDSA or RS256.
func (k *Key) Algorithm() string {
	if k.rsa != nil {
		return "RS256"
	}
	return "EdDSA"
}

// Public is the public key: an ed25519.PublicKey or an *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey {
	if k.rsa != nil {
		return k.rsa.Public()
	}
	return k.private.Public()
}

// String is the DID, or the thumbprint.
func (k *Key) String() string {
	if k.rsa != nil {
		return "RSA key " + k.Name()
	}
	return k.DID()
}

// Format prints the DID or the thumbprint, whatever the verb.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue logs the DID or the thumbprint.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// method names the key in a proof of the issuer's, as DIDDocument and Profile publish it.
func (k *Key) method(issuer string) string { return issuer + "#" + k.Name() }

// sign signs a JWT's text: with EdDSA, or with RS256 (RSASSA-PKCS1-v1_5 with SHA-256; RFC 7518, section 3.3).
func (k *Key) sign(text []byte) ([]byte, error) {
	if k.rsa == nil {
		return ed25519.Sign(k.private, text), nil
	}
	h := sha256.Sum256(text)
	return rsa.SignPKCS1v15(nil, k.rsa, crypto.SHA256, h[:])
}

// jwk is the public key as a JSON Web Key (RFC 7517; RFC 8037 for Ed25519).
func (k *Key) jwk() object {
	if k.rsa == nil {
		return object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.private.Public().(ed25519.PublicKey))}
	}
	e, n := k.exponentAndModulus()
	return object{"kty": "RSA", "e": e, "n": n}
}

func (k *Key) exponentAndModulus() (e, n string) {
	return b64(big.NewInt(int64(k.rsa.E)).Bytes()), b64(k.rsa.N.Bytes())
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
