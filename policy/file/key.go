package file

import (
	"encoding/pem"
	"math/big"
	"net/url"
	"strings"

	"portillon/yamlfile"
)

const didKeyPrefix = "did:key:"

// issuerOf is the issuer.id that a key by itself stands for: its DID, or the address of the issuer's profile.
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

// checkKey accepts the kinds of keys that badges are verified with: a multikey, alone or as did:key (multibase base58btc of a multicodec
// prefix and the key: Ed25519 0xed, P-256 0x1200, P-384 0x1201; Controlled Identifiers 1.0, section 2.2.3), a did:web, the https
// address of a document that lists keys, a public key in PEM. Whether a document is there is seen when a badge is verified.
func checkKey(n yamlfile.Node) bool {
	if !n.IsScalar() {
		n.Fault(keyKinds, "a key must be one value")
		return false
	}
	s := strings.TrimPrefix(n.Str(), didKeyPrefix)
	if before, _, cut := strings.Cut(s, "#"); cut && !strings.HasPrefix(s, "-----") {
		n.Fault("leave out # and what follows: "+before, "a key, not a verification method")
		return false
	}
	if known(s) {
		return true
	}
	n.Fault(keyKinds, "%q is not a key that this version knows", n.Str())
	return false
}

func known(s string) bool {
	switch {
	case strings.HasPrefix(s, "did:web:"):
		return len(s) > len("did:web:") && !strings.ContainsAny(s, " /?@\\")
	case strings.HasPrefix(s, "https://"):
		u, err := url.Parse(s)
		return err == nil && u.Host != "" && u.User == nil
	case strings.HasPrefix(s, "-----BEGIN "):
		block, _ := pem.Decode([]byte(s))
		return block != nil && strings.HasSuffix(block.Type, "PUBLIC KEY")
	}
	raw, ok := multikey(s)
	if !ok || len(raw) < 3 {
		return false
	}
	size := map[[2]byte]int{{0xed, 0x01}: 32, {0x80, 0x24}: 33, {0x81, 0x24}: 49}[[2]byte(raw)]
	return size > 0 && len(raw) == 2+size
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
