package openbadge

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// The contexts of Open Badges 1.1.
var ob1Contexts = [...]string{"https://w3id.org/openbadges/v1", "https://openbadgespec.org/v1/context.json"}

// foreign returns an error that names documents which look like badges to people and which this package does not read.
func foreign(doc object) error {
	types := doc["type"]
	if types == nil {
		types = doc["@type"]
	}
	switch {
	case has(types, "ClrCredential"), has(types, "CLR"), has(types, "Clr"):
		return fault("not-an-open-badge",
			"a Comprehensive Learner Record (CLR), which holds badges: verify each of them by itself")
	case has(types, "VerifiablePresentation"):
		return fault("not-an-open-badge", "a presentation, which holds badges: verify each of them by itself")
	case isOpenBadges1(doc):
		return fault("unsupported-form",
			"an assertion of Open Badges 1: ask its issuer for the badge as Open Badges 2.0 or 3.0")
	case doc["_sd"] != nil || doc["_sd_alg"] != nil:
		return fault("unsupported-form", "a token of selective disclosure (SD-JWT, RFC 9901) is not read: ask for a VC-JWT")
	}
	return nil
}

// isOpenBadges1 reports whether a document is an assertion of Open Badges 1.0, which has no context, or 1.1.
func isOpenBadges1(doc object) bool {
	contexts := ld.List(doc["@context"])
	if len(contexts) == 0 {
		return doc["badge"] != nil && (doc["verify"] != nil || doc["recipient"] != nil)
	}
	return slices.ContainsFunc(contexts, func(c any) bool {
		s, ok := c.(string)
		return ok && slices.Contains(ob1Contexts[:], s)
	}) && !isOpenBadges2(doc) && doc["badge"] != nil
}

// isWebPage reports whether the bytes begin as HTML does.
func isWebPage(data []byte) bool {
	head := bytes.ToLower(data[:min(len(data), 64)])
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// isAddress reports whether a text is a web address and nothing else.
func isAddress(data []byte) bool {
	s := string(data[:min(len(data), 16)])
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) &&
		!bytes.ContainsAny(data, " \t\r\n<>\"") &&
		len(data) <= maxAddress
}

// maxAddress bounds the address of a document, in bytes.
const maxAddress = 2048

// foreignToken names a text that is not a token of three parts.
func foreignToken(b []byte, parts [][]byte) error {
	switch isHeader := beginsAsToken(parts[0]); {
	case isHeader && bytes.ContainsRune(b, '~'):
		return fault("unsupported-form", "a token of selective disclosure (SD-JWT, RFC 9901) is not read: ask for a VC-JWT")
	case isHeader && len(parts) == 5:
		return fault("unsupported-form", "an encrypted token (JWE, RFC 7516) is not read: ask for the signed one within it")
	case isAddress(b):
		return fault("malformed", "the address %.200q, and no badge: save what stands there", b)
	}
	return fault("malformed", "it is neither JSON nor a JWT")
}

// beginsAsToken reports whether a token's first part is the base64url of a JSON object.
func beginsAsToken(part []byte) bool {
	head, err := base64.RawURLEncoding.DecodeString(string(part))
	return err == nil && bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{"))
}
