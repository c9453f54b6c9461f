package site

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"portillon/internal/sample"
	"portillon/openbadge"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/wire"
)

// crowd is a test site of n members, with badges that one issuer signed.
type crowd struct {
	*Site
	key *openbadge.Key
	rng *rand.Rand
}

func newCrowd(t testing.TB, n, badges int) *crowd {
	t.Helper()
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile("../site-example/keys/DEMO-ONLY-issuer.json")
	if err != nil {
		t.Fatal(err)
	}
	key, err := openbadge.ParseKey(data)
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{Site: &Site{Web: &openbadge.Directory{}}, key: key, rng: rand.New(rand.NewPCG(1, 1))}
	c.write(t, text)
	for i := range n {
		c.Members = append(
			c.Members,
			Member{ID: policy.MemberID(fmt.Sprintf("m-%d", i)), Name: fmt.Sprintf("Member %d", i), Emails: []string{email(i)},
				Cards: []string{fmt.Sprintf("04%012X", i)}},
		)
		for k := range badges {
			c.award(t, i, k)
		}
	}
	return c
}

func email(i int) string { return fmt.Sprintf("m%d@Example.org", i) }

// write replaces the policy of the site.
func (c *crowd) write(t testing.TB, text []byte) {
	t.Helper()
	p, err := policyfile.Parse("policy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	c.Policy, c.text = p, text
}

// award issues to a member the badge with index k of the policy.
func (c *crowd) award(t testing.TB, member, k int) {
	t.Helper()
	b := c.Policy.Badges[k]
	at := time.Date(2026, 1, 1, 0, 0, len(c.Badges)%60, 0, time.UTC)
	data, err := openbadge.IssueJSON(
		openbadge.Draft{
			IssuerID:    c.Policy.Issuers[0].Profile,
			IssuerName:  "Lab",
			Subject:     "mailto:" + strings.ToLower(email(member)),
			ValidFrom:   at,
			Achievement: openbadge.Achievement{ID: b.Achievement, Name: b.Name.FR, Criteria: "y"},
		},
		c.key,
		at,
	)
	if err != nil {
		t.Fatal(err)
	}
	c.Badges = append(c.Badges, File{Name: fmt.Sprintf("badges/%d-%d-%d.json", member, k, len(c.Badges)), Data: data})
}

// change makes one random change of the site, and returns a description. Some of the changes do not affect the
// bundle.
func (c *crowd) change(t *testing.T) string {
	i := c.rng.IntN(len(c.Members))
	m := &c.Members[i]
	switch c.rng.IntN(10) {
	case 0:
		m.Name += "x"
		return "a name"
	case 1:
		m.Emails = []string{email(c.rng.IntN(len(c.Members)))}
		return "an address, perhaps another member's"
	case 2:
		c.Badges = slices.Delete(c.Badges, 0, 1)
		return "a badge is gone"
	case 3:
		c.award(t, i, c.rng.IntN(5))
		return "a badge is new"
	case 4:
		m.Badges = []string{c.Badges[c.rng.IntN(len(c.Badges))].Name, "badges/none.json"}
		return "a line that names a badge"
	case 5:
		c.Badges[0].Data = slices.Concat(c.Badges[0].Data, []byte("x"))
		return "a badge is damaged"
	case 6:
		c.Members = slices.Delete(c.Members, i, i+1)
		return "a member is gone"
	case 7:
		m.Cards = append(m.Cards, fmt.Sprintf("05%06X%06X", c.rng.IntN(1<<24), i))
		return "a card is new"
	case 8:
		c.write(t, bytes.Replace(c.text, []byte("did:key:z6MkeYkP3XG1tBSuGo99iPN2xT3A2kMc1h88v3iVo1qdmrTy"),
			[]byte("did:key:z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK"), 1))
		return "the issuer's key is another"
	}
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, slices.Concat(text, fmt.Appendf(nil, "# %d\n", c.rng.IntN(3))))
	return "the policy's text is another"
}

// same fails the test if two builds are not equal byte for byte.
func same(t *testing.T, what string, got, want *Built) {
	t.Helper()
	if !slices.Equal(got.Manifest.Chunks, want.Manifest.Chunks) || got.Counted != want.Counted ||
		!slices.Equal(got.Warnings, want.Warnings) ||
		!slices.Equal(got.Errors, want.Errors) ||
		!slices.Equal(got.Ending, want.Ending) ||
		!bytes.Equal(got.Signed, want.Signed) {
		t.Fatalf(
			"%s: with a memory:\n%d count, %v\n%v, without:\n%d count, %v\n%v",
			what,
			got.Counted,
			got.Warnings,
			got.Manifest.Chunks,
			want.Counted,
			want.Warnings,
			want.Manifest.Chunks,
		)
	}
	for _, c := range got.Manifest.Chunks {
		if b, err := got.Chunk(c.SHA256); err != nil || wire.Hash(b) != c.SHA256 || int64(len(b)) != c.Size {
			t.Fatalf("%s: chunk %s: %v", what, c.Name, err)
		}
	}
}

func TestBuildWithACacheEqualsBuildWithoutOne(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds many bundles")
	}
	c := newCrowd(t, 30, 2)
	o := order(t, 1)
	memory := &Memory{}
	for range sample.Count(120) {
		what := c.change(t)
		o.Memory = nil
		want, err1 := c.Build(o)
		o.Memory = memory
		got, err2 := c.Build(o)
		if err1 != nil || err2 != nil {
			t.Fatal(what, err1, err2)
		}
		same(t, what, got, want)
	}
}

func TestVerdictOnAChangedDocumentIsNotReused(t *testing.T) {
	dir := t.TempDir()
	put := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c := newCrowd(t, 3, 2)
	did := "did:web:lab.example"
	doc := func(key string) string {
		return fmt.Sprintf(
			`{"id":%q,"verificationMethod":[{"id":"%[1]s#k","type":"Multikey","controller":%[1]q,"publicKeyMultibase":%q}],`+
				`"assertionMethod":["%[1]s#k"]}`,
			did,
			strings.TrimPrefix(key, "did:key:"),
		)
	}
	put("index.json", `{"https://lab.example/.well-known/did.json":"did.txt"}`)
	put("did.txt", doc(c.key.DID()))
	var err error
	if c.Web, err = openbadge.OpenDirectory(dir); err != nil {
		t.Fatal(err)
	}
	c.write(t, bytes.Replace(c.text, []byte(`"`+c.key.DID()+`"`), []byte(`"`+did+`"`), 1))
	c.Badges = nil
	for i := range c.Members {
		data, err := openbadge.IssueJSON(
			openbadge.Draft{
				IssuerID:   did,
				IssuerName: "Lab",
				Subject:    "mailto:" + email(i),
				ValidFrom:  time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
				Achievement: openbadge.Achievement{
					ID:       c.Policy.Badges[0].Achievement,
					Name:     "x",
					Criteria: "y",
				},
			},
			c.key,
			time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC),
		)
		if err != nil {
			t.Fatal(err)
		}
		c.Badges = append(c.Badges, File{Name: fmt.Sprintf("badges/%d.json", i), Data: data})
	}
	o := order(t, 1)
	o.Memory = &Memory{}
	other, err := openbadge.GenerateKey("other")
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		key  string
		want int
	}{{c.key.DID(), 3}, {c.key.DID(), 3}, {other.DID(), 0}, {other.DID(), 0}, {c.key.DID(), 3}} {
		put("did.txt", doc(step.key))
		b, err := c.Build(o)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := b.Manifest.Chunk(wire.DocumentsChunk); !ok || b.Counted != step.want {
			t.Errorf("build %d: %d count, want %d; documents %v, %q", i, b.Counted, step.want, ok, b.Warnings)
		}
	}
}

func TestCacheDropsUnusedResults(t *testing.T) {
	c := newCrowd(t, 5, 1)
	o := order(t, 1)
	o.Memory = &Memory{}
	for range 3 {
		if _, err := c.Build(o); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(o.Memory.verdicts); n != 5 {
		t.Errorf("%d verdicts", n)
	}
	c.Badges, c.Members = c.Badges[:1], c.Members[:1]
	b, err := c.Build(o)
	if err != nil {
		t.Fatal(err)
	}
	if len(o.Memory.verdicts) != 1 || len(o.Memory.chunks) != 2 || len(b.Chunks) != 1 {
		t.Errorf(
			"%d verdicts, %d chunks, of which %d are encoded",
			len(o.Memory.verdicts),
			len(o.Memory.chunks),
			len(b.Chunks),
		)
	}
}

func TestChunkThatChangedAfterTheBuildIsNotReturned(t *testing.T) {
	c := newCrowd(t, 1, 1)
	o := order(t, 1)
	o.Memory = &Memory{}
	var b *Built
	for range 2 {
		var err error
		if b, err = c.Build(o); err != nil {
			t.Fatal(err)
		}
	}
	c.Badges[0].Data[0] = ' '
	name := wire.BadgesChunk(wire.Bucket("m-0"))
	chunk, ok := b.Manifest.Chunk(name)
	if !ok {
		t.Fatal("no such chunk")
	}
	if _, err := b.Chunk(chunk.SHA256); err == nil {
		t.Error("other bytes were handed out")
	}
}

// For any badge, the index of recipients must find every member for whom IsFor returns true.
func FuzzRecipientsAreFoundByTheIndex(f *testing.F) {
	f.Add("mailto:lea@example.org", "LEA@example.org", "did:example:1", false)
	f.Add("", "ſ@K", "S@\u212a", false)
	f.Add("mailto:\xff", "\xfe", "", true)
	f.Fuzz(func(t *testing.T, subject, address, other string, hashed bool) {
		members := []Member{
			{Emails: []string{address}},
			{Subjects: []string{address}},
			{Emails: []string{other, address}},
			{Subjects: []string{subject}},
			{},
		}
		for _, b := range []*openbadge.Badge{{Subject: subject}, {Subject: "mailto:" + other}, {Subject: other},
			{Identifiers: []openbadge.Identity{{Type: "emailAddress", Hash: other, Hashed: hashed}}},
			{
				Identifiers: []openbadge.Identity{
					{Type: "email", Hash: fmt.Sprintf("sha256$%x", sha256.Sum256([]byte(address))), Hashed: true},
				},
			}} {
			among := newRecipients(members).candidates(b)
			for i, m := range members {
				if b.IsFor(openbadge.Recipient{Emails: m.Emails, Subjects: m.Subjects}) && !slices.Contains(among, i) {
					t.Errorf("%+v is for member %d, and %v are asked", b, i, among)
				}
			}
		}
	})
}

// cpu returns the user-mode processor time that this process has used. The processor time does not depend on other
// programs, unlike the elapsed time.
func cpu(t testing.TB) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano())
}

// BenchmarkBuild measures a build of a site after a change of one member. The site has 10,000 members with 3 badges
// each.
func BenchmarkBuild(b *testing.B) {
	c := newCrowd(b, 10_000, 3)
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	o := Order{
		Version: 1,
		Issued:  at,
		Expires: at.AddDate(0, 1, 0),
		Signer:  signer(b),
		CardKey: bytes.Repeat([]byte{1}, 32),
		Memory:  &Memory{},
	}
	build := func(b *testing.B) *Built {
		out, err := c.Build(o)
		if err != nil || out.Counted < 30_000 {
			b.Fatal(err)
		}
		return out
	}
	b.Run("first", func(b *testing.B) {
		for b.Loop() {
			o.Memory = &Memory{}
			build(b)
		}
	})
	b.Run("changed card, badges by their hashes", func(b *testing.B) { // the build loads badges by hash, as in the hub
		s, _ := c.lazily()
		if _, err := s.Build(o); err != nil { // fill the cache, in case only this benchmark runs
			b.Fatal(err)
		}
		before := cpu(b)
		for i := 0; b.Loop(); i++ {
			s.Members[i].Cards = []string{fmt.Sprintf("07%012X", i)}
			if _, err := s.Build(o); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op")
	})
	b.Run("changed card", func(b *testing.B) {
		build(b) // fill the cache, in case only this benchmark runs
		before := cpu(b)
		defer func() { b.ReportMetric((cpu(b)-before).Seconds()*1000/float64(b.N), "cpu-ms/op") }()
		for i := 0; b.Loop(); i++ {
			c.Members[i].Cards = []string{fmt.Sprintf("06%012X", i)}
			size := 0
			for _, x := range build(b).Chunks {
				size += len(x)
			}
			b.ReportMetric(float64(size), "changed-bytes")
		}
	})
	b.Run("new badge", func(b *testing.B) {
		for i := 0; b.Loop(); i++ {
			c.award(b, i, 5)
			size := 0
			for _, x := range build(b).Chunks {
				size += len(x)
			}
			b.ReportMetric(float64(size), "changed-bytes")
		}
	})
}
