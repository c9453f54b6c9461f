package openbadge

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"math/big"
	"strings"
)

// base58 is the alphabet of base58btc (Bitcoin), without 0, O, I and l.
const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// encode58 encodes bytes as base58btc, which is the encoding with the multibase prefix z.
func encode58(b []byte) string {
	n, mod := new(big.Int).SetBytes(b), new(big.Int)
	var out []byte
	for n.Sign() > 0 {
		n.DivMod(n, big.NewInt(58), mod)
		out = append(out, base58[mod.Int64()])
	}
	for i := 0; i < len(b) && b[i] == 0; i++ {
		out = append(out, '1')
	}
	for i, j := 0, len(out)-1; i < j; i, j = i+1, j-1 {
		out[i], out[j] = out[j], out[i]
	}
	return string(out)
}

// decode58 decodes base58btc.
func decode58(s string) ([]byte, bool) {
	if len(s) > 200 { // the longest value is a signature of 64 bytes, which has 88 characters
		return nil, false
	}
	n := new(big.Int)
	for _, r := range s {
		i := strings.IndexRune(base58, r)
		if i < 0 {
			return nil, false
		}
		n.Mul(n, big.NewInt(58)).Add(n, big.NewInt(int64(i)))
	}
	zeros := len(s) - len(strings.TrimLeft(s, "1"))
	return append(make([]byte, zeros), n.Bytes()...), true
}

// These are the multicodec prefixes of the supported kinds of keys, as varints (multicodec table: ed25519-pub 0xed,
// ed25519-priv 0x1300, p256-pub 0x1200, p384-pub 0x1201).
var (
	publicPrefix = [2]byte{0xed, 0x01}
	secretPrefix = [2]byte{0x80, 0x26}
	p256Prefix   = [2]byte{0x80, 0x24}
	p384Prefix   = [2]byte{0x81, 0x24}
)

// multikey returns an Ed25519 public key as a multikey z6Mk….
func multikey(k ed25519.PublicKey) string {
	return "z" + encode58(append(publicPrefix[:], k...))
}

// parseMultikey decodes a multikey that is written z6Mk…, did:key:z6Mk… or did:key:z6Mk…#z6Mk…: an Ed25519 key, or a
// key on P-256 (zDn…) or P-384 (z82…).
func parseMultikey(s string) (crypto.PublicKey, bool) {
	s, frag, hasFrag := strings.Cut(strings.TrimPrefix(s, "did:key:"), "#")
	if hasFrag && frag != s {
		return nil, false
	}
	if b, ok := decodeMultibase(s, publicPrefix, ed25519.PublicKeySize); ok {
		return ed25519.PublicKey(b), true
	}
	if b, ok := decodeMultibase(s, p256Prefix, 33); ok {
		return decodePoint(elliptic.P256(), b)
	}
	if b, ok := decodeMultibase(s, p384Prefix, 49); ok {
		return decodePoint(elliptic.P384(), b)
	}
	return nil, false
}

// decodePoint decodes a compressed point of a curve (SEC 1, section 2.3.4).
func decodePoint(c elliptic.Curve, b []byte) (crypto.PublicKey, bool) {
	x, y := elliptic.UnmarshalCompressed(c, b)
	if x == nil {
		return nil, false
	}
	size := (c.Params().BitSize + 7) / 8
	return keyAtPoint(c, x.FillBytes(make([]byte, size)), y.FillBytes(make([]byte, size)))
}

// keyAtPoint returns the key with these coordinates, or an error if they are not a point of the curve.
func keyAtPoint(c elliptic.Curve, x, y []byte) (crypto.PublicKey, bool) {
	k, err := ecdsa.ParseUncompressedPublicKey(c, append(append([]byte{4}, x...), y...))
	return k, err == nil
}

// decodeMultibase decodes a base58btc value that must have the given multicodec prefix and size bytes.
func decodeMultibase(s string, prefix [2]byte, size int) ([]byte, bool) {
	if !strings.HasPrefix(s, "z") {
		return nil, false
	}
	b, ok := decode58(s[1:])
	if !ok || len(b) != 2+size || [2]byte(b) != prefix {
		return nil, false
	}
	return b[2:], true
}
