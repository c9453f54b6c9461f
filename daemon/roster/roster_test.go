package roster

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

var (
	cardKey = bytes.Repeat([]byte{0x5a}, 32)
	monday  = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
)

// bench is the example site, built as a bundle and installed.
type bench struct {
	t     *testing.T
	dir   string
	store wire.Store
	key   note.Signer
	m     wire.Manifest
}

func newBench(t *testing.T) *bench {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		t.Fatal(err)
	}
	s, _ := note.NewSigner(skey)
	v, _ := note.NewVerifier(vkey)
	b := &bench{t: t, dir: t.TempDir(), key: s}
	b.store = wire.Store{Dir: filepath.Join(b.dir, "store"), Site: "biklab", Keys: note.VerifierList(v)}
	if err := os.CopyFS(filepath.Join(b.dir, "site"), os.DirFS("../../site-example")); err != nil {
		t.Fatal(err)
	}
	b.install(1, nil)
	return b
}

// install builds the site, calls change with the bundle before it is signed, and installs the bundle.
func (b *bench) install(version uint64, change func(*site.Built)) {
	b.t.Helper()
	s, err := site.Read(filepath.Join(b.dir, "site"))
	if err != nil {
		b.t.Fatal(err)
	}
	built, err := s.Build(
		site.Order{Version: version, Issued: monday, Expires: monday.AddDate(0, 1, 0), Signer: b.key, CardKey: cardKey},
	)
	if err != nil {
		b.t.Fatal(err)
	}
	if change != nil {
		change(built)
		if built.Signed, err = wire.SignManifest(built.Manifest, b.key); err != nil {
			b.t.Fatal(err)
		}
	}
	if b.m, err = b.store.Install(built.Signed, built.Chunk, nil); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) load() *Roster {
	b.t.Helper()
	r, err := Load(b.store, b.m, Options{CardKey: cardKey, Memory: filepath.Join(b.dir, "verdicts"), Now: monday})
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

func lookup(t *testing.T, r *Roster, card string) Person {
	t.Helper()
	uid, err := rfid.ParseUID(card)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := r.Lookup(uid)
	if !ok {
		t.Fatalf("nobody has the card %s", card)
	}
	return p
}

func held(p Person) string {
	var out []string
	for _, h := range p.Member.Holdings {
		out = append(out, string(h.Badge)+map[policy.Standing]string{policy.Unverified: "?", policy.Revoked: "!"}[h.Standing])
	}
	return strings.Join(out, " ")
}

const (
	lea, malik, camille, zoe, ines = "62E3086CED", "1700E45B22", "5E00920F6B", "4400C81D93", "04A224BA115E80"
)

func TestLookupReturnsTheMemberWithTheirBadges(t *testing.T) {
	r := newBench(t).load()
	for card, want := range map[string]string{
		lea: "laser-user vinyl-first-steps", malik: "laser-user", camille: "fdm-user!", zoe: "",
		ines: "laser-maintainer",
	} {
		if got := held(lookup(t, r, card)); got != want {
			t.Errorf("%s holds %q, want %q", card, got, want)
		}
	}
	p := lookup(t, r, lea)
	if p.Name != "Léa Martin" || p.Language != policy.French || p.Member.ID == "" ||
		strings.Contains(string(p.Member.ID), "lea") {
		t.Errorf("%+v", p)
	}
	if end := lookup(t, r, malik).Member.Holdings[0].Until; !end.Before(monday) {
		t.Errorf("Malik's badge ends %v", end)
	}
	if r.Size() != 13 || r.Verified != 20 || r.Version != 1 {
		t.Errorf("%d members, %d verified, version %d", r.Size(), r.Verified, r.Version)
	}
}

func TestUnknownCardHasACodeThatIsNotItsNumber(t *testing.T) {
	r := newBench(t).load()
	uid, _ := rfid.ParseUID("DEADBEEF")
	if _, ok := r.Lookup(uid); ok {
		t.Error("a stranger is known")
	}
	c := r.Unknown(uid)
	if code, err := wire.ParseEnrolCode(c.Code); err != nil || code != c.Code || c != r.Unknown(uid) {
		t.Errorf("code %q, %v", c.Code, err)
	}
	if !wire.IsCardHash(c.Card) || strings.Contains(strings.ToUpper(c.Card+c.Code), "DEADBEEF") {
		t.Errorf("HMAC %q", c.Card)
	}
}

func TestVerdictsAreCachedByBytesAndKeys(t *testing.T) {
	b := newBench(t)
	if r := b.load(); r.Verified != 20 {
		t.Fatalf("%d verified at first", r.Verified)
	}
	if r := b.load(); r.Verified != 0 || held(lookup(t, r, lea)) != "laser-user vinyl-first-steps" {
		t.Errorf("%d verified again, Léa holds %q", r.Verified, held(lookup(t, r, lea)))
	}
	path := filepath.Join(b.dir, "site", "policy.yaml")
	text, _ := os.ReadFile(path)
	another := regexp.MustCompile(`keys: \["([^"]+)"\]`).
		ReplaceAll(text, []byte(`id: "$1", keys: ["$1", "did:key:z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi"]`))
	if err := os.WriteFile(path, another, 0o600); err != nil {
		t.Fatal(err)
	}
	b.install(2, nil)
	if r := b.load(); r.Verified != 20 {
		t.Errorf("with another key pinned, %d are verified again", r.Verified)
	}
	os.WriteFile(filepath.Join(b.dir, "verdicts"), []byte(`{"verdicts":{"x":`), 0o600)
	if r := b.load(); r.Verified != 20 {
		t.Errorf("with a damaged memory, %d are verified again", r.Verified)
	}
}

// The hub signs bundles. It can leave a badge out, but it cannot forge a badge.
func TestHubCannotForgeABadge(t *testing.T) {
	b := newBench(t)
	edit := func(version uint64, name string, change func([]byte) []byte) {
		b.install(version, func(built *site.Built) {
			for i, c := range built.Manifest.Chunks {
				if !strings.HasPrefix(c.Name, name) {
					continue
				}
				data := change(built.Chunks[c.SHA256])
				sha := wire.Hash(data)
				built.Chunks[sha] = data
				built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: sha, Size: int64(len(data))}
			}
		})
	}
	// The bundle gives Zoé the badge that was issued to Léa.
	var leas []byte
	data, err := os.ReadFile(filepath.Join(b.dir, "site", "badges", "lea-laser-user.json"))
	if err != nil {
		t.Fatal(err)
	}
	leas = data
	zoes := wire.Bucket("m-9d017e")
	give := func(credential []byte) func([]byte) []byte {
		return func(raw []byte) []byte {
			var bucket wire.RosterBucket
			if err := json.Unmarshal(raw, &bucket); err != nil {
				t.Fatal(err)
			}
			for i := range bucket.Members {
				if bucket.Members[i].ID == "m-9d017e" {
					bucket.Members[i].Badges = []string{wire.Hash(credential)}
				}
			}
			out, _ := wire.EncodeChunk(bucket)
			return out
		}
	}
	add := func(credential []byte) func(*site.Built) {
		return func(built *site.Built) {
			name := wire.BadgesChunk(zoes)
			var bucket wire.BadgesBucket
			at := -1
			for i, c := range built.Manifest.Chunks {
				if c.Name == name {
					at = i
					json.Unmarshal(built.Chunks[c.SHA256], &bucket)
				}
			}
			bucket.Credentials = append(bucket.Credentials, credential)
			data, _ := wire.EncodeChunk(bucket)
			chunk := wire.Chunk{Name: name, SHA256: wire.Hash(data), Size: int64(len(data))}
			built.Chunks[chunk.SHA256] = data
			if at >= 0 {
				built.Manifest.Chunks[at] = chunk
			} else {
				built.Manifest.Chunks = append(built.Manifest.Chunks, chunk)
			}
			for i, c := range built.Manifest.Chunks {
				if c.Name == wire.RosterChunk(zoes) {
					data := give(credential)(built.Chunks[c.SHA256])
					built.Chunks[wire.Hash(data)] = data
					built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: wire.Hash(data), Size: int64(len(data))}
				}
			}
		}
	}
	b.install(2, add(leas))
	if got := held(lookup(t, b.load(), zoe)); got != "" {
		t.Errorf("Zoé holds %q with Léa's badge", got)
	}
	// Léa's badge is invalid after Zoé's name was written into it.
	forged := bytes.Replace(leas, []byte("0a8257481c"), []byte("aaaaaaaaaa"), 1)
	if bytes.Equal(forged, leas) {
		t.Fatal("nothing was forged")
	}
	b.install(3, add(forged))
	if got := held(lookup(t, b.load(), zoe)); got != "" {
		t.Errorf("Zoé holds %q with a forged badge", got)
	}
	// A badge that can be revoked is not accepted if its status list is missing.
	edit(4, wire.StatusChunk, func([]byte) []byte { return []byte(`{"lists":[]}`) })
	if got := held(lookup(t, b.load(), lea)); got != "laser-user? vinyl-first-steps?" {
		t.Errorf("without its status list Léa holds %q", got)
	}
}

func TestCardOfTwoMembersGrantsNothing(t *testing.T) {
	b := newBench(t)
	b.install(2, func(built *site.Built) {
		for i, c := range built.Manifest.Chunks {
			if !strings.HasPrefix(c.Name, "roster/") {
				continue
			}
			var bucket wire.RosterBucket
			json.Unmarshal(built.Chunks[c.SHA256], &bucket)
			for j := range bucket.Members {
				if id := bucket.Members[j].ID; id == "m-020dc2" || id == "m-9d017e" {
					bucket.Members[j].Cards = []string{"same"}
				}
			}
			data, _ := wire.EncodeChunk(bucket)
			built.Chunks[wire.Hash(data)] = data
			built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: wire.Hash(data), Size: int64(len(data))}
		}
	})
	r := b.load()
	for _, id := range []policy.MemberID{"m-020dc2", "m-9d017e"} {
		if p, ok := r.Person(id); !ok || !p.Member.Blocked {
			t.Errorf("%s is not blocked", id)
		}
	}
}

// A badge belongs to one member at most, whatever the bundle contains: a child with the email address of a parent does
// not get the parent's badge.
func TestBadgeThatTwoMembersClaimIsAcceptedForNeither(t *testing.T) {
	b := newBench(t)
	b.install(2, func(built *site.Built) {
		var badge string
		edit := func(change func(*wire.Member)) {
			for i, c := range built.Manifest.Chunks {
				if !strings.HasPrefix(c.Name, "roster/") {
					continue
				}
				var bucket wire.RosterBucket
				json.Unmarshal(built.Chunks[c.SHA256], &bucket)
				for j := range bucket.Members {
					change(&bucket.Members[j])
				}
				data, _ := wire.EncodeChunk(bucket)
				built.Chunks[wire.Hash(data)] = data
				built.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: wire.Hash(data), Size: int64(len(data))}
			}
		}
		edit(func(m *wire.Member) {
			if m.ID == "m-020dc2" {
				badge = m.Badges[0]
			}
		})
		edit(func(m *wire.Member) {
			if m.ID == "m-9d017e" {
				m.Emails, m.Badges = []string{"lea@example.org"}, []string{badge}
			}
		})
	})
	r := b.load()
	for card, want := range map[string]string{lea: "vinyl-first-steps", zoe: "", ines: "laser-maintainer"} {
		if got := held(lookup(t, r, card)); got != want {
			t.Errorf("%s holds %q, want %q", card, got, want)
		}
	}
}
