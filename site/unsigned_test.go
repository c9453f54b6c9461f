package site

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// The type pages contains the documents on the web that a test may change. An empty document means that the issuer
// removed the document.
type pages map[string][]byte

func (p pages) Resolve(url string) ([]byte, error) {
	b, ok := p[url]
	switch {
	case !ok:
		return nil, fmt.Errorf("no copy of %s", url)
	case len(b) == 0:
		return nil, openbadge.ErrGone
	}
	return b, nil
}

const labDocument = "https://lab.example/.well-known/did.json"

// webCrowd returns a site of three members. Each member has a badge of an issuer whose keys are published on the web.
func webCrowd(t *testing.T) (*crowd, pages) {
	t.Helper()
	c := newCrowd(t, 3, 0)
	const did = "did:web:lab.example"
	web := pages{labDocument: labKeys(c.key.DID())}
	c.Web = web
	c.write(t, bytes.Replace(c.text, []byte(`"`+c.key.DID()+`"`), []byte(`"`+did+`"`), 1))
	for i := range c.Members {
		at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
		data, err := openbadge.IssueJSON(
			openbadge.Draft{IssuerID: did, IssuerName: "Lab", Subject: "mailto:" + email(i), ValidFrom: at,
				Achievement: openbadge.Achievement{ID: c.Policy.Badges[0].Achievement, Name: "x", Criteria: "y"}},
			c.key,
			at,
		)
		if err != nil {
			t.Fatal(err)
		}
		c.Badges = append(c.Badges, File{Name: fmt.Sprintf("badges/%d.json", i), Data: data})
	}
	return c, web
}

func labKeys(key string) []byte {
	return fmt.Appendf(
		nil,
		`{"id":"did:web:lab.example","verificationMethod":[{"id":"did:web:lab.example#k","type":"Multikey",`+
			`"controller":"did:web:lab.example","publicKeyMultibase":%q}],"assertionMethod":["did:web:lab.example#k"]}`,
		strings.TrimPrefix(key, "did:key:"),
	)
}

// If one key signs policy and bundles, the next bundle contains and signs a changed document.
func TestChangedDocumentIsSignedByAKeyForPolicyAndBundles(t *testing.T) {
	c, web := webCrowd(t)
	o := order(t, 1)
	o.Memory = &Memory{}
	apart, keys := policySigner(t, "portillon:policy:biklab")
	var last string
	for i, extra := range []string{"", " ", "  "} {
		web[labDocument] = append(labKeys(c.key.DID()), extra...)
		o.Policy = PolicyOrder{}
		b, err := c.Build(o)
		if err != nil || b.Counted != 3 || !b.Unsigned.IsZero() {
			t.Fatalf("%d: %v, %d count, %+v", i, err, b.Counted, b.Unsigned)
		}
		doc, _ := b.Manifest.Chunk(wire.DocumentsChunk)
		if doc.SHA256 == last {
			t.Errorf("%d: the bundle has the document of before", i)
		}
		last = doc.SHA256
		o.Policy = PolicyOrder{Signer: apart, Number: uint64(i + 1)}
		if b, err = c.Build(o); err != nil || !b.Unsigned.IsZero() {
			t.Fatalf("%d: %v, %+v", i, err, b.Unsigned)
		}
		if p, err := b.Manifest.CheckPolicy(keys); err != nil || p.Documents != last {
			t.Errorf("%d: %v, signed %q, want %q", i, err, p.Documents, last)
		}
	}
}

// If the policy key is on another computer, the next bundle contains the documents that the key has signed, and
// Built.Unsigned lists the changed documents.
func TestChangedDocumentIsListedAsUnsignedWithoutThePolicyKey(t *testing.T) {
	c, web := webCrowd(t)
	signer, keys := policySigner(t, "portillon:policy:biklab")
	o := order(t, 1)
	o.Policy = PolicyOrder{Number: 1, Signer: signer}
	signed, _, err := c.SignPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	signedDocument := web[labDocument]
	o.Policy, o.Memory = PolicyOrder{Signed: signed, Keys: keys}, &Memory{}
	for _, step := range []struct {
		name string
		now  []byte
		want []string
	}{
		{"unchanged since signing", signedDocument, nil},
		{"another", append(bytes.Clone(signedDocument), ' '), []string{labDocument}},
		{"a second change", append(bytes.Clone(signedDocument), ' '), []string{labDocument}},
		{"changed back to the signed document", signedDocument, nil},
		{"gone", []byte{}, []string{labDocument}},
		{"no copy", nil, nil},
	} {
		if web[labDocument] = step.now; step.now == nil {
			delete(web, labDocument)
		}
		for range 2 { // build twice, because the second build uses the cache
			b, err := c.Build(o)
			if err != nil || b.Counted != 3 || !slices.Equal(b.Unsigned.Documents, step.want) {
				t.Fatalf("%s: %v, %d count, waiting: %q", step.name, err, b.Counted, b.Unsigned.Documents)
			}
			if _, err := b.Manifest.CheckPolicy(keys); err != nil {
				t.Errorf("%s: %v", step.name, err)
			}
			if warned := strings.Contains(strings.Join(b.Warnings, "\n"), labDocument); warned != (step.want != nil) {
				t.Errorf("%s: %q", step.name, b.Warnings)
			}
		}
	}
}

func TestMembersWithUnsignedBindingsAreListed(t *testing.T) {
	s := exampleWith(t, map[string]func(string) string{"policy.yaml": boundPolicy})
	o := policyOrder(t)
	signer, keys := policySigner(t, "portillon:policy:biklab")
	o.Policy = PolicyOrder{Number: 1, Signer: signer}
	signed, _, err := s.SignPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	o.Policy = PolicyOrder{Signed: signed, Keys: keys}
	if b, err := s.Build(o); err != nil || !b.Unsigned.IsZero() {
		t.Fatalf("%v, %+v", err, b.Unsigned)
	}
	s.Members[0].Cards = append(s.Members[0].Cards, "05AABBCC")
	s.Members = append(s.Members, Member{ID: "m-new", Name: "New"})
	b, err := s.Build(o)
	if want := []policy.MemberID{s.Members[0].ID, "m-new"}; err != nil || !slices.Equal(b.Unsigned.Members, want) {
		t.Errorf("%v, %q, want %q", err, b.Unsigned.Members, want)
	}
	// A member who is not in the roster must have no credentials in the bundle, because machines match credentials with
	// members by the order of the roster.
	for i := range wire.Buckets {
		roster, ok := b.Manifest.Chunk(wire.RosterChunk(i))
		badges, some := b.Manifest.Chunk(wire.BadgesChunk(i))
		if !ok || !some {
			continue
		}
		outline, err := wire.BadgesOutline(b.Chunks[roster.SHA256])
		parts, err2 := wire.SplitChunk(b.Chunks[badges.SHA256])
		if err != nil || err2 != nil || !slices.Equal(outline.Parts, parts.Hashes) {
			t.Errorf("bucket %d: %v, %v", i, err, err2)
		}
	}
}
