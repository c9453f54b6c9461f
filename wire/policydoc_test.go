package wire

import (
	"bytes"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

// policySite is the store of a machine that pins a separate policy key, together with the keys that sign the machine's
// bundles.
type policySite struct {
	t      *testing.T
	store  Store
	policy note.Signer
	thief  note.Signer // a policy key that the machine does not trust
	data   map[string][]byte
}

func newPolicySite(t *testing.T) *policySite {
	t.Helper()
	sign := func() (note.Signer, note.Verifiers) {
		skey, vkey, err := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
		if err != nil {
			t.Fatal(err)
		}
		s, _ := note.NewSigner(skey)
		v, _ := note.NewVerifier(vkey)
		return s, note.VerifierList(v)
	}
	p := &policySite{t: t, store: store(t), data: map[string][]byte{}}
	p.policy, p.store.Policy = sign()
	p.thief, _ = sign()
	return p
}

// bundle returns a manifest with these chunks, and with a policy document that has the number n and is signed with the
// key by.
func (p *policySite) bundle(version, n uint64, by note.Signer, chunks map[string]string) Manifest {
	p.t.Helper()
	m := Manifest{Site: "biklab", Version: version}
	for _, name := range []string{PolicyChunk, DocumentsChunk, BindingsChunk(1), BindingsChunk(2), RosterChunk(1)} {
		if text, ok := chunks[name]; ok {
			p.data[Hash([]byte(text))] = []byte(text)
			m.Chunks = append(m.Chunks, Chunk{Name: name, SHA256: Hash([]byte(text)), Size: int64(len(text))})
		}
	}
	if by != nil {
		doc, _ := m.Chunk(DocumentsChunk)
		pol, _ := m.Chunk(PolicyChunk)
		b, err := SignPolicy(
			SignedPolicy{Site: "biklab", Number: n, Policy: pol.SHA256, Documents: doc.SHA256, Bindings: m.BindingsHash()},
			by,
		)
		if err != nil {
			p.t.Fatal(err)
		}
		m.SignedPolicy = string(b)
	}
	return m
}

func (p *policySite) install(m Manifest) error {
	p.t.Helper()
	s, _ := keys(p.t)
	signed, err := SignManifest(m, s)
	if err != nil {
		p.t.Fatal(err)
	}
	_, err = p.store.Install(signed, func(sha string) ([]byte, error) { return p.data[sha], nil }, nil)
	return err
}

func TestPolicyDocumentsAndBindingsNeedThePolicyKey(t *testing.T) {
	content := func() map[string]string {
		return map[string]string{
			PolicyChunk:      "policy",
			DocumentsChunk:   "docs",
			BindingsChunk(1): "b1",
			BindingsChunk(2): "b2",
			RosterChunk(1):   "r",
		}
	}
	for name, c := range map[string]struct {
		change func(p *policySite, m *Manifest)
		want   string
	}{
		"as it was signed":  {func(*policySite, *Manifest) {}, ""},
		"another roster":    {func(p *policySite, m *Manifest) { p.put(m, RosterChunk(1), "other") }, ""},
		"no document":       {func(_ *policySite, m *Manifest) { m.SignedPolicy = "" }, PolicyUnsigned},
		"another key":       {func(p *policySite, m *Manifest) { *m = p.bundle(1, 1, p.thief, content()) }, PolicyUnsigned},
		"another policy":    {func(p *policySite, m *Manifest) { p.put(m, PolicyChunk, "other") }, PolicyUnsigned},
		"other documents":   {func(p *policySite, m *Manifest) { p.put(m, DocumentsChunk, "other") }, PolicyUnsigned},
		"no documents":      {func(p *policySite, m *Manifest) { p.drop(m, DocumentsChunk) }, PolicyUnsigned},
		"other bindings":    {func(p *policySite, m *Manifest) { p.put(m, BindingsChunk(2), "other") }, PolicyUnsigned},
		"bindings left out": {func(p *policySite, m *Manifest) { p.drop(m, BindingsChunk(1)) }, PolicyUnsigned},
		"no bindings": {func(p *policySite, m *Manifest) { p.drop(m, BindingsChunk(1)); p.drop(m, BindingsChunk(2)) },
			PolicyUnsigned},
		"documents of a bundle that was signed without": {func(p *policySite, m *Manifest) {
			less := content()
			delete(less, DocumentsChunk)
			m.SignedPolicy = p.bundle(1, 1, p.policy, less).SignedPolicy
		}, PolicyUnsigned},
		"a document that is edited": {func(_ *policySite, m *Manifest) {
			m.SignedPolicy = strings.Replace(m.SignedPolicy, `"number":1`, `"number":9`, 1)
		}, PolicyUnsigned},
		"a text of another kind": {func(p *policySite, m *Manifest) {
			b, _ := SignAck(Ack{Site: "biklab"}, p.policy)
			m.SignedPolicy = string(b)
		}, PolicyUnsigned},
		"another site's document": {func(p *policySite, m *Manifest) {
			pol, _ := m.Chunk(PolicyChunk)
			b, _ := SignPolicy(SignedPolicy{Site: "other", Number: 1, Policy: pol.SHA256}, p.policy)
			m.SignedPolicy = string(b)
		}, PolicyUnsigned},
	} {
		p := newPolicySite(t)
		m := p.bundle(1, 1, p.policy, content())
		c.change(p, &m)
		if err := p.install(m); codeOf(err) != c.want {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func (p *policySite) put(m *Manifest, name, text string) {
	for i, c := range m.Chunks {
		if c.Name == name {
			p.data[Hash([]byte(text))] = []byte(text)
			m.Chunks[i] = Chunk{Name: name, SHA256: Hash([]byte(text)), Size: int64(len(text))}
		}
	}
}

func (p *policySite) drop(m *Manifest, name string) {
	var out []Chunk
	for _, c := range m.Chunks {
		if c.Name != name {
			out = append(out, c)
		}
	}
	m.Chunks = out
}

func TestLowerPolicyNumberIsAlwaysRefused(t *testing.T) {
	p := newPolicySite(t)
	at := func(version, n uint64, text string) error {
		return p.install(p.bundle(version, n, p.policy, map[string]string{PolicyChunk: text}))
	}
	step := func(name string, err error, want string) {
		t.Helper()
		if codeOf(err) != want {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	step("first", at(1, 5, "five"), "")
	step("the same again in a new bundle", at(2, 5, "five"), "")
	step("a higher number", at(3, 7, "seven"), "")
	step("a lower number", at(4, 6, "six"), OlderPolicy)
	step("the same number with another content", at(4, 7, "other"), OlderPolicy)
	// Even if both manifests are missing, the store must still know the policy number.
	for _, name := range []string{"manifest", previousManifest} {
		if err := os.Remove(filepath.Join(p.store.Dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	step("after the manifests were lost", at(5, 6, "six"), OlderPolicy)
	// If the file of the highest policy number is missing, the current manifest supplies the number.
	step("again in force", at(6, 7, "seven"), "")
	if err := os.WriteFile(filepath.Join(p.store.Dir, policyFloorFile), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	step("after the file was damaged", at(7, 6, "six"), OlderPolicy)
	step("higher again", at(8, 8, "eight"), "")
	if got := p.store.PolicyFloor().Number; got != 8 {
		t.Errorf("the highest number is %d, want 8", got)
	}
	// The policy numbers of each policy key are compared separately.
	skey, vkey, _ := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
	v, _ := note.NewVerifier(vkey)
	p.policy, _ = note.NewSigner(skey)
	p.store.Policy = note.VerifierList(v)
	step("of a new key", at(9, 1, "one"), "")
}

func TestPolicyNumberIsStoredBeforeTheManifest(t *testing.T) {
	p := newPolicySite(t)
	m := p.bundle(1, 5, p.policy, map[string]string{PolicyChunk: "five"})
	if err := p.store.createFolders(); err != nil {
		t.Fatal(err)
	}
	if err := p.store.storePolicy(m); err != nil { // this write simulates the last one before a power cut
		t.Fatal(err)
	}
	if err := p.install(m); err != nil {
		t.Errorf("the bundle of that policy is refused: %v", err)
	}
}

func TestStoreWithoutPolicyKeyAcceptsBundlesWithoutPolicy(t *testing.T) {
	p := newPolicySite(t)
	p.store.Policy = nil
	for i, by := range []note.Signer{nil, p.policy, p.thief, nil} {
		if err := p.install(p.bundle(uint64(i+1), uint64(9-i), by, map[string]string{PolicyChunk: "policy"})); err != nil {
			t.Errorf("bundle %d: %v", i+1, err)
		}
	}
}

func TestManifestWithoutPolicyDocumentHasNoNewField(t *testing.T) {
	s, _ := keys(t)
	b, err := SignManifest(manifest(), s)
	if err != nil || bytes.Contains(b, []byte("signed_policy")) {
		t.Errorf("%v %s", err, b)
	}
}

func TestPolicyFileMustMatchItsSignedDocument(t *testing.T) {
	p := newPolicySite(t)
	m := p.bundle(1, 3, p.policy, map[string]string{PolicyChunk: "policy", DocumentsChunk: "docs", BindingsChunk(1): "b"})
	good := func() PolicyFile {
		return PolicyFile{
			Signed: []byte(m.SignedPolicy),
			Chunks: map[string][]byte{
				PolicyChunk:      []byte("policy"),
				DocumentsChunk:   []byte("docs"),
				BindingsChunk(1): []byte("b"),
			},
		}
	}
	for name, c := range map[string]struct {
		change func(*PolicyFile)
		want   string
	}{
		"as it was signed": {func(*PolicyFile) {}, ""},
		"another policy": {func(f *PolicyFile) { f.Chunks[PolicyChunk] = []byte("x") },
			"policy.yaml does not match the signed hash"},
		"no documents": {func(f *PolicyFile) { delete(f.Chunks, DocumentsChunk) },
			"documents does not match the signed hash"},
		"other bindings": {func(f *PolicyFile) { f.Chunks[BindingsChunk(1)] = []byte("x") },
			"bindings does not match the signed hash"},
		"a foreign entry": {func(f *PolicyFile) { f.Chunks["roster/01"] = []byte("x") }, "unexpected entry"},
		"a path":          {func(f *PolicyFile) { f.Chunks["bindings/../x"] = []byte("x") }, "unexpected entry"},
		"no document":     {func(f *PolicyFile) { f.Signed = []byte("x") }, ErrBadSignature.Error()},
		"an edited number": {func(f *PolicyFile) { f.Signed = bytes.Replace(f.Signed, []byte(`:3`), []byte(`:4`), 1) },
			ErrBadSignature.Error()},
		"an empty document": {func(f *PolicyFile) { f.Signed = nil }, ErrBadSignature.Error()},
	} {
		f := good()
		c.change(&f)
		var b bytes.Buffer
		if err := WritePolicyFile(&b, f); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPolicyFile(&b, p.store.Policy)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		if err == nil && got.Policy.Number != 3 {
			t.Errorf("%s: number %d", name, got.Policy.Number)
		}
	}
	if _, err := ReadPolicyFile(strings.NewReader(""), nil); err == nil {
		t.Error("an empty file is a policy file")
	}
}

func TestMemberMayHaveFewerRightsThanTheBindingButNotMore(t *testing.T) {
	lost := CardState{Card: "c-lost", State: "lost"}
	signed := func() Member {
		return Member{
			ID:          "m-1",
			Name:        "n",
			Emails:      []string{"a@x", "b@x"},
			Subjects:    []string{"did:a"},
			Cards:       []string{"c-1", "c-2"},
			MemberTerms: MemberTerms{Until: "2026-09-30", CardStates: []CardState{lost, {Card: "c-old", State: "replaced"}}},
		}
	}
	blocked := signed()
	blocked.Blocked = true
	for name, c := range map[string]struct {
		binding Member
		change  func(*Member)
		field   string // the field that exceeds the binding; empty: no field exceeds it
	}{
		"as it was signed": {signed(), func(*Member) {}, ""},
		"another name":     {signed(), func(m *Member) { m.Name, m.Language, m.Badges = "x", "en", []string{"b"} }, ""},
		"blocked":          {signed(), func(m *Member) { m.Blocked = true }, ""},
		"an earlier end":   {signed(), func(m *Member) { m.Until = "2026-08-31" }, ""},
		"a card less":      {signed(), func(m *Member) { m.Cards = m.Cards[:1] }, ""},
		"a card lost": {signed(), func(m *Member) {
			m.Cards, m.CardStates = m.Cards[:1], append(m.CardStates, CardState{Card: "c-2", State: "lost"})
		}, ""},
		"an address less":   {signed(), func(m *Member) { m.Emails = m.Emails[1:] }, ""},
		"a card more":       {signed(), func(m *Member) { m.Cards = append(m.Cards, "c-3") }, "cards"},
		"another card":      {signed(), func(m *Member) { m.Cards = []string{"c-3"} }, "cards"},
		"the lost card":     {signed(), func(m *Member) { m.Cards = append(m.Cards, "c-lost") }, "cards"},
		"another address":   {signed(), func(m *Member) { m.Emails = []string{"c@x"} }, "emails"},
		"another subject":   {signed(), func(m *Member) { m.Subjects = append(m.Subjects, "did:b") }, "subjects"},
		"the end taken off": {signed(), func(m *Member) { m.Until = "" }, "until"},
		"a later end":       {signed(), func(m *Member) { m.Until = "2026-10-01" }, "until"},
		"block taken off":   {blocked, func(m *Member) { m.Blocked = false }, "blocked"},
		"lost taken off":    {signed(), func(m *Member) { m.CardStates = m.CardStates[1:] }, "card_states"},
		"lost made replaced": {signed(),
			func(m *Member) { m.CardStates = []CardState{{Card: "c-lost", State: "replaced"}, m.CardStates[1]} }, "card_states"},
		"replaced made lost": {signed(), func(m *Member) { m.CardStates = []CardState{lost, {Card: "c-old", State: "lost"}} },
			""},
	} {
		m := signed()
		m.Blocked = c.binding.Blocked
		c.change(&m)
		b := BindingOf(c.binding)
		limited, over := b.Limit(m)
		if c.field == "" && len(over) > 0 || c.field != "" && (len(over) != 1 || over[0].Field != c.field) {
			t.Errorf("%s: %v, want %q", name, over, c.field)
		}
		if err := b.Check(m); (err != nil) != (c.field != "") || err != nil && codeOf(err) != BindingUnsigned {
			t.Errorf("%s: %v", name, err)
		}
		if err := b.Check(limited); err != nil {
			t.Errorf("%s: the limited member is refused: %v", name, err)
		}
	}
	all := Bindings{"m-1": BindingOf(signed())}
	var r *Refusal
	if err := all.Check(Member{ID: "m-2"}); !errors.As(err, &r) ||
		!strings.Contains(err.Error(), `"m-2" has no signed binding`) {
		t.Error(err)
	}
}

func TestMemberListedTwiceInBindingsIsRefused(t *testing.T) {
	for text, want := range map[string]bool{`{"members":[{"id":"a"},{"id":"b"}]}`: true,
		`{"members":[{"id":"a"},{"id":"a"}]}`: false,
		`{"members":[{}]}`:                    false, `{"critical":["novel"],"members":[]}`: false, `[]`: false} {
		if _, err := ReadBindings([]byte(text)); (err == nil) != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func FuzzPolicyFile(f *testing.F) {
	doc := []byte(
		"portillon policy\n{\"number\":1,\"policy\":\"" + Hash([]byte("p")) + "\",\"site\":\"biklab\"}\n\n— x AAAAAAAA\n",
	)
	var b bytes.Buffer
	if err := WritePolicyFile(&b, PolicyFile{Signed: doc,
		Chunks: map[string][]byte{PolicyChunk: []byte("p")}}); err != nil {
		f.Fatal(err)
	}
	if _, err := ReadPolicyFile(bytes.NewReader(b.Bytes()), nil); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Add(doc)
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := ReadPolicyFile(bytes.NewReader(b), nil)
		if err == nil && (got.Policy.check() != nil || Hash(got.Chunks[PolicyChunk]) != got.Policy.Policy) {
			t.Error("a policy file without its policy was read")
		}
		ReadBindings(b)
		PeekPolicy(b)
	})
}
