package openbadge

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"

	"portillon/openbadge/internal/ld"
)

// parseJWKS returns the usable keys of a JWK set (RFC 7517, section 5). parseJWKS skips keys that it cannot read, as
// the RFC requires, and returns an error if no key is usable.
func parseJWKS(doc object) ([]pin, error) {
	var out []pin
	last := errors.New("JWKS has no keys")
	for _, x := range ld.List(doc["keys"]) {
		j, ok := x.(object)
		if !ok {
			continue
		}
		k, err := parseJWK(j)
		if err != nil {
			last = err
			continue
		}
		out = append(out, pin{k, ld.Str(j, "kid")})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("JWKS has no usable key: %w", last)
	}
	return out, nil
}

// parseJWK returns a public key: RSA, EC with P-256 or P-384 (RFC 7518, section 6), or OKP with Ed25519 (RFC 8037).
func parseJWK(j object) (crypto.PublicKey, error) {
	if u := ld.Str(j, "use"); u != "" && u != "sig" {
		return nil, fmt.Errorf("JWK has use %.20q, want sig", u)
	}
	if j["d"] != nil {
		return nil, errors.New("JWK contains the private key, want only the public key")
	}
	switch kty, crv := ld.Str(j, "kty"), ld.Str(j, "crv"); {
	case kty == "OKP" && crv == "Ed25519":
		if x := decodeMember(j, "x", ed25519.PublicKeySize); x != nil {
			return ed25519.PublicKey(x), nil
		}
	case kty == "EC" && crv == "P-256":
		return parseEC(elliptic.P256(), j, 32)
	case kty == "EC" && crv == "P-384":
		return parseEC(elliptic.P384(), j, 48)
	case kty == "RSA":
		return checkRSA(new(big.Int).SetBytes(decodeMember(j, "n", 0)), new(big.Int).SetBytes(decodeMember(j, "e", 0)))
	default:
		return nil, fmt.Errorf("JWK has type %.20q and curve %.20q, want RSA, EC with P-256 or P-384, or OKP with Ed25519",
			kty, crv)
	}
	return nil, errors.New("JWK lacks a member that its key type requires")
}

// decodeMember returns the decoded value of a base64url member of a JWK, or nil if the value does not have size
// bytes. If size is 0, decodeMember accepts any size up to the size of the longest RSA key.
func decodeMember(j object, key string, size int) []byte {
	s := ld.Str(j, key)
	if len(s) > 2*maxRSABits/8 {
		return nil
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || size > 0 && len(b) != size {
		return nil
	}
	return b
}

// parseEC returns the EC key with the coordinates that a JWK contains.
func parseEC(c elliptic.Curve, j object, size int) (crypto.PublicKey, error) {
	x, y := decodeMember(j, "x", size), decodeMember(j, "y", size)
	if k, ok := keyAtPoint(c, x, y); ok && x != nil && y != nil {
		return k, nil
	}
	return nil, errors.New("JWK's coordinates are not a point on its curve")
}

// checkRSA checks the size of an RSA key. The smallest accepted size ensures security. The largest accepted size
// limits the time of a verification.
func checkRSA(n, e *big.Int) (crypto.PublicKey, error) {
	switch bits := n.BitLen(); {
	case bits < minRSABits || bits > maxRSABits:
		return nil, fmt.Errorf("RSA key has %d bits, want %d to %d", bits, minRSABits, maxRSABits)
	case n.Bit(0) == 0 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0:
		return nil, errors.New("RSA key has an invalid modulus or exponent")
	}
	return &rsa.PublicKey{N: n, E: int(e.Int64())}, nil
}

// parsePEM reads one public key in PEM format: SubjectPublicKeyInfo (RFC 7468, section 13), or PKCS #1, as older
// issuers use for RSA keys.
func parsePEM(s string) (crypto.PublicKey, error) {
	if len(s) > 8<<10 {
		return nil, errors.New("PEM text is longer than 8 KB, want one public key")
	}
	block, rest := pem.Decode([]byte(s))
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("text is not a public key in PEM format")
	}
	var k any
	var err error
	if block.Type == "RSA PUBLIC KEY" {
		k, err = x509.ParsePKCS1PublicKey(block.Bytes)
	} else if block.Type == "PUBLIC KEY" {
		k, err = x509.ParsePKIXPublicKey(block.Bytes)
	} else {
		return nil, fmt.Errorf("PEM block has type %.40q, want a public key", block.Type)
	}
	if err != nil {
		return nil, errors.New("cannot decode the public key in the PEM block")
	}
	switch k := k.(type) {
	case ed25519.PublicKey:
		return k, nil
	case *rsa.PublicKey:
		return checkRSA(k.N, big.NewInt(int64(k.E)))
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return k, nil
		}
	}
	return nil, errors.New("unsupported kind of public key, want Ed25519, P-256, P-384 or RSA")
}
