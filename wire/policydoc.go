package wire

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// SignedPolicy is what a site's policy key signs. It travels inside the manifest, as text, because readers of the
// first release refuse a bundle with a chunk of a name that they do not know, and skip an unknown field of a manifest.
type SignedPolicy struct {
	Site      policy.SiteID `json:"site"`
	Number    uint64        `json:"number"`              // the policy number: it only grows
	Policy    string        `json:"policy"`              // SHA-256 of policy.yaml
	Documents string        `json:"documents,omitempty"` // SHA-256 of the documents chunk; empty: the bundle has none
	Bindings  string        `json:"bindings,omitempty"`  // BindingsHash; empty: bindings are not signed
}

const policyKind = "portillon policy"

// SignPolicy signs p with the policy key.
func SignPolicy(p SignedPolicy, s note.Signer) ([]byte, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	return sign(policyKind, p, s)
}

// OpenPolicy checks that one of the keys has signed a policy document, then its form.
func OpenPolicy(data []byte, keys note.Verifiers) (SignedPolicy, error) {
	var p SignedPolicy
	if err := open(policyKind, data, keys, &p); err != nil {
		return SignedPolicy{}, err
	}
	return p, p.check()
}

// PeekPolicy reads a policy document without checking who signed it: for showing, never for trusting.
func PeekPolicy(data []byte) (SignedPolicy, error) {
	var p SignedPolicy
	first, rest, ok := strings.Cut(string(data), "\n")
	body, _, ok2 := strings.Cut(rest, "\n")
	if !ok || !ok2 || first != policyKind || len(data) > MaxSigned {
		return p, errors.New("not a policy document, want a file of portillon policy sign")
	}
	if err := Decode([]byte(body), &p); err != nil {
		return SignedPolicy{}, err
	}
	return p, p.check()
}

func (p SignedPolicy) check() error {
	switch {
	case p.Site == "" || p.Number == 0:
		return errors.New("policy document: site or number is missing")
	case !hexHash.MatchString(p.Policy):
		return fmt.Errorf("policy document: %.70q is no hash of policy.yaml", p.Policy)
	case p.Documents != "" && !hexHash.MatchString(p.Documents):
		return fmt.Errorf("policy document: %.70q is no hash of documents", p.Documents)
	case p.Bindings != "" && !hexHash.MatchString(p.Bindings):
		return fmt.Errorf("policy document: %.70q is no hash of bindings", p.Bindings)
	}
	return nil
}

// The codes of refusals that only a machine gives that pins a policy key apart from the key of its bundles.
const (
	PolicyUnsigned  = "policy-unsigned"  // the policy key has not signed the bundle's content
	OlderPolicy     = "older-policy"     // the policy number is lower than one that the machine has accepted
	BindingUnsigned = "binding-unsigned" // a member's cards, addresses or restrictions go beyond what was signed
)

// IsPolicyRefusal reports whether a bundle was refused for what its policy key has signed, or has not.
func IsPolicyRefusal(err error) bool {
	var r *Refusal
	return errors.As(err, &r) && (r.Code == PolicyUnsigned || r.Code == OlderPolicy || r.Code == BindingUnsigned)
}

// CheckPolicy checks that a policy key has signed the policy, the documents and the bindings that the manifest names.
// The error is a *Refusal.
func (m Manifest) CheckPolicy(keys note.Verifiers) (SignedPolicy, error) {
	unsigned := func(format string, a ...any) (SignedPolicy, error) {
		return SignedPolicy{}, refuse(PolicyUnsigned, "bundle version %d: %s", m.Version, fmt.Sprintf(format, a...))
	}
	if m.SignedPolicy == "" {
		return unsigned("no policy key has signed it")
	}
	data := []byte(m.SignedPolicy)
	p, err := OpenPolicy(data, keys)
	if errors.Is(err, ErrBadSignature) {
		return unsigned("the policy document: %v%s", err, signedBy(data))
	}
	if err != nil {
		return unsigned("the policy document: %v", err)
	}
	if p.Site != m.Site {
		return unsigned("the policy document is of the site %q", p.Site)
	}
	for _, x := range []struct{ name, signed string }{{PolicyChunk, p.Policy}, {DocumentsChunk, p.Documents}} {
		c, _ := m.Chunk(x.name)
		if c.SHA256 != x.signed {
			return unsigned("%s is not the one that policy number %d was signed with", x.name, p.Number)
		}
	}
	if p.Bindings != "" && m.BindingsHash() != p.Bindings {
		return unsigned("the members' bindings are not those that policy number %d was signed with", p.Number)
	}
	return p, nil
}

// replaces refuses a policy that is older than one that was accepted before. The zero SignedPolicy means that there is
// none. Two different documents with one number are refused too, because their order is unknown.
func (p SignedPolicy) replaces(old SignedPolicy) error {
	switch {
	case p.Number < old.Number:
		return refuse(OlderPolicy, "policy number %d, this machine has accepted number %d", p.Number, old.Number)
	case p.Number == old.Number && p != old:
		return refuse(OlderPolicy, "policy number %d was signed with another content before; "+
			"each change needs a higher number", p.Number)
	}
	return nil
}

// BindingsHash is the hash of all bindings chunks that m names; empty: it names none.
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

// PolicyKeyName is the name of the key in a policy document's signature line; empty: none. The signature
// is not checked.
func PolicyKeyName(document string) string {
	for _, s := range signatures([]byte(document)) {
		return s.name
	}
	return ""
}
