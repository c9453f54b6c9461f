package file

import (
	"crypto/elliptic"
	"encoding/pem"
	"fmt"
	"math/big"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"portillon/keykind"
	"portillon/yamlfile"
)

const didKeyPrefix = "did:key:"

// issuerOf returns the issuer.id that a key implies: the DID of the key, or the address of the issuer's profile.
func issuerOf(key string) string {
	switch {
	case strings.HasPrefix(key, "did:web:"), strings.HasPrefix(key, "https://"):
		return key
	case strings.HasPrefix(key, "-----BEGIN "):
		return ""
	}
	return didKeyPrefix + strings.TrimPrefix(key, didKeyPrefix)
}

const keyKinds = "did:key:z6Mk…, z6Mk…, did:web:host, https://… of a profile or JWKS, or a PEM public key"

// maxKeys limits the keys of all issuers together, because checking a key takes arithmetic on its curve.
const maxKeys = 500

// keyList returns the entries of an issuer's list of keys, or none once the file has more than maxKeys.
func (r *reader) keyList(n yamlfile.Node) []yamlfile.Node {
	out, before := n.List(), r.keys
	if r.keys += len(out); before > maxKeys {
		return nil // the fault was already reported
	}
	if r.keys > maxKeys {
		n.Fault(fmt.Sprintf("at most %d", maxKeys), "with these, the file has %d keys", r.keys)
		return nil
	}
	return out
}

// checkKey accepts the kinds of keys that verify badges: a multikey, alone or as did:key (multibase base58btc of a
// multicodec prefix and the key: Ed25519 0xed, P-256 0x1200, P-384 0x1201; Controlled Identifiers 1.0, section 2.2.3),
// a did:web, the https address of a document that lists keys, and a public key in PEM. checkKey does not fetch
// documents: a missing document is noticed only when a badge is verified.
//
// A multikey has no checksum, so checkKey can detect a mistyped letter only by the curve. checkKey refuses a key that
// is not a point of its curve, which detects about half of all mistyped letters. The other half of the mistyped letters
// give valid keys that nobody owns. An administrator notices such a mistake only when a badge of this issuer fails to
// verify.
func checkKey(n yamlfile.Node) bool {
	if !n.IsScalar() {
		n.Fault(keyKinds, "a key must be one value")
		return false
	}
	// the error of Check may be shown, because it does not quote a secret
	if err := (keykind.Place{Kind: keykind.Issuer}).Check(n.Str()); err != nil {
		n.Fault(keyKinds, "%v", err)
		return false
	}
	s := strings.TrimPrefix(n.Str(), didKeyPrefix)
	if before, _, cut := strings.Cut(s, "#"); cut && !strings.HasPrefix(s, "-----") {
		n.Fault(fmt.Sprintf("leave out # and what follows: %.80s", before), "a key, not a verification method")
		return false
	}
	switch ok, onCurve := known(s); {
	case !ok:
		n.Fault(keyKinds, "%.80q is not a key that this version knows", n.Str())
		return false
	case !onCurve:
		n.Fault("copy it again: a letter of it is wrong", "%.80q is no key: no point of its curve", n.Str())
		return false
	}
	return true
}

// known reports whether s has the form of a key, and whether the key is on its curve.
func known(s string) (ok, onCurve bool) {
	switch {
	case strings.HasPrefix(s, "did:web:"):
		return isWebDID(s), true
	case strings.HasPrefix(s, "https://"):
		u, err := url.Parse(s)
		return err == nil && u.Host != "" && u.User == nil && u.Fragment == "", true
	case strings.HasPrefix(s, "-----BEGIN "):
		block, _ := pem.Decode([]byte(s))
		return block != nil && strings.HasSuffix(block.Type, "PUBLIC KEY"), true
	}
	return knownMultikey(s)
}

// knownMultikey is known for a multikey. The first two bytes of a multikey are the multicodec prefix of the kind of
// key.
func knownMultikey(s string) (ok, onCurve bool) {
	raw, ok := multikey(s)
	if !ok || len(raw) < 3 {
		return false, false
	}
	switch prefix, key := [2]byte(raw), raw[2:]; {
	case prefix == [2]byte{0xed, 0x01} && len(key) == 32:
		return true, onEd25519(key)
	case prefix == [2]byte{0x80, 0x24} && len(key) == 33:
		x, _ := elliptic.UnmarshalCompressed(elliptic.P256(), key)
		return true, x != nil
	case prefix == [2]byte{0x81, 0x24} && len(key) == 49:
		x, _ := elliptic.UnmarshalCompressed(elliptic.P384(), key)
		return true, x != nil
	}
	return false, false
}

const webDIDs = "did:web:host, did:web:host:path or did:web:host%3A8443: nothing but the colon of a port is escaped"

// plainChars are the characters of a DID that need no escape (Decentralized Identifiers 1.0, section 3.1: idchar).
const plainChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_"

// isWebDID reports whether a did:web leads to the visible host (did:web method specification, section 2.5.2). It
// accepts a host, optionally with %3A and a port, and plain parts of a path. Other escapes could lead to another host,
// as in did:web:lab.example%2F..
func isWebDID(s string) bool {
	parts := strings.Split(strings.TrimPrefix(s, "did:web:"), ":")
	name, port := parts[0], ""
	if at := strings.IndexByte(name, '%'); at >= 0 {
		// Compute the offset in name itself, because an upper-case copy can be longer ("ɐ" has two bytes, its capital has
		// three).
		escape := name[at:min(at+len("%3A"), len(name))]
		if !strings.EqualFold(escape, "%3A") {
			return false
		}
		name, port = name[:at], name[at+len("%3A"):]
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return false
		}
	}
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || strings.Trim(label, plainChars) != "" {
			return false
		}
	}
	for _, p := range parts[1:] {
		if strings.Trim(p, ".") == "" || strings.Trim(p, plainChars) != "" {
			return false
		}
	}
	return true
}

// onEd25519 reports whether 32 bytes are a point of the curve. The bytes contain y, little-endian, and the sign of x in
// the last bit. They are a point if x² = (y²-1)/(dy²+1) has a root (RFC 8032, section 5.1.3).
func onEd25519(key []byte) bool {
	b := slices.Clone(key)
	slices.Reverse(b)
	negative := b[0]&0x80 != 0
	b[0] &= 0x7f
	one := big.NewInt(1)
	p := new(big.Int).Sub(new(big.Int).Lsh(one, 255), big.NewInt(19))
	d := new(big.Int).ModInverse(big.NewInt(121666), p)
	d.Mul(d, big.NewInt(-121665))
	y := new(big.Int).SetBytes(b)
	if y.Cmp(p) >= 0 {
		return false
	}
	y2 := new(big.Int).Mul(y, y)
	u := new(big.Int).Sub(y2, one)
	v := d.Mul(d, y2)
	v.Add(v, one)
	square := u.Mul(u, v) // u·v is a square exactly if u/v is a square
	square.Mod(square, p)
	return big.Jacobi(square, p) >= 0 && !(negative && square.Sign() == 0)
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// multikey decodes the letter z followed by base58btc. multikey drops leading zero bytes, because no multicodec begins
// with a zero byte.
func multikey(s string) ([]byte, bool) {
	if len(s) < 2 || len(s) > 100 || s[0] != 'z' {
		return nil, false
	}
	sum, radix := new(big.Int), big.NewInt(58)
	for _, c := range []byte(s[1:]) {
		d := strings.IndexByte(base58, c)
		if d < 0 {
			return nil, false
		}
		sum.Add(sum.Mul(sum, radix), big.NewInt(int64(d)))
	}
	return sum.Bytes(), true
}
