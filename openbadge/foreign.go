package openbadge

import (
	"bytes"
	"encoding/base64"
	"slices"
	"strings"

	"portillon/openbadge/internal/ld"
)

// ob1Contexts are the contexts of Open Badges 1.1.
var ob1Contexts = [...]string{"https://w3id.org/openbadges/v1", "https://openbadgespec.org/v1/context.json"}

// foreignFault returns a fault for a document that people may mistake for a supported badge.
func foreignFault(doc object) error {
	types := doc["type"]
	if types == nil {
		types = doc["@type"]
	}
	switch {
	case hasText(types, "ClrCredential"), hasText(types, "CLR"), hasText(types, "Clr"):
		return fault("not-an-open-badge",
			"a Comprehensive Learner Record (CLR): verify each badge in it separately")
	case hasText(types, "VerifiablePresentation"):
		return fault("not-an-open-badge", "a presentation: verify each badge in it separately")
	case isOpenBadges1(doc):
		return fault("unsupported-form",
			"an Open Badges 1 assertion: ask the issuer for the badge as Open Badges 2.0 or 3.0")
	case doc["_sd"] != nil || doc["_sd_alg"] != nil:
		return fault("unsupported-form", "selective disclosure (SD-JWT, RFC 9901) is not supported: ask for a VC-JWT")
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

// isWebPage reports whether the bytes begin like an HTML page.
func isWebPage(data []byte) bool {
	head := bytes.ToLower(data[:min(len(data), 64)])
	head = bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\ufeff")), " \t\r\n")
	return bytes.HasPrefix(head, []byte("<!doctype html")) || bytes.HasPrefix(head, []byte("<html"))
}

// isAddress reports whether the data is nothing but a web address.
func isAddress(data []byte) bool {
	s := string(data[:min(len(data), 16)])
	return (strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://")) &&
		!bytes.ContainsAny(data, " \t\r\n<>\"") &&
		len(data) <= maxAddress
}

// maxAddress is the maximum length of a document's address, in bytes.
const maxAddress = 2048

// foreignTokenFault returns the fault for a text that looks like a token but does not have three parts.
func foreignTokenFault(b []byte, parts [][]byte) error {
	switch isHeader := beginsAsToken(parts[0]); {
	case isHeader && bytes.ContainsRune(b, '~'):
		return fault("unsupported-form", "selective disclosure (SD-JWT, RFC 9901) is not supported: ask for a VC-JWT")
	case isHeader && len(parts) == 5:
		return fault("unsupported-form", "encrypted tokens (JWE, RFC 7516) are not supported: ask for the signed token")
	case isAddress(b):
		return fault("malformed", "only the address %.200q: download the badge from this address", b)
	}
	return fault("malformed", "neither JSON nor a JWT")
}

// beginsAsToken reports whether the first part of a text is the base64url form of a JSON object.
func beginsAsToken(part []byte) bool {
	head, err := base64.RawURLEncoding.DecodeString(string(part))
	return err == nil && bytes.HasPrefix(bytes.TrimLeft(head, " \t\r\n"), []byte("{"))
}
