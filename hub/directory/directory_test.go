package directory

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/site"
)

// world is the directory of a test, under the policy of the example site.
type world struct {
	*Services
	t      *testing.T
	o      *Options
	now    time.Time
	policy *policy.Policy
	text   []byte
	db     *store.DB
	audit  []string
}

const example = "../../site-example"

var owner = actor.Local("Root")

func newWorld(t testing.TB) *world {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(example, "policy.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	p, err := file.Parse("policy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t)
	w := &world{now: time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC), policy: p, text: text, db: db}
	w.t, _ = t.(*testing.T)
	w.o = &Options{Site: db.Site(p.Site), Now: func() time.Time { return w.now }, Log: slog.New(slog.DiscardHandler),
		Policy: func(context.Context) (*policy.Policy, error) { return w.policy, nil },
		Audit: func(_ context.Context, _ *store.Tx, _ actor.Actor, act actor.Act, on, detail string) error {
			w.audit = append(w.audit, string(act)+" "+on+": "+detail)
			return nil
		}}
	if w.Services, err = New(*w.o); err != nil {
		t.Fatal(err)
	}
	return w
}

// remake recreates the services with changed options.
func (w *world) remake(change func(*Options)) {
	change(w.o)
	s, err := New(*w.o)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Services = s
}

// must returns the value, and fails the test on an error.
func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func (w *world) add(name string, emails ...string) Member {
	w.t.Helper()
	return must[Member](w.t)(w.Members.Add(w.t.Context(), owner, Member{Name: name, Emails: emails}))
}

func (w *world) member(id policy.MemberID) Member {
	w.t.Helper()
	return must[Member](w.t)(w.Members.Get(w.t.Context(), owner, id))
}

// importList creates the preview of an import and applies the preview.
func (w *world) importList(in Import) Preview {
	w.t.Helper()
	p := must[Preview](w.t)(w.Imports.Preview(w.t.Context(), owner, in))
	return must[Preview](w.t)(w.Imports.Apply(w.t.Context(), owner, p.ID))
}

// zipOf returns a ZIP of the files in a folder.
func zipOf(t testing.TB, dir string, folders ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, folder := range folders {
		err := filepath.WalkDir(filepath.Join(dir, folder), func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			rel, _ := filepath.Rel(dir, path)
			f, err := z.Create(filepath.ToSlash(rel))
			if err == nil {
				_, err = f.Write(data)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// importSite imports members.yaml, the badges and the status lists of a site's folder.
func (w *world) importSite(dir string) {
	w.t.Helper()
	data := must[[]byte](w.t)(os.ReadFile(filepath.Join(dir, "members.yaml")))
	w.importList(Import{Name: "members.yaml", Data: data})
	badges := must[[]Badge](
		w.t,
	)(
		w.Badges.AddBadges(w.t.Context(), owner, "", "site.zip", zipOf(w.t, dir, "badges", "status")),
	)
	for _, b := range badges {
		if b.Refused != "" {
			w.t.Fatalf("%s: %s", b.From, b.Refused)
		}
	}
}

func order1(t testing.TB, now time.Time) site.Order {
	t.Helper()
	skey, _, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return site.Order{Version: 1, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: signer,
		CardKey: bytes.Repeat([]byte{1}, 32)}
}

// build returns a bundle that is built from the directory.
func (w *world) build() *site.Built {
	w.t.Helper()
	snap := must[*Snapshot](w.t)(w.Exports.Snapshot(w.t.Context()))
	s := must[*site.Site](w.t)(site.New(w.text, snap.Members, snap.Badges, snap.Status, snap.Web))
	s.Load = snap.Load
	return must[*site.Built](w.t)(s.Build(order1(w.t, w.now)))
}

// export writes the directory as a site's folder.
func (w *world) export(dir string) {
	w.t.Helper()
	var members bytes.Buffer
	if err := w.Exports.Export(w.t.Context(), owner, YAML, &members); err != nil {
		w.t.Fatal(err)
	}
	snap := must[*Snapshot](w.t)(w.Exports.Snapshot(w.t.Context()))
	files := []site.File{{Name: "members.yaml", Data: members.Bytes()}, {Name: "policy.yaml", Data: w.text}}
	files = append(append(files, snap.Badges...), snap.Status...)
	for _, f := range files {
		if f.Hash != "" {
			f.Data = must[[]byte](w.t)(snap.Load(f.Hash))
		}
		path := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, f.Data, 0o644)); err != nil {
			w.t.Fatal(err)
		}
	}
	if err := os.MkdirAll(filepath.Join(dir, "badges"), 0o755); err != nil {
		w.t.Fatal(err)
	}
}

// The bundle that is built from the directory equals the bundles that are built from the imported folder and from the
// exported folder.
func TestBundleOfTheDirectoryEqualsTheBundleOfTheFolder(t *testing.T) {
	if testing.Short() {
		t.Skip("short: verifies the badges of a whole site")
	}
	for name, dir := range map[string]string{"example": example, "shared addresses": sharedSite(t)} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.importSite(dir)
			out := t.TempDir()
			w.export(out)
			got := w.build()
			for _, folder := range []string{dir, out} {
				s := must[*site.Site](t)(site.Read(folder))
				want := must[*site.Built](t)(s.Build(order1(t, w.now)))
				if !reflect.DeepEqual(got.Chunks, want.Chunks) || !reflect.DeepEqual(got.Manifest, want.Manifest) {
					t.Errorf("%s: the bundles differ: %d chunks, want %d; %q", folder, len(got.Chunks), len(want.Chunks), got.Warnings)
				}
				if got.Counted != want.Counted || len(got.Warnings) != len(want.Warnings) ||
					len(got.Errors)+len(want.Errors) > 0 || got.Counted == 0 {
					t.Errorf("%s: %d count, want %d; %q, want %q; %q %q", folder, got.Counted, want.Counted, got.Warnings,
						want.Warnings, got.Errors, want.Errors)
				}
			}
			before := must[[]site.Member](t)(site.ParseMembers("a", must[[]byte](t)(os.ReadFile(filepath.Join(dir,
				"members.yaml")))))
			after := must[[]site.Member](t)(site.ParseMembers("b", must[[]byte](t)(os.ReadFile(filepath.Join(out,
				"members.yaml")))))
			if !reflect.DeepEqual(withoutEmptySlices(before), withoutEmptySlices(after)) {
				t.Errorf("members.yaml differs:\n%+v\n%+v", before, after)
			}
			again := must[Preview](t)(w.Imports.Preview(t.Context(), owner, Import{Name: "members.yaml",
				Data: must[[]byte](t)(os.ReadFile(filepath.Join(out, "members.yaml")))}))
			if len(again.Added)+len(again.Changed)+len(again.Gone) > 0 || again.Unchanged != len(before) {
				t.Errorf("a second import changes something: %+v", again)
			}
		})
	}
}

// withoutEmptySlices returns the members with nil in place of empty slices, so that members can be compared.
func withoutEmptySlices(all []site.Member) []site.Member {
	for i := range all {
		m := &all[i]
		for _, s := range []*[]string{&m.Emails, &m.Subjects, &m.Cards, &m.Parts, &m.Badges} {
			if len(*s) == 0 {
				*s = nil
			}
		}
	}
	return all
}

// sharedSite returns a copy of the example site that uses every feature of members.yaml, including an address that two
// members share.
func sharedSite(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "members.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	for _, pair := range [][2]string{
		{`email: jules@example.org, cards: ["01000734E0"]`,
			`email: lea@example.org, until: 2027-09-30, blocked: true, subject: "did:key:z6MkJules", ` +
				`cards: ["wiegand26:188,24910", "dec:0012345678", "hex:0012345678", { number: "AA00112233", state: lost, ` +
				`since: 2026-11-01 }, { number: "BB00112233", state: replaced }], badges: badges/jules-laser-first-steps.json`},
		{`email: lea@example.org, cards: ["62E3086CED"]`,
			`emails: [lea@example.org, jules@example.org], cards: ["62E3086CED"], badges: [badges/lea-laser-user.json, ` +
				`badges/lea-vinyl-first-steps.json]`},
		{`cards: ["2A00B1C4D7"]`, `cards: ["hmac:` + strings.Repeat("5a", 32) + `"]`},
	} {
		if !strings.Contains(text, pair[0]) {
			t.Fatalf("the example has no %q", pair[0])
		}
		text = strings.Replace(text, pair[0], pair[1], 1)
	}
	text = strings.Replace(text, "lea@example.org, until", "jules@example.org, until", 1)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestDirectoryNeedsSiteAndPolicy(t *testing.T) {
	if _, err := New(Options{}); err == nil {
		t.Error("a directory without a site was made")
	}
}

// invalid returns the faults of a *fault.Invalid error, and nil for any other error.
func invalid(err error) []fault.Field {
	var e *fault.Invalid
	if errors.As(err, &e) {
		return e.Faults
	}
	return nil
}

func discard() io.Writer { return io.Discard }
