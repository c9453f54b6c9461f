package directory

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/fault"
	"portillon/openbadge"
	"portillon/openbadge/bake"
	"portillon/policy"
	"portillon/wire"
)

// otherProjects returns a path in the folder with badges and policies of other projects, which is next to the
// repository.
func otherProjects(t testing.TB, parts ...string) string {
	t.Helper()
	path := filepath.Join(append([]string{"..", "..", "..", "shared", "openbadges"}, parts...)...)
	if _, err := os.Stat(path); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the test data is not there: %v", err)
		}
		t.Skipf("the test data is not there: %v", err)
	}
	return path
}

var issuerLine = regexp.MustCompile(`name: "([^"]*)", id: "([^"]*)", keys: \["([^"]*)"\]`)

// policyTrusting returns a policy without machines. The policy trusts the issuers in a trust file.
func policyTrusting(t testing.TB, path string) *policy.Policy {
	t.Helper()
	text := must[[]byte](t)(os.ReadFile(path))
	p := &policy.Policy{}
	for i, m := range issuerLine.FindAllStringSubmatch(string(text), -1) {
		issuer := policy.Issuer{ID: policy.IssuerID(fmt.Sprintf("i%d", i)), Name: m[1], Profile: m[2], Keys: []string{m[3]}}
		p.Issuers = append(p.Issuers, issuer)
	}
	for i := range p.Issuers { // let each issuer sign the status lists of every other issuer
		for _, other := range p.Issuers {
			if other.ID != p.Issuers[i].ID {
				p.Issuers[i].StatusIssuers = append(p.Issuers[i].StatusIssuers, other.ID)
			}
		}
	}
	if len(p.Issuers) == 0 {
		t.Fatalf("%s names no issuer", path)
	}
	return p
}

// folder returns a resolver that finds the document for an address among the files of one or two folders.
type folder []*openbadge.Directory

func (f folder) Resolve(url string) ([]byte, error) {
	for _, d := range f {
		if b, err := d.Resolve(url); err == nil || errors.Is(err, openbadge.ErrGone) {
			return b, err
		}
	}
	return nil, errors.New("out of reach")
}

// The hub stores each of fourteen badges of other projects with its verdict, and with the documents on which the
// verdict depends.
func TestBadgesOfOtherIssuersAreStoredWithTheirVerdicts(t *testing.T) {
	dirs, err := filepath.Glob(filepath.Join(otherProjects(t, "second"), "*", "trust.yaml"))
	if err != nil || len(dirs) < 14 {
		t.Fatalf("%d cases: %v", len(dirs), err)
	}
	refused := map[string]string{"ob2-hosted-revoked-text": "revoked", "ob3-no-identifier-no-id": "somebody else",
		// This badge contains a hash as the recipient's address, but does not declare that the address is a hash. The
		// verdict on every other badge is valid.
		"ob3-identity-without-hashed": "somebody else"}
	for _, trust := range dirs {
		dir := filepath.Dir(trust)
		name := filepath.Base(dir)
		t.Run(name, func(t *testing.T) {
			files, _ := filepath.Glob(filepath.Join(dir, "badge.*"))
			data := must[[]byte](t)(os.ReadFile(files[0]))
			w := newWorld(t)
			w.policy, w.now = policyTrusting(t, trust), time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
			var web folder
			for _, sub := range []string{"documents", "status"} {
				if d, err := openbadge.OpenDirectory(filepath.Join(dir, sub)); err == nil {
					web = append(web, d)
				}
			}
			w.remake(func(o *Options) { o.Fetch = func(context.Context) openbadge.Resolver { return web } })
			m := w.add("Léa", "lea@example.org", "member@example.org")
			src := must[*sources](t)(w.Badges.documents.sources(t.Context(), false))
			if b := verify(data, w.policy, src, w.now).badge; b != nil && b.Subject != "" {
				must[Member](t)(w.Members.Change(t.Context(), owner, m.ID, m.Version,
					func(m *Member) error { m.Subjects = []string{b.Subject}; return nil }))
			}
			got, err := w.Badges.AddBadges(t.Context(), owner, m.ID, filepath.Base(files[0]), data)
			if why := refused[name]; why != "" {
				if len(invalid(err)) != 1 || !strings.Contains(err.Error(), why) {
					t.Errorf("%+v %v", got, err)
				}
				return
			}
			if err != nil || len(got) != 1 {
				t.Fatal(err)
			}
			const want = "valid"
			if got[0].Verdict != want || len(got[0].Checks) < 3 || got[0].ID != wire.Hash(data) || got[0].Member != m.ID {
				t.Errorf("%+v, want %s", got[0], want)
			}
			// The snapshot contains the fetched documents, so that a bundle can be built offline.
			snap := must[*Snapshot](t)(w.Exports.Snapshot(t.Context()))
			w.remake(func(o *Options) { o.Fetch = nil })
			offline := verify(data, w.policy, must[*sources](t)(w.Badges.documents.sources(t.Context(), false)), w.now)
			if offline.Verdict != want || len(web) > 0 && len(snap.Web)+len(snap.Status) == 0 {
				t.Errorf("with nobody online: %s, %d documents, %d lists", offline.Verdict, len(snap.Web), len(snap.Status))
			}
			if shown := w.member(m.ID).Badges; len(shown) != 1 || shown[0].Verdict != want ||
				len(shown[0].Checks) != len(got[0].Checks) {
				t.Errorf("%+v", shown)
			}
			file, bytes, err := w.Badges.BadgeData(t.Context(), owner, m.ID, got[0].ID)
			if err != nil || string(bytes) != string(data) || !strings.HasPrefix(file, "badges/badge.") {
				t.Errorf("%s %v", file, err)
			}
		})
	}
}

// Only the recipient of a badge receives the badge, from any source.
func TestBadgeGoesToItsRecipientOnly(t *testing.T) {
	w := newWorld(t)
	lea, other := w.add("Léa", "lea@example.org"), w.add("Other", "other@example.org")
	data := must[[]byte](t)(os.ReadFile(example + "/badges/lea-laser-user.json"))
	if _, err := w.Badges.AddBadges(t.Context(), owner, other.ID, "x.json", data); len(invalid(err)) != 1 {
		t.Errorf("another member got it: %v", err)
	}
	got := must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, "", "x.json", data))
	if len(got) != 1 || got[0].Member != lea.ID || got[0].Local != "laser-user" || got[0].File != "badges/x.json" ||
		got[0].Verdict != "indeterminate" {
		t.Errorf("%+v", got) // unknown, because the hub has no status list for the badge yet
	}
	list := must[[]byte](t)(os.ReadFile(example + "/status/biklab.json"))
	if got, err := w.Badges.AddBadges(t.Context(), owner, "", "biklab.json", list); err != nil || len(got) != 0 {
		t.Errorf("a status list: %+v %v", got, err)
	}
	if err := w.Verdicts.Verify(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if b := w.member(lea.ID).Badges[0]; b.Verdict != "valid" {
		t.Errorf("%+v", b)
	}
	g := must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Generation
	if err := w.Verdicts.Verify(t.Context(), false); err != nil ||
		must[*Snapshot](t)(w.Exports.Snapshot(t.Context())).Generation != g {
		t.Errorf("nothing changed, and a change was written: %v", err)
	}
	// Upload the same badge under another file name. The hub stores the badge only once.
	must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, lea.ID, "y.json", data))
	if b := w.member(lea.ID).Badges; len(b) != 1 || b[0].File != "badges/x.json" {
		t.Errorf("%+v", b)
	}
	must[Member](t)(w.Members.Change(t.Context(), owner, other.ID, other.Version,
		func(m *Member) error { m.Emails = []string{"lea@example.org"}; return nil }))
	if _, err := w.Badges.AddBadges(t.Context(), owner, "", "x.json", data); len(invalid(err)) != 1 {
		t.Errorf("an address of two decided: %v", err)
	}
	if _, err := w.Badges.AddBadges(t.Context(), owner, other.ID, "x.json", data); len(invalid(err)) != 1 {
		t.Errorf("a badge moved from one member to another: %v", err)
	}
	if b := w.build(); b.Counted != 1 || len(b.Errors) > 0 {
		t.Errorf("%d count: %q", b.Counted, b.Errors)
	}
	if err := w.Badges.RemoveBadge(t.Context(), owner, lea.ID, got[0].ID); err != nil {
		t.Fatal(err)
	}
	must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, other.ID, "x.json", data)) // one of two possible recipients
	if snap := must[*Snapshot](t)(w.Exports.Snapshot(t.Context())); !slices.Equal(snap.Members[1].Badges,
		[]string{"badges/x.json"}) {
		t.Errorf("%+v", snap.Members)
	}
	for name, text := range map[string]string{"nothing": "nothing", "a web page": "<html>", "empty": "", "json": "{}"} {
		if _, err := w.Badges.AddBadges(t.Context(), owner, lea.ID, name, []byte(text)); len(invalid(err)) != 1 ||
			invalid(err)[0].Wrong == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
	var missing *fault.NotFound
	if _, err := w.Badges.AddBadges(t.Context(), owner, "m-none", "x.json", data); !errors.As(err, &missing) {
		t.Errorf("%v", err)
	}
}

// If the policy then trusts different issuers, the verdicts change. An expired badge is displayed as expired.
func TestVerdictsDependOnPolicyAndTime(t *testing.T) {
	w := newWorld(t)
	w.importSite(example)
	for _, b := range w.member("m-2063d1").Badges { // Malik's badge is displayed as expired since March
		if b.Verdict != "invalid" || !slices.ContainsFunc(b.Checks, func(c Check) bool {
			return c.Code == "dates" &&
				c.Outcome == "expired" && !c.OK
		}) {
			t.Errorf("%+v", b)
		}
	}
	for _, b := range w.member("m-3f56e9").Badges { // Camille's badge is displayed as revoked
		if b.Verdict != "invalid" || !slices.ContainsFunc(b.Checks, func(c Check) bool {
			return c.Outcome == "revoked" &&
				!c.OK
		}) {
			t.Errorf("%+v", b)
		}
	}
	at := w.now
	w.now = w.now.AddDate(20, 0, 0)
	for _, b := range w.member("m-020dc2").Badges {
		if ended := !b.Expires.IsZero(); ended != (b.Verdict == "invalid") {
			t.Errorf("20 years later: %+v", b)
		}
	}
	w.now = at
	stranger := *w.policy
	stranger.Issuers = slices.Clone(stranger.Issuers)
	for i := range stranger.Issuers {
		stranger.Issuers[i].Keys = []string{"did:key:z6MkkNUhEch1T8ak3Jtc8xHfhShXsq4kuc49GxmY8o67Kjyw"}
	}
	w.policy = &stranger
	if err := w.Verdicts.Verify(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	if some, _, _ := w.Members.Count(t.Context(), owner, Filter{Badge: "laser-user"}); some != 0 {
		t.Errorf("%d members hold a badge that nobody trusts", some)
	}
	for _, b := range w.member("m-020dc2").Badges {
		if b.Verdict != "invalid" || b.Checks == nil {
			t.Errorf("%+v", b)
		}
	}
}

func TestBadgesAreReadFromEveryFormat(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa", "lea@example.org")
	data := must[[]byte](t)(os.ReadFile(example + "/badges/lea-laser-user.json"))
	list := must[[]byte](t)(os.ReadFile(example + "/status/biklab.json"))
	svg := must[[]byte](
		t,
	)(
		bake.Bake([]byte(`<svg xmlns="http://www.w3.org/2000/svg"><rect width="8" height="8"/></svg>`), data, bake.OB3),
	)
	must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, "", "l.json", list))
	got := must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, m.ID, "C:\\Users\\Léa\\..\\lea laser.JSON", svg))
	if got[0].Verdict != "valid" || got[0].File != "badges/C-/Users/L-a/lea-laser.JSON.svg" &&
		got[0].File != "badges/C-/Users/lea-laser.JSON.svg" {
		t.Errorf("%+v", got[0])
	}
	w.remake(func(o *Options) {
		o.Fetch = func(context.Context) openbadge.Resolver {
			return resolver(func(url string) ([]byte, error) {
				if url == "https://lab.example/badges/7?x=1" {
					return data, nil
				}
				return nil, errors.New("this is not a public address: 10.0.0.1")
			})
		}
	})
	b := must[Badge](t)(w.Badges.AddBadgeURL(t.Context(), owner, "", "https://lab.example/badges/7?x=1"))
	if b.From != "https://lab.example/badges/7?x=1" || b.File != "badges/7.json" || b.Member != m.ID ||
		b.Verdict != "valid" {
		t.Errorf("%+v", b)
	}
	for _, bad := range []string{"", "http://lab.example/b", "file:///etc/passwd", "https://",
		"https://me:x@lab.example/", "https://lab.lan/b", "https://" + strings.Repeat("a", 3000), "ftp://x"} {
		if _, err := w.Badges.AddBadgeURL(t.Context(), owner, m.ID, bad); len(invalid(err)) != 1 {
			t.Errorf("%.60q: %v", bad, err)
		}
	}
	w.remake(func(o *Options) { o.Fetch = nil })
	if _, err := w.Badges.AddBadgeURL(t.Context(), owner, m.ID, "https://lab.example/b"); len(invalid(err)) != 1 {
		t.Errorf("%v", err)
	}
}

type resolver func(string) ([]byte, error)

func (r resolver) Resolve(url string) ([]byte, error) { return r(url) }

// zipOfFiles returns a ZIP of these files.
func zipOfFiles(t testing.TB, files map[string][]byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, data := range files {
		f := must[io.Writer](t)(z.Create(name))
		if _, err := f.Write(data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// zipOfEqualFiles returns a ZIP of n equal files. The ZIP header of each file declares the size in the parameter says
// instead of the real size.
func zipOfEqualFiles(t testing.TB, n, says int, plain []byte) []byte {
	t.Helper()
	var one, b bytes.Buffer
	d := must[*flate.Writer](t)(flate.NewWriter(&one, flate.BestSpeed))
	if _, err := d.Write(plain); err != nil {
		t.Fatal(err)
	}
	d.Close()
	z := zip.NewWriter(&b)
	for i := range n {
		f := must[io.Writer](t)(z.CreateRaw(&zip.FileHeader{Name: fmt.Sprintf("%d.json", i), Method: zip.Deflate,
			CRC32:            crc32.ChecksumIEEE(plain),
			CompressedSize64: uint64(one.Len()), UncompressedSize64: uint64(says)}))
		if _, err := f.Write(one.Bytes()); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestZIPBombsAreRefused(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	many := map[string][]byte{}
	for i := range maxFiles + 1 {
		many[fmt.Sprintf("%d.json", i)] = []byte("{}")
	}
	random := make([]byte, 3<<20)
	rand.NewChaCha8([32]byte{1}).Read(random)
	mixed := append(slices.Clone(random[:100<<10]), make([]byte, 2900<<10)...) // 3 MB, which a ZIP compresses to 1/30
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"too many files":      {zipOfFiles(t, many), "1001 files"},
		"grows 1,000 times":   {zipOfFiles(t, map[string][]byte{"a.json": make([]byte, 4<<20)}), "times its size"},
		"all too large":       {zipOfEqualFiles(t, 22, len(mixed), mixed), "67108864 bytes"},
		"false declared size": {zipOfEqualFiles(t, 1, 10, make([]byte, 4<<20)), "cannot be unpacked"},
		"a ZIP within a ZIP": {zipOfFiles(t, map[string][]byte{"a.zip": zipOfFiles(t,
			map[string][]byte{"b.json": []byte("{}")})}), "another ZIP"},
		"one file too large": {zipOfFiles(t, map[string][]byte{"a.json": random, "b.svg": append([]byte("<svg>"),
			random[:2<<20]...)}), "at most"},
		"broken": {[]byte("PK\x03\x04 nothing"), "cannot be read"},
		"empty":  {zipOfFiles(t, nil), "no badge"},
		"hidden files alone": {zipOfFiles(t, map[string][]byte{"__MACOSX/a.json": []byte("{}"), ".x.json": []byte("{}"),
			"badges/": nil}), "no badge"},
		"too large to read": {make([]byte, maxUpload+1), "bytes"},
	} {
		w := newWorld(t)
		_, err := w.Badges.AddBadges(t.Context(), owner, "", "x.zip", c.data)
		if f := invalid(err); len(f) != 1 || !strings.Contains(f[0].Wrong, c.want) {
			t.Errorf("%s: %.300v", name, err)
		}
	}
}

// From a ZIP of a whole site, the hub stores all files except a badge without a recipient, which it returns with the
// reason.
func TestOneBadFileDoesNotStopTheRestOfAZIP(t *testing.T) {
	w := newWorld(t)
	m := w.add("Léa", "lea@example.org")
	data := must[[]byte](t)(os.ReadFile(example + "/badges/lea-laser-user.json"))
	tom := must[[]byte](t)(os.ReadFile(example + "/badges/tom-fdm-first-steps.json"))
	got := must[[]Badge](t)(w.Badges.AddBadges(t.Context(), owner, "", "site.zip", zipOfFiles(t, map[string][]byte{
		"site/badges/lea.json": data, "site/badges/tom.json": tom, "site/badges/broken.json": []byte("{"),
		"site/README.md": []byte("read me")})))
	kept := 0
	for _, b := range got {
		if b.Refused == "" {
			kept++
			if b.File != "badges/lea.json" || b.Member != m.ID {
				t.Errorf("%+v", b)
			}
		} else if b.ID != "" || b.Member != "" {
			t.Errorf("%+v", b)
		}
	}
	if kept != 1 || len(got) != 3 || len(w.member(m.ID).Badges) != 1 {
		t.Errorf("%d of %d are kept: %+v", kept, len(got), got)
	}
}
