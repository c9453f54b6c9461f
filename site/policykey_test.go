package site

import (
	"bytes"
	"crypto/rand"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// policySigner returns a policy key of the example site.
func policySigner(t *testing.T, name string) (note.Signer, note.Verifiers) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, _ := note.NewSigner(skey)
	v, _ := note.NewVerifier(vkey)
	return s, note.VerifierList(v)
}

// exampleWith returns a copy of the example site with edited files.
func exampleWith(t *testing.T, edit map[string]func(string) string) *Site {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "site")
	if err := os.CopyFS(dir, os.DirFS("../site-example")); err != nil {
		t.Fatal(err)
	}
	for name, do := range edit {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(do(string(b))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func boundPolicy(s string) string { return s + "bindings: signed\n" }

func policyOrder(t *testing.T) Order {
	t.Helper()
	signer, _ := policySigner(t, "portillon-biklab")
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	return Order{
		Version: 1,
		Issued:  at,
		Expires: at.AddDate(0, 1, 0),
		Signer:  signer,
		CardKey: bytes.Repeat([]byte{1}, 32),
	}
}

// Machines accept a bundle that was built with a policy file from another computer. In this bundle, members have only
// their signed bindings.
func TestBundleIsLimitedToTheSignedPolicyFile(t *testing.T) {
	policy, keys := policySigner(t, "portillon:policy:biklab")
	o := policyOrder(t)
	o.Policy = PolicyOrder{Number: 3, Signer: policy}
	signed, _, err := exampleWith(t, map[string]func(string) string{"policy.yaml": boundPolicy}).SignPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	changed := exampleWith(
		t,
		map[string]func(string) string{"policy.yaml": boundPolicy, "members.yaml": func(s string) string {
			s = strings.Replace(s, `cards: ["62E3086CED"]`, `cards: ["62E3086CED", "DEADBEEF"]`, 1)
			return s + "  - { id: m-new, name: New, email: new@example.org, cards: [\"CAFEBABE\"] }\n"
		}},
	)
	o.Policy = PolicyOrder{Signed: signed, Keys: keys}
	b, err := changed.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	if p, err := b.Manifest.CheckPolicy(keys); err != nil || p.Number != 3 || b.Policy != p {
		t.Errorf("%+v %v", p, err)
	}
	for _, want := range []string{
		"the change of cards does not count until somebody signs the policy again",
		"m-new) is new",
	} {
		if !slices.ContainsFunc(b.Warnings, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("no warning says %q: %q", want, b.Warnings)
		}
	}
	members := 0
	for i := range wire.Buckets {
		c, ok := b.Manifest.Chunk(wire.RosterChunk(i))
		if !ok {
			continue
		}
		var bucket wire.RosterBucket
		if err := wire.DecodeChunk(b.Chunks[c.SHA256], &bucket); err != nil {
			t.Fatal(err)
		}
		own, ok := b.Manifest.Chunk(wire.BindingsChunk(i))
		if !ok {
			t.Fatalf("no bindings for the bucket %d", i)
		}
		bindings, err := wire.ReadBindings(b.Chunks[own.SHA256])
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range bucket.Members {
			members++
			if err := bindings.Check(m); err != nil {
				t.Error(err)
			}
		}
	}
	if members != 13 {
		t.Errorf("%d members, want the 13 that were signed", members)
	}
}

func TestInvalidPolicyOrdersAreRefused(t *testing.T) {
	policy, keys := policySigner(t, "portillon:policy:biklab")
	_, others := policySigner(t, "portillon:policy:biklab")
	elsewhere, _ := policySigner(t, "portillon:policy:elsewhere")
	plain := exampleWith(t, nil)
	o := policyOrder(t)
	o.Policy = PolicyOrder{Number: 1, Signer: policy}
	signed, _, err := plain.SignPolicy(o)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		site  *Site
		order PolicyOrder
		want  string
	}{
		"unchanged since signing": {plain, PolicyOrder{Signed: signed, Keys: keys}, ""},
		"not verified":            {plain, PolicyOrder{Signed: signed}, ""},
		"no policy key":           {plain, PolicyOrder{}, ""},
		"both":                    {plain, PolicyOrder{Signed: signed, Signer: policy}, "want only one of them"},
		"no number":               {plain, PolicyOrder{Signer: policy}, "has policy number 0"},
		"another key":             {plain, PolicyOrder{Signed: signed, Keys: others}, "no trusted key"},
		"another site's key":      {plain, PolicyOrder{Number: 1, Signer: elsewhere}, "belongs to another site"},
		"not a policy file":       {plain, PolicyOrder{Signed: []byte("x")}, "policy file"},
		"a policy changed since signing": {exampleWith(
			t,
			map[string]func(string) string{"policy.yaml": func(s string) string { return s + "# later\n" }},
		),
			PolicyOrder{Signed: signed}, "differs from the signed policy number 1"},
	} {
		o.Policy = c.order
		if _, err := c.site.Build(o); (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
	bound := exampleWith(t, map[string]func(string) string{"policy.yaml": boundPolicy})
	o.Policy, o.CardKey = PolicyOrder{Number: 1, Signer: policy}, nil
	if _, _, err := bound.SignPolicy(o); err == nil || !strings.Contains(err.Error(), "card key is needed to sign") {
		t.Error(err)
	}
	if _, _, err := SignPolicyText(bound.text, 1, policy); err == nil ||
		!strings.Contains(err.Error(), "with the site's members") {
		t.Error(err)
	}
}

// Machines with the first release refuse chunks with unknown names, so the bundle of a site without signed bindings
// must not have such chunks.
func TestBundleHasNewChunksOnlyWithSignedBindings(t *testing.T) {
	policy, _ := policySigner(t, "portillon:policy:biklab")
	for name, c := range map[string]struct {
		edit map[string]func(string) string
		key  note.Signer
		want bool
	}{"one key": {nil, nil, false}, "keys apart": {nil, policy, false}, "bindings signed": {
		map[string]func(string) string{"policy.yaml": boundPolicy},
		policy,
		true,
	},
		"one key, and the policy says signed": {map[string]func(string) string{"policy.yaml": boundPolicy}, nil, false}} {
		o := policyOrder(t)
		if c.key != nil {
			o.Policy = PolicyOrder{Number: 1, Signer: c.key}
		}
		b, err := exampleWith(t, c.edit).Build(o)
		if err != nil {
			t.Fatal(err)
		}
		got := slices.ContainsFunc(b.Manifest.Chunks, func(c wire.Chunk) bool { return wire.IsBindingsChunk(c.Name) })
		if got != c.want || (b.Manifest.SignedPolicy != "") != (c.key != nil) {
			t.Errorf("%s: bindings %v, want %v; %q", name, got, c.want, b.Manifest.SignedPolicy)
		}
	}
}
