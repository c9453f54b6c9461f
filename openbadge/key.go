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

// Key is an issuer's signing key: an Ed25519 key, or an RSA key for verifiers that need RS256. String and logs show
// the key's DID or thumbprint; only MarshalText reveals the private key.
type Key struct {
	private ed25519.PrivateKey // the RSA key's numbers; nil for an Ed25519 key
	rsa     *rsa.PrivateKey
	note    string
}

// These constants are sizes of RSA keys in bits: the size of new keys, and the limits for accepted keys. RFC 7518,
// section 3.3, requires 2,048 bits. A key of more than 8,192 bits would only cost time.
const (
	rsaBits    = 3072
	minRSABits = 2048
	maxRSABits = 8192
)

// GenerateKey returns a new Ed25519 key. The text note describes the purpose of the key, and MarshalText writes it
// into the key's file for people.
func GenerateKey(note string) (*Key, error) {
	_, priv, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	return &Key{private: priv, note: note}, nil
}

// GenerateRSAKey returns a new RSA key of 3,072 bits, which signs VC-JWTs with RS256. An RSA key has no DID, so its
// issuer needs a did:web or a web address, at which the key is published.
func GenerateRSAKey(note string) (*Key, error) {
	priv, err := rsa.GenerateKey(rand.Reader, rsaBits)
	if err != nil {
		return nil, err
	}
	return &Key{rsa: priv, note: note}, nil
}

// DID returns the did:key of an Ed25519 key, which is also the default id of the issuer. For an RSA key, DID returns
// "".
func (k *Key) DID() string {
	if k.rsa != nil {
		return ""
	}
	return "did:key:" + k.Multikey()
}

// Multikey returns an Ed25519 public key as z6Mk…. For an RSA key, Multikey returns "".
func (k *Key) Multikey() string {
	if k.rsa != nil {
		return ""
	}
	return multikey(k.private.Public().(ed25519.PublicKey))
}

// Name returns the fragment under which the key is published: the multikey of an Ed25519 key, or the thumbprint of an
// RSA key (RFC 7638).
func (k *Key) Name() string {
	if k.rsa == nil {
		return k.Multikey()
	}
	e, n := k.exponentAndModulus()
	h := sha256.Sum256([]byte(`{"e":"` + e + `","kty":"RSA","n":"` + n + `"}`))
	return base64.RawURLEncoding.EncodeToString(h[:])
}

// Algorithm returns the algorithm of the JWT signatures that the key makes: EdDSA or RS256.
func (k *Key) Algorithm() string {
	if k.rsa != nil {
		return "RS256"
	}
	return "EdDSA"
}

// Public returns the public key: an ed25519.PublicKey or an *rsa.PublicKey.
func (k *Key) Public() crypto.PublicKey {
	if k.rsa != nil {
		return k.rsa.Public()
	}
	return k.private.Public()
}

// String returns the DID of an Ed25519 key, or the thumbprint of an RSA key.
func (k *Key) String() string {
	if k.rsa != nil {
		return "RSA key " + k.Name()
	}
	return k.DID()
}

// Format prints the DID or the thumbprint for every verb of package fmt, so that no format reveals the private key.
func (k *Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// LogValue returns the same text as String, so that no log contains the private key.
func (k *Key) LogValue() slog.Value { return slog.StringValue(k.String()) }

// methodID returns the id by which a proof of the issuer names the key. methodID uses the id under which DIDDocument
// and Profile publish the key.
func (k *Key) methodID(issuer string) string { return issuer + "#" + k.Name() }

// sign signs the text of a JWT with EdDSA, or with RS256 for an RSA key (RSASSA-PKCS1-v1_5 with SHA-256; RFC 7518,
// section 3.3).
func (k *Key) sign(text []byte) ([]byte, error) {
	if k.rsa == nil {
		return ed25519.Sign(k.private, text), nil
	}
	h := sha256.Sum256(text)
	return rsa.SignPKCS1v15(nil, k.rsa, crypto.SHA256, h[:])
}

// publicJWK returns the public key as a JSON Web Key (RFC 7517; RFC 8037 for Ed25519).
func (k *Key) publicJWK() object {
	if k.rsa == nil {
		return object{"kty": "OKP", "crv": "Ed25519", "x": b64(k.private.Public().(ed25519.PublicKey))}
	}
	e, n := k.exponentAndModulus()
	return object{"kty": "RSA", "e": e, "n": n}
}

// exponentAndModulus returns the two numbers of an RSA public key, in base64url.
func (k *Key) exponentAndModulus() (e, n string) {
	return b64(big.NewInt(int64(k.rsa.E)).Bytes()), b64(k.rsa.N.Bytes())
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
