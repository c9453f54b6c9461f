package file

import (
	"crypto/ed25519"
	"math/big"
	"strings"

	"portillon/yamlfile"
)

const didKeyPrefix = "did:key:"

// didKey is a key as a DID.
func didKey(key string) string { return didKeyPrefix + strings.TrimPrefix(key, didKeyPrefix) }

// checkKey accepts did:key:z6Mk… and the bare multikey z6Mk…: multibase base58btc (z) of the multicodec 0xed 0x01 and the 32
// bytes of an Ed25519 key (https://www.w3.org/TR/controller-document/#Multikey).
func checkKey(n yamlfile.Node) bool {
	if !n.IsScalar() {
		n.Fault("did:key:z6Mk… or z6Mk…", "a key must be one value")
		return false
	}
	s := strings.TrimPrefix(n.Str(), didKeyPrefix)
	if before, _, cut := strings.Cut(s, "#"); cut {
		n.Fault("leave out # and what follows: "+before, "a key, not a verification method")
		return false
	}
	raw, ok := multikey(s)
	if ok && len(raw) == 2+ed25519.PublicKeySize && raw[0] == 0xed && raw[1] == 0x01 {
		return true
	}
	hint := "did:key:z6Mk… or z6Mk…"
	if ok {
		hint = "Ed25519 keys only, which begin with z6Mk"
	}
	n.Fault(hint, "%q is not a key that this version knows", n.Str())
	return false
}

const base58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// multikey decodes z and base58btc. Leading zero bytes, which no multicodec has, are dropped.
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
