package site

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/wire"
)

// PolicyOrder determines how the policy key signs the policy, the documents and, with «bindings: signed», the members'
// bindings. The zero value means that the site has no separate policy key: the bundle's key signs everything.
type PolicyOrder struct {
	// Number is the policy's number, and Signer is the policy key, if this build signs the policy.
	Number uint64
	Signer note.Signer
	// Signed is a policy file that Site.SignPolicy made, perhaps on another computer. Signed replaces Number and Signer.
	// The bundle then contains the documents and bindings of that file, and members have only their signed bindings.
	Signed []byte
	// Keys verify the signature of Signed. If Keys is nil, only the machines check the signature.
	Keys note.Verifiers
}

func (o PolicyOrder) isZero() bool { return o.Signer == nil && len(o.Signed) == 0 }

// signedBindings contains the signed binding of each member.
type signedBindings map[string]wire.Binding

// readSignedPolicy parses and checks a policy file that was signed earlier.
func (b *Built) readSignedPolicy(s *Site, o PolicyOrder) error {
	b.apart = !o.isZero()
	switch {
	case !b.apart:
		return nil
	case o.Signer != nil && len(o.Signed) > 0:
		return errors.New("policy: order has both a signer and a signed policy, want only one of them")
	case o.Signer != nil && o.Number == 0:
		return errors.New("policy: order has policy number 0, want 1 or more")
	case o.Signer != nil:
		return requireSiteOf(o.Signer, s.Policy.Site)
	}
	f, err := wire.ReadPolicyFile(bytes.NewReader(o.Signed), o.Keys)
	if err != nil {
		return err
	}
	switch {
	case f.Policy.Site != s.Policy.Site:
		return fmt.Errorf("signed policy belongs to site %q, want site %q", f.Policy.Site, s.Policy.Site)
	case f.Policy.Policy != wire.Hash(s.text):
		return fmt.Errorf("policy.yaml differs from the signed policy number %d: sign policy.yaml again, "+
			"or undo the change", f.Policy.Number)
	case s.Policy.SignedBindings && f.Policy.Bindings == "":
		return fmt.Errorf("policy.yaml says «bindings: signed», and policy number %d was signed without the "+
			"members: sign the site's directory", f.Policy.Number)
	}
	b.Policy, b.Manifest.SignedPolicy = f.Policy, string(f.Signed)
	if err := b.useSignedDocuments(f); err != nil {
		return err
	}
	return b.parseBindings(f)
}

// requireSiteOf returns an error if the name of the policy key contains another site's id.
func requireSiteOf(key note.Signer, id policy.SiteID) error {
	if k, of := keykind.KindOf(key.Name()); k != keykind.Unknown && of != string(id) {
		return fmt.Errorf("policy key %q belongs to another site, want the policy key of site %q", key.Name(), id)
	}
	return nil
}

// Unsigned lists the changes that the policy key has not signed yet.
type Unsigned struct {
	Documents []string          // URLs of documents that badges need and that have changed since the last signature
	Members   []policy.MemberID // members with unsigned cards, addresses or restrictions
}

// IsZero reports whether everything is signed.
func (u Unsigned) IsZero() bool { return len(u.Documents)+len(u.Members) == 0 }

// unsignedDocuments adds to Unsigned the documents that this build uses and whose current copy is not signed.
func (b *Built) unsignedDocuments() {
	for _, url := range slices.Sorted(maps.Keys(b.web.newer)) {
		if !b.web.newer[url] {
			continue
		}
		b.Unsigned.Documents = append(b.Unsigned.Documents, url)
		b.warnf("documents: %s: there is a newer copy, which does not count "+
			"until somebody signs the policy again (portillon policy sign)", url)
	}
}

// useSignedDocuments makes the build use only the signed documents of policy file f.
func (b *Built) useSignedDocuments(f wire.PolicyFile) error {
	b.web.signed = map[string][]byte{}
	data, ok := f.Chunks[wire.DocumentsChunk]
	if !ok {
		return nil
	}
	var all wire.StatusBucket
	if err := wire.DecodeChunk(data, &all); err != nil {
		return fmt.Errorf("policy file: documents: %w", err)
	}
	for _, d := range all.Lists {
		b.web.signed[d.URL] = d.Body
	}
	b.addChunk(wire.DocumentsChunk, data)
	return nil
}

// parseBindings parses the members' signed bindings in policy file f.
func (b *Built) parseBindings(f wire.PolicyFile) error {
	if f.Policy.Bindings == "" {
		return nil
	}
	b.bound = signedBindings{}
	for i := range wire.Buckets {
		data, ok := f.Chunks[wire.BindingsChunk(i)]
		if !ok {
			continue
		}
		all, err := wire.ReadBindings(data)
		if err != nil {
			return fmt.Errorf("policy file: %s: %w", wire.BindingsChunk(i), err)
		}
		for id, x := range all {
			b.bound[id] = x
		}
		b.addChunk(wire.BindingsChunk(i), data)
	}
	return nil
}

// limit removes the parts of a member that the policy key has not signed, and adds a warning. limit returns false if
// nothing of the member remains.
func (b *Built) limit(m Member, w wire.Member) (wire.Member, bool) {
	if b.bound == nil {
		return w, true
	}
	const sign = "until somebody signs the policy again (portillon policy sign)"
	binding, ok := b.bound[w.ID]
	if !ok {
		b.Unsigned.Members = append(b.Unsigned.Members, m.ID)
		b.warnf("members.yaml: %s (%s) is new: no machine knows this member %s", m.Name, m.ID, sign)
		return w, false
	}
	limited, over := binding.Limit(w)
	if len(over) > 0 {
		b.Unsigned.Members = append(b.Unsigned.Members, m.ID)
	}
	for _, e := range over {
		b.warnf("members.yaml: %s (%s): the change of %s does not count %s", m.Name, m.ID,
			strings.ReplaceAll(e.Field, "card_states", "lost and blocked cards"), sign)
	}
	return limited, true
}

// signPolicy signs the policy, documents and bindings if the order contains the policy key.
func (b *Built) signPolicy(s *Site, o PolicyOrder, buckets []bucket) error {
	if o.Signer == nil {
		return nil
	}
	if s.Policy.SignedBindings {
		if err := b.bindings(buckets); err != nil {
			return err
		}
	}
	is := func(name string) string { c, _ := b.Manifest.Chunk(name); return c.SHA256 }
	b.Policy = wire.SignedPolicy{Site: s.Policy.Site, Number: o.Number, Policy: is(wire.PolicyChunk),
		Documents: is(wire.DocumentsChunk), Bindings: b.Manifest.BindingsHash()}
	signed, err := wire.SignPolicy(b.Policy, o.Signer)
	b.Manifest.SignedPolicy = string(signed)
	return err
}

// bindings adds the members' bindings as chunks. A site without members gets one empty chunk, which shows that bindings
// are signed.
func (b *Built) bindings(buckets []bucket) error {
	for i, x := range buckets {
		if len(x.roster.Members) == 0 && i > 0 {
			continue
		}
		out := wire.BindingsBucket{Members: []wire.Binding{}}
		for _, m := range x.roster.Members {
			out.Members = append(out.Members, wire.BindingOf(m))
		}
		if err := b.addJSON(wire.BindingsChunk(i), out); err != nil {
			return err
		}
	}
	return nil
}

// SignPolicy signs the site's policy, the documents on which badges depend and, with «bindings: signed», the members.
// The result is a policy file (wire.ReadPolicyFile) for PolicyOrder.Signed. Of the order, SignPolicy uses Issued,
// Policy.Number and Policy.Signer, and CardKey if bindings are signed.
func (s *Site) SignPolicy(o Order) ([]byte, *Built, error) {
	switch {
	case o.Policy.Signer == nil:
		return nil, nil, errors.New("order has no policy key")
	case len(o.CardKey) < 16 && s.Policy.SignedBindings:
		return nil, nil, errors.New(
			"policy.yaml says «bindings: signed», so the card key is needed to sign the members' cards")
	case len(o.CardKey) < 16:
		o.CardKey = make([]byte, 16) // any key will do, because the cards are not signed
	}
	b, err := s.assemble(o)
	if err != nil {
		return nil, nil, err
	}
	f := wire.PolicyFile{Signed: []byte(b.Manifest.SignedPolicy), Chunks: map[string][]byte{}}
	for _, c := range b.Manifest.Chunks {
		if c.Name == wire.PolicyChunk || c.Name == wire.DocumentsChunk || wire.IsBindingsChunk(c.Name) {
			f.Chunks[c.Name] = b.Chunks[c.SHA256]
		}
	}
	var out bytes.Buffer
	err = wire.WritePolicyFile(&out, f)
	return out.Bytes(), b, err
}

// SignPolicyText signs a policy without members and documents. This is sufficient if all issuers have fixed keys
// (did:key) and the policy does not contain «bindings: signed».
func SignPolicyText(text []byte, number uint64, signer note.Signer) ([]byte, wire.SignedPolicy, error) {
	p, err := file.Parse(wire.PolicyChunk, text)
	if err != nil {
		return nil, wire.SignedPolicy{}, err
	}
	if p.SignedBindings {
		return nil, wire.SignedPolicy{},
			errors.New("policy.yaml says «bindings: signed», so sign the policy with the site's members")
	}
	if err := requireSiteOf(signer, p.Site); err != nil {
		return nil, wire.SignedPolicy{}, err
	}
	doc := wire.SignedPolicy{Site: p.Site, Number: number, Policy: wire.Hash(text)}
	signed, err := wire.SignPolicy(doc, signer)
	if err != nil {
		return nil, doc, err
	}
	var out bytes.Buffer
	err = wire.WritePolicyFile(&out, wire.PolicyFile{Signed: signed, Chunks: map[string][]byte{wire.PolicyChunk: text}})
	return out.Bytes(), doc, err
}
