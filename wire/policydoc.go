package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// SignedPolicy is the document that a site's policy key signs. The manifest contains this document as text in a field,
// and not as a chunk: readers of the first release skip an unknown field of a manifest, but refuse a bundle that has a
// chunk with an unknown name.
type SignedPolicy struct {
	Site   policy.SiteID `json:"site"`
	Number uint64        `json:"number"` // policy number, which increases with each change of the policy
	Policy string        `json:"policy"` // SHA-256 of policy.yaml
	// SHA-256 of the documents chunk; empty: the bundle has no documents.
	Documents string `json:"documents,omitempty"`
	Bindings  string `json:"bindings,omitempty"` // the BindingsHash; empty: the members' bindings are not signed
}

const policyKind = "portillon policy"

// SignPolicy signs p with the policy key.
func SignPolicy(p SignedPolicy, s note.Signer) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return sign(policyKind, p, s)
}

// OpenPolicy verifies that one of the keys signed the policy document, and then checks the document's format.
func OpenPolicy(data []byte, keys note.Verifiers) (SignedPolicy, error) {
	var p SignedPolicy
	if err := open(policyKind, data, keys, &p); err != nil {
		return SignedPolicy{}, err
	}
	return p, p.check()
}

// PeekPolicy reads a policy document without checking the signature. The result may be shown to people, but nothing may
// rely on it.
func PeekPolicy(data []byte) (SignedPolicy, error) {
	var p SignedPolicy
	first, rest, ok := strings.Cut(string(data), "\n")
	body, _, ok2 := strings.Cut(rest, "\n")
	if !ok || !ok2 || first != policyKind || len(data) > MaxSigned {
		return p, errors.New("text is not a policy document, want a document from portillon policy sign")
	}
	if err := Decode([]byte(body), &p); err != nil {
		return SignedPolicy{}, err
	}
	return p, p.check()
}

// check returns an error if a required field is missing or a hash is malformed.
func (p SignedPolicy) check() error {
	switch {
	case p.Site == "" || p.Number == 0:
		return errors.New("policy document: site or number is missing")
	case !hexHash.MatchString(p.Policy):
		return fmt.Errorf("policy document: %.70q is no SHA-256 of policy.yaml, want 64 hexadecimal digits", p.Policy)
	case p.Documents != "" && !hexHash.MatchString(p.Documents):
		return fmt.Errorf("policy document: %.70q is no SHA-256 of the documents, want 64 hexadecimal digits", p.Documents)
	case p.Bindings != "" && !hexHash.MatchString(p.Bindings):
		return fmt.Errorf("policy document: %.70q is no SHA-256 of the bindings, want 64 hexadecimal digits", p.Bindings)
	}
	return nil
}

// These constants are further codes of refusals, by machines that pin a policy key in addition to the bundle key.
const (
	PolicyUnsigned  = "policy-unsigned"  // the policy key has not signed the policy in the bundle
	OlderPolicy     = "older-policy"     // the policy number is lower than that of a policy that was accepted earlier
	BindingUnsigned = "binding-unsigned" // a member has more rights than the signed binding permits
)

// IsPolicyRefusal reports whether err is the refusal of a bundle with one of these codes.
func IsPolicyRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && (r.Code == PolicyUnsigned || r.Code == OlderPolicy || r.Code == BindingUnsigned)
}

// CheckPolicy verifies that a policy key has signed the policy, the documents and the bindings that the manifest lists.
// Every error of CheckPolicy is a *Refusal.
func (m Manifest) CheckPolicy(keys note.Verifiers) (SignedPolicy, error) {
	unsigned := func(format string, a ...any) (SignedPolicy, error) {
		return SignedPolicy{}, refuse(PolicyUnsigned, "bundle version %d: %s", m.Version, fmt.Sprintf(format, a...))
	}
	if m.SignedPolicy == "" {
		return unsigned("no policy key has signed the policy")
	}
	data := []byte(m.SignedPolicy)
	p, err := OpenPolicy(data, keys)
	if errors.Is(err, ErrBadSignature) {
		return unsigned("policy document: %v%s", err, signedBy(data))
	}
	if err != nil {
		return unsigned("policy document: %v", err)
	}
	if p.Site != m.Site {
		return unsigned("policy document is for the site %q", p.Site)
	}
	for _, x := range []struct{ name, signed string }{{PolicyChunk, p.Policy}, {DocumentsChunk, p.Documents}} {
		c, _ := m.Chunk(x.name)
		if c.SHA256 != x.signed {
			return unsigned("%s differs from the one signed as policy number %d", x.name, p.Number)
		}
	}
	if p.Bindings != "" && m.BindingsHash() != p.Bindings {
		return unsigned("members' bindings differ from those signed as policy number %d", p.Number)
	}
	return p, nil
}

// mayReplace returns an error if p is older than old, the policy that was accepted last. If old is the zero
// SignedPolicy, no policy was accepted yet. mayReplace also refuses two different documents with the same number,
// because nobody can tell which is newer.
func (p SignedPolicy) mayReplace(old SignedPolicy) error {
	switch {
	case p.Number < old.Number:
		return refuse(OlderPolicy, "policy number is %d, this machine has already accepted number %d", p.Number, old.Number)
	case p.Number == old.Number && p != old:
		return refuse(OlderPolicy, "policy number %d was signed before with another content: "+
			"each change needs a higher number", p.Number)
	}
	return nil
}

// BindingsHash returns the hash over all bindings chunks of m, or "" if m has no bindings chunks.
func (m Manifest) BindingsHash() string {
	var lines []string
	for _, c := range m.Chunks {
		if IsBindingsChunk(c.Name) {
			lines = append(lines, c.Name+" "+c.SHA256+"\n")
		}
	}
	if len(lines) == 0 {
		return ""
	}
	slices.Sort(lines)
	return Hash([]byte(strings.Join(lines, "")))
}

// PolicyKeyName returns the name of the key in the first signature line of a policy document, or "" if the document has
// no signature line. PolicyKeyName does not verify the signature.
func PolicyKeyName(document string) string {
	for _, s := range signatures([]byte(document)) {
		return s.name
	}
	return ""
}
