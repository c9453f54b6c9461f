package daemoncmd

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/roster"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

// situation describes how a site distributes its keys.
type situation struct {
	name     string
	apart    bool // true: machines pin a policy key that the hub does not have
	bindings bool // true: the policy contains «bindings: signed»
}

var situations = []situation{{"one key", false, false}, {"keys apart", true, false}, {"bindings signed", true, true}}

// These constants are the ids and cards of members of the attacked site.
const (
	victimCard, thiefCard, blockedCard, lapsedCard = "62E3086CED", "62E3000001", "62E3000002", "62E3000003"
	lostCard, newCard, revokedCard, plainCard      = "62E3000004", "62E3000005", "62E3000006", "62E3000007"
	freeCard                                       = "62E30000FF" // card that belongs to no member
	listURL, plainListURL                          = "https://lab.example/status/1", "https://lab.example/status/plain"
)

// memberID returns the pseudonym of a member of the attacked site. All pseudonyms fall into one bucket of the bundle,
// because each further bucket is one more file, which takes time to write.
func memberID(name string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("m-%s-%d", name, i); wire.Bucket(policy.MemberID(id)) == 0 {
			return id
		}
	}
}

// thiefMembers returns the content of members.yaml.
func thiefMembers() string {
	var b strings.Builder
	b.WriteString("portillon: 1\nmembers:\n")
	for _, m := range []struct{ name, rest string }{
		{"victim", `cards: ["62E3086CED"]`}, {"thief", `cards: ["62E3000001"]`},
		{"blocked", `blocked: true, cards: ["62E3000002"]`},
		{"lapsed", `until: 2026-01-31, cards: ["62E3000003"]`}, {"loser",
			`cards: [{ number: "62E3000004", state: lost }, "62E3000005"]`},
		{"revoked", `cards: ["62E3000006"]`}, {"plain", `cards: ["62E3000007"]`}, {"web", `cards: ["62E3000009"]`},
	} {
		fmt.Fprintf(&b, "  - { id: %s, name: %s, email: %s@example.org, %s }\n", memberID(m.name), m.name, m.name, m.rest)
	}
	fmt.Fprintf(&b, "  - { id: %s, name: subject, subject: \"did:example:subject\", cards: [\"62E3000008\"] }\n",
		memberID("subject"))
	return b.String()
}

// thiefSite is a site whose policy names the keys of its issuers in each of the ways that a policy supports.
type thiefSite struct {
	t                  *testing.T
	dir                string
	at                 situation
	hub, policy, thief note.Signer
	keys, policyKeys   note.Verifiers
	lab, rogue         *openbadge.Key
	card               []byte
	built              map[string]*site.Built // bundles that were already built; the key is the arguments of build
	installed          map[*site.Built]string // data folder of a machine by the first bundle that it installed
}

var thiefNow = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

func newThiefSite(t *testing.T, at situation) *thiefSite {
	t.Helper()
	s := &thiefSite{
		t:         t,
		dir:       t.TempDir(),
		at:        at,
		card:      []byte(strings.Repeat("c", 32)),
		built:     map[string]*site.Built{},
		installed: map[*site.Built]string{},
	}
	var hub, pol note.Verifier
	s.hub, hub = signer(t, "portillon:hub:biklab")
	s.policy, pol = signer(t, "portillon:policy:biklab")
	s.thief, _ = signer(t, "portillon:policy:biklab")
	s.keys = note.VerifierList(hub)
	if at.apart {
		s.policyKeys = note.VerifierList(pol)
	}
	s.lab, s.rogue = s.key("lab"), s.key("rogue")
	s.write("policy.yaml", s.policyText(""))
	s.write("warn.yaml", s.policyText("    mode: warn\n"))
	s.write("members.yaml", thiefMembers())
	s.ownBadges()
	s.webBadges()
	return s
}

func (s *thiefSite) key(name string) *openbadge.Key {
	k, err := openbadge.GenerateKey(name)
	if err != nil {
		s.t.Fatal(err)
	}
	return k
}

func (s *thiefSite) write(name string, v any) {
	s.t.Helper()
	b, ok := v.([]byte)
	if text, is := v.(string); is {
		b, ok = []byte(text), true
	}
	if !ok {
		b, _ = json.Marshal(v)
	}
	path := filepath.Join(s.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

func (s *thiefSite) policyText(mode string) string {
	bindings := ""
	if s.at.bindings {
		bindings = "bindings: signed\n"
	}
	return fmt.Sprintf(`portillon: 1
site: biklab
language: fr
timezone: Europe/Paris
%sissuers:
  lab: { name: Lab, keys: [%q] }
  school: { name: School, keys: ["did:web:school.example"] }
  maker: { name: Maker, keys: ["https://maker.example/profile"] }
  jwk: { name: JWK, id: "https://jwk.example/issuer", keys: ["https://jwk.example/keys.json"] }
  old: { name: Old, keys: ["https://old.example/issuer"] }
badges:
  user: { name: { fr: U }, issuer: lab, achievement: "https://lab.example/user" }
  school: { name: { fr: S }, issuer: school, achievement: "https://school.example/user" }
  maker: { name: { fr: M }, issuer: maker, achievement: "https://maker.example/user" }
  jwk: { name: { fr: J }, issuer: jwk, achievement: "https://jwk.example/user" }
  old: { name: { fr: O }, issuer: old, achievement: "https://old.example/user" }
machines:
  laser:
    name: { fr: Laser }
%s    grants: [{ role: user, needs: { any: [user, school, maker, jwk, { badge: old, assurance: hosted }] } }]
`, bindings, s.lab.DID(), mode)
}

// issue signs a badge of an issuer for an email address.
func (s *thiefSite) issue(k *openbadge.Key, issuer, achievement, email string, change func(*openbadge.Draft)) []byte {
	s.t.Helper()
	d := openbadge.Draft{IssuerID: issuer, Email: email, ValidFrom: thiefNow.AddDate(-1, 0, 0),
		Achievement: openbadge.Achievement{ID: achievement, Name: "Usager", Criteria: "Avoir montré"}}
	if change != nil {
		change(&d)
	}
	sign := func() ([]byte, error) { return openbadge.IssueJSON(d, k, thiefNow.AddDate(-1, 0, 0)) }
	if strings.Contains(issuer, "jwk.") {
		sign = func() ([]byte, error) { return openbadge.IssueJWT(d, k) }
	}
	b, err := sign()
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func (s *thiefSite) ownBadges() {
	for _, who := range []string{"victim", "blocked", "lapsed", "loser"} {
		s.write("badges/"+who+".json", s.issue(s.lab, "", "https://lab.example/user", who+"@example.org", nil))
	}
	s.write("badges/subject.json", s.issue(s.lab, "", "https://lab.example/user", "",
		func(d *openbadge.Draft) { d.Subject = "did:example:subject" }))
	s.write(
		"badges/revoked.json",
		s.issue(s.lab, "", "https://lab.example/user", "revoked@example.org", func(d *openbadge.Draft) {
			d.Statuses = []openbadge.StatusEntry{
				{Type: openbadge.BitstringEntryType, List: listURL, Purpose: "revocation", Index: 7},
			}
		}),
	)
	s.write(
		"badges/plain.json",
		s.issue(s.lab, "", "https://lab.example/user", "plain@example.org", func(d *openbadge.Draft) {
			d.ID, d.Status = "urn:x:plain", plainListURL
		}),
	)
	s.write("status/1.json", s.statusList(thiefNow))
	s.write("status/plain.json", plainList("urn:x:other"))
}

// statusList returns the lab's signed status list with this date.
func (s *thiefSite) statusList(made time.Time, revoked ...int) []byte {
	s.t.Helper()
	b, err := openbadge.IssueStatusList(openbadge.StatusListDraft{ID: listURL, Set: revoked}, s.lab, made)
	if err != nil {
		s.t.Fatal(err)
	}
	return b
}

func plainList(id string) []byte {
	return fmt.Appendf(
		nil,
		`{"id":%q,"issuer":"https://lab.example","revokedCredential":[{"id":%q,"revoked":true}]}`,
		plainListURL,
		id,
	)
}

// hosted returns a hosted badge of Open Badges 2.0.
func hosted(id, email string) map[string]any {
	return map[string]any{
		"@context":     "https://w3id.org/openbadges/v2",
		"type":         "Assertion",
		"id":           id,
		"badge":        "https://old.example/user",
		"issuedOn":     "2026-01-01T00:00:00Z",
		"verification": map[string]any{"type": "hosted"},
		"recipient":    map[string]any{"type": "email", "hashed": false, "identity": email},
	}
}

// webBadges adds badges of one member whose verification needs documents on the web.
func (s *thiefSite) webBadges() {
	for name, b := range s.webKeys(s.key("web")) {
		s.write(name, b)
	}
	const context = "https://w3id.org/openbadges/v2"
	s.write("badges/hosted.json", hosted("https://old.example/badges/1", "web@example.org"))
	s.write("documents/badge.json", hosted("https://old.example/badges/1", "web@example.org"))
	s.write("documents/class.json", map[string]any{"@context": context, "type": "BadgeClass",
		"id": "https://old.example/user", "name": "U", "criteria": "https://old.example/c",
		"issuer": "https://old.example/issuer"})
	s.write("documents/issuer.json", map[string]any{"@context": context, "type": "Profile",
		"id": "https://old.example/issuer", "name": "Old"})
}

// webKeys publishes a key in each way, and issues a badge with each key. In the result, the key is the name of a file
// of the site.
func (s *thiefSite) webKeys(k *openbadge.Key) map[string][]byte {
	s.t.Helper()
	must := func(b []byte, err error) []byte {
		if err != nil {
			s.t.Fatal(err)
		}
		return b
	}
	return map[string][]byte{
		"documents/school.example/.well-known/did.json": must(openbadge.DIDDocument("did:web:school.example", k)),
		"documents/maker.example/profile":               must(openbadge.Profile("https://maker.example/profile", "Maker", k)),
		"documents/jwk.example/keys.json":               must(openbadge.JWKS("https://jwk.example/issuer", k)),
		"badges/school.json": s.issue(k, "did:web:school.example", "https://school.example/user",
			"web@example.org", nil),
		"badges/maker.json": s.issue(k, "https://maker.example/profile", "https://maker.example/user", "web@example.org",
			nil),
		"badges/jwk.jwt": s.issue(k, "https://jwk.example/issuer", "https://jwk.example/user", "web@example.org", nil),
	}
}

// build builds the site's genuine bundle. The argument status contains files that replace those of the folder status.
// For the same arguments, build returns the bundle that it built before.
func (s *thiefSite) build(
	version, number uint64,
	policyFile string,
	issued time.Time,
	status map[string][]byte,
) *site.Built {
	s.t.Helper()
	order := fmt.Sprintf("%d %d %s %v %s", version, number, policyFile, issued, status)
	if b := s.built[order]; b != nil {
		return b
	}
	x, err := site.ReadUnder(s.dir, filepath.Join(s.dir, policyFile))
	if err != nil {
		s.t.Fatal(err)
	}
	for i, f := range x.Status {
		if b, ok := status[f.Name]; ok {
			x.Status[i].Data = b
		}
	}
	o := site.Order{Version: version, Issued: issued, Expires: issued.AddDate(0, 6, 0), Signer: s.hub, CardKey: s.card}
	if s.at.apart {
		o.Policy = site.PolicyOrder{Number: number, Signer: s.policy}
	}
	b, err := x.Build(o)
	if err != nil {
		s.t.Fatal(err)
	}
	s.built[order] = b
	return b
}

// victim is a machine of the site, with its files.
type victim struct {
	s    *thiefSite
	k    *bundleUpdater
	dir  string
	r    *roster.Roster // the roster in force
	now  time.Time
	last *site.Built // the last bundle that was offered
}

func (s *thiefSite) machine() *victim {
	s.t.Helper()
	v := &victim{s: s, dir: s.t.TempDir(), now: thiefNow}
	v.restart()
	return v
}

// restart replaces the machine's daemon. The new daemon has only the data that is stored on the disk.
func (v *victim) restart() {
	v.k = &bundleUpdater{
		machine: "laser",
		conf:    BundleConfig{From: filepath.Join(v.dir, "from")},
		log:     slog.New(slog.DiscardHandler),
		store:   wire.Store{Dir: filepath.Join(v.dir, "store"), Site: "biklab", Keys: v.s.keys, Policy: v.s.policyKeys},
		options: roster.Options{CardKey: v.s.card, Memory: filepath.Join(v.dir, "verdicts"), Policy: v.s.policyKeys,
			Revoked: filepath.Join(v.dir, "revoked.json")},
		now:       func() time.Time { return v.now },
		manifests: make(chan []byte, 1),
	}
	if r, err := v.k.firstRoster(); err == nil {
		v.r = r
	}
}

// offer makes the machine fetch a bundle, as the machine does after a message from a hub.
func (v *victim) offer(b *site.Built) error {
	v.s.t.Helper()
	for sha, data := range b.Chunks {
		v.s.t.Helper()
		path := filepath.Join(v.dir, "from", "chunks", sha)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			v.s.t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o600); err != nil {
			v.s.t.Fatal(err)
		}
	}
	v.last = b
	r, err := v.k.fromManifest(v.s.t.Context(), b.Signed)
	if r != nil {
		v.r = r
	}
	return err
}

// offerGenuine offers a genuine bundle, which the machine must accept. The first bundle of a machine is installed once
// and then copied for each further machine, because syncing each file to the disk is slow.
func (v *victim) offerGenuine(b *site.Built) {
	v.s.t.Helper()
	copied := func(from, to string) {
		if err := os.CopyFS(to, os.DirFS(from)); err != nil {
			v.s.t.Fatal(err)
		}
	}
	if first := v.last == nil; first && v.s.installed[b] != "" {
		copied(v.s.installed[b], v.dir)
		v.last = b
		v.restart()
		return
	} else if first {
		defer func() {
			v.s.installed[b] = filepath.Join(v.s.t.TempDir(), "machine")
			copied(v.dir, v.s.installed[b])
		}()
	}
	if err := v.offer(b); err != nil {
		v.s.t.Fatalf("%s: a genuine bundle is refused: %v", v.s.at.name, err)
	}
}

// startsLaser reports whether a card switches the laser on.
func (v *victim) startsLaser(card string) bool {
	v.s.t.Helper()
	uid, err := rfid.ParseUID(card)
	if err != nil {
		v.s.t.Fatal(err)
	}
	if v.r == nil {
		return false
	}
	p, ok := v.r.Lookup(uid)
	if !ok {
		return false
	}
	return v.r.Policy.Decide(policy.Question{At: v.now, Clock: policy.Trusted, Machine: "laser", Member: p.Member,
		Issued: v.r.Issued}).Verdict == policy.Allow
}

// forgery is a bundle that a thief of the hub key makes from a genuine bundle.
type forgery struct {
	t *testing.T
	b *site.Built
}

// forge starts a forgery as a copy of a genuine bundle, with the next version number and the given issue time.
func (s *thiefSite) forge(from *site.Built, issued time.Time) forgery {
	b := &site.Built{Manifest: from.Manifest, Chunks: maps.Clone(from.Chunks)}
	b.Manifest.Chunks = slices.Clone(from.Manifest.Chunks)
	b.Manifest.Version, b.Manifest.Issued = from.Manifest.Version+1, issued
	return forgery{s.t, b}
}

// sign signs the bundle with the hub key.
func (f forgery) sign(s *thiefSite) *site.Built {
	f.t.Helper()
	card, err := wire.CardSigner("biklab", s.card)
	if err != nil {
		f.t.Fatal(err)
	}
	if f.b.Signed, err = wire.SignManifest(f.b.Manifest, s.hub, card); err != nil {
		f.t.Fatal(err)
	}
	return f.b
}

// putChunk replaces or adds a chunk.
func (f forgery) putChunk(name string, data []byte) {
	c := wire.Chunk{Name: name, SHA256: wire.Hash(data), Size: int64(len(data))}
	f.b.Chunks[c.SHA256] = data
	if i := slices.IndexFunc(f.b.Manifest.Chunks, func(x wire.Chunk) bool { return x.Name == name }); i >= 0 {
		f.b.Manifest.Chunks[i] = c
		return
	}
	f.b.Manifest.Chunks = append(f.b.Manifest.Chunks, c)
}

func change[T any](f forgery, name string, do func(*T)) {
	f.t.Helper()
	var v T
	if c, ok := f.b.Manifest.Chunk(name); ok {
		if err := wire.DecodeChunk(f.b.Chunks[c.SHA256], &v); err != nil {
			f.t.Fatal(err)
		}
	}
	do(&v)
	data, err := wire.EncodeChunk(v)
	if err != nil {
		f.t.Fatal(err)
	}
	f.putChunk(name, data)
}

// changeMember changes a member of the roster.
func (f forgery) changeMember(name string, do func(*wire.Member)) forgery {
	f.t.Helper()
	id := memberID(name)
	change(f, wire.RosterChunk(wire.Bucket(policy.MemberID(id))), func(b *wire.RosterBucket) {
		i := slices.IndexFunc(b.Members, func(m wire.Member) bool { return m.ID == id })
		if i < 0 {
			f.t.Fatalf("no member %s", id)
		}
		do(&b.Members[i])
	})
	return f
}

// addBadge adds a credential to a member.
func (f forgery) addBadge(name string, credential []byte) forgery {
	f.t.Helper()
	change(f, wire.BadgesChunk(wire.Bucket(policy.MemberID(memberID(name)))),
		func(b *wire.BadgesBucket) { b.Credentials = append(b.Credentials, credential) })
	return f.changeMember(name, func(m *wire.Member) { m.Badges = append(m.Badges, wire.Hash(credential)) })
}

// setDocument replaces the content of a URL in the chunk of documents or status lists.
func (f forgery) setDocument(chunk, url string, body []byte) forgery {
	f.t.Helper()
	change(f, chunk, func(b *wire.StatusBucket) {
		b.Lists = slices.DeleteFunc(b.Lists, func(l wire.StatusList) bool { return l.URL == url })
		b.Lists = append(b.Lists, wire.StatusList{URL: url, Body: body})
	})
	return f
}
