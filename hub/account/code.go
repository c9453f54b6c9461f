package account

import (
	"encoding/base32"
	"hash/crc32"
	"strings"
)

// crockford is the alphabet of Douglas Crockford's base 32: no I, L, O, U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Bits of the codes that people type, and of those that programs carry.
const (
	typedCode  = 15 // characters of 5 bits: 75 bits
	linkCode   = 26 // 130 bits
	tokenBytes = 20
)

// newCode makes a code of n characters of 5 random bits.
func (s *Service) newCode(n int) (string, error) {
	b, err := s.random(n)
	if err != nil {
		return "", err
	}
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return string(b), nil
}

// grouped writes a code as people read it: five characters, a dash, five characters.
func grouped(code string) string {
	var parts []string
	for len(code) > 5 {
		parts, code = append(parts, code[:5]), code[5:]
	}
	return strings.Join(append(parts, code), "-")
}

// ungrouped reads a code as people type it: in either case, with O for 0 and I or L for 1, with spaces or dashes.
// What is no code gives the empty text.
func ungrouped(s string) string {
	if len(s) > 100 {
		return ""
	}
	out := strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	if strings.Trim(out, crockford) != "" {
		return ""
	}
	return out
}

// tokenPrefix lets scanners for leaked secrets recognise an API token.
const tokenPrefix = "ptl_"

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// newTokenText makes an API token: the prefix, 160 random bits, and their CRC-32, so that a scanner or a typing error
// is told from a token without asking anybody.
func (s *Service) newTokenText() (string, error) {
	b, err := s.random(tokenBytes)
	if err != nil {
		return "", err
	}
	return tokenPrefix + tokenText.EncodeToString(append(b, checksum(b)...)), nil
}

// isToken reports whether text has the form of a token.
func isToken(text string) bool {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != tokenText.EncodedLen(tokenBytes+4) {
		return false
	}
	b, err := tokenText.DecodeString(rest)
	return err == nil && string(checksum(b[:tokenBytes])) == string(b[tokenBytes:]) && tokenText.EncodeToString(b) == rest
}

func checksum(b []byte) []byte {
	c := crc32.ChecksumIEEE(b)
	return []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
}
