package site

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"portillon/wire"
)

// rewrite replaces a text in members.yaml and reads the site again.
func rewrite(t *testing.T, dir string, pairs ...string) (*Site, error) {
	t.Helper()
	path := filepath.Join(dir, "members.yaml")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(string(b), pairs[i]) {
			t.Fatalf("members.yaml does not hold %q", pairs[i])
		}
		b = []byte(strings.Replace(string(b), pairs[i], pairs[i+1], 1))
	}
	if err := os.WriteFile(path, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(dir)
}

// holders returns the members to whom the bundle assigns Léa's badge for the laser.
func holders(t *testing.T, s *Site) (out []string, errs []string) {
	t.Helper()
	b, err := s.Build(order(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(s.Badges, func(f File) bool { return f.Name == "badges/lea-laser-user.json" })
	want := wire.Hash(s.Badges[i].Data)
	for n := range wire.Buckets {
		c, ok := b.Manifest.Chunk(wire.RosterChunk(n))
		if !ok {
			continue
		}
		var bucket wire.RosterBucket
		if err := wire.DecodeChunk(b.Chunks[c.SHA256], &bucket); err != nil {
			t.Fatal(err)
		}
		for _, m := range bucket.Members {
			if slices.Contains(m.Badges, want) {
				out = append(out, m.Name)
			}
		}
	}
	return out, b.Errors
}

// A child who shares a parent's address must not be able to use the laser with the parent's badge.
func TestBadgeForASharedAddressIsAssignedToAtMostOneMember(t *testing.T) {
	if testing.Short() {
		t.Skip("short: builds many bundles")
	}
	const zoe = `email: zoe@example.org`
	for name, x := range map[string]struct {
		change []string
		want   []string
		errors int
	}{
		"no shared address":    {nil, []string{"Léa Martin"}, 0},
		"shared":               {[]string{zoe, `email: lea@example.org`}, nil, 1},
		"shared in upper case": {[]string{zoe, `email: "LEA@Example.org "`}, nil, 1},
		"shared, and a line decides": {
			[]string{
				zoe,
				`email: lea@example.org`,
				`name: "Léa Martin"`,
				`name: "Léa Martin", badges: [badges/lea-laser-user.json]`,
			},
			[]string{"Léa Martin"},
			0,
		},
		"shared, and two lines decide": {
			[]string{
				zoe,
				`email: lea@example.org, badges: [badges/lea-laser-user.json]`,
				`name: "Léa Martin"`,
				`name: "Léa Martin", badges: [badges/lea-laser-user.json]`,
			},
			nil,
			1,
		},
		"a line of a member who is not a recipient": {
			[]string{zoe, `email: zoe@example.org, badges: [badges/lea-laser-user.json]`},
			[]string{"Léa Martin"},
			0,
		},
		"a line that names another badge": {[]string{zoe, `email: lea@example.org, badges: [badges/none.json]`}, nil, 1},
	} {
		t.Run(name, func(t *testing.T) {
			_, dir := example(t)
			s, err := rewrite(t, dir, x.change...)
			if err != nil {
				t.Fatal(err)
			}
			got, errs := holders(t, s)
			named := 0
			for _, e := range errs {
				if strings.Contains(e, "lea-laser-user.json") {
					named++
					if !strings.Contains(e, "Léa Martin (m-020dc2)") || !strings.Contains(e, "Zoé Girard (m-9d017e)") {
						t.Errorf("the error does not name both: %s", e)
					}
				}
			}
			if !slices.Equal(got, x.want) || named != x.errors {
				t.Errorf("it counts for %q, want %q; errors %q", got, x.want, errs)
			}
		})
	}
}

func TestNamesAndAddressesAreTidiedOrRefused(t *testing.T) {
	for in, want := range map[string]string{
		"Léa Martin": "Léa Martin", "  Léa \u00a0 Martin ": "Léa Martin", "Léa\u202fMartin": "Léa Martin",
		"L\u00e9a\u202e nitraM": "", "L\u00e9a\u200b": "", "a\x00": "", "a\x1b[31m": "", "a\ufffd": "", "\u2066x\u2069": "",
	} {
		got, err := tidyText(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v; want %q", in, got, err, want)
		}
	}
	_, dir := example(t)
	_, err := rewrite(
		t,
		dir,
		`name: "Zoé Girard"`,
		"name: \"Zoé \u202eGirard\"",
		"email: tom@example.org",
		`email: "tom @example.org"`,
	)
	if err == nil || !strings.Contains(err.Error(), "direction control U+202E") ||
		!strings.Contains(err.Error(), "no e-mail address") {
		t.Error(err)
	}
}

// One unusual file must not stop the build of a bundle, because the bundle may block a member.
func TestEachFileIsReadOrSkippedWithAReason(t *testing.T) {
	_, dir := example(t)
	good, err := os.ReadFile(filepath.Join(dir, "badges", "lea-laser-user.json"))
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, b []byte) {
		t.Helper()
		path := filepath.Join(dir, "badges", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	put("big.png", make([]byte, maxFile+1))
	put("._lea.json", good)
	put(".DS_Store", nil)
	put("upper.JSON", good)
	put("lea.json.txt", good)
	put("notes.odt", nil)
	put("2025/laser/lea.json", good)
	if err := os.Symlink("/nowhere", filepath.Join(dir, "badges", "gone.json")); err != nil {
		t.Fatal(err)
	}
	s, err := Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"badges/upper.JSON", "badges/2025/laser/lea.json"} {
		if !slices.ContainsFunc(s.Badges, func(f File) bool { return f.Name == name }) {
			t.Errorf("%s is not taken", name)
		}
	}
	for name, why := range map[string]string{
		"big.png":      "at most 4194304",
		"._lea.json":   "a Mac's own file",
		".DS_Store":    "hidden",
		"lea.json.txt": "rename it so that it ends in .json",
		"notes.odt":    `ends in ".odt"`,
		"gone.json":    "cannot be read",
	} {
		if !slices.ContainsFunc(s.Skipped, func(x string) bool {
			return strings.HasPrefix(x, "badges/"+name+": skipped: ") && strings.Contains(x, why)
		}) {
			t.Errorf("%s: %q does not say %q", name, s.Skipped, why)
		}
	}
	if b, err := s.Build(order(t, 1)); err != nil || len(b.Warnings) < 6 {
		t.Errorf("%v, %q", err, b.Warnings)
	}
}

// The path badges/ may be a symbolic link to another folder. If the link leads to a file or to a missing folder, Read
// must return an error, because a site without badges would lock out all members.
func TestBadgesFolderMayBeASymbolicLink(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(other, "anna.json"), []byte("{}"), 0o644); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "badges")
	if err := os.Symlink(other, link); err != nil {
		t.Fatal(err)
	}
	got, err := readFolder(dir, "badges", ".json")
	if err != nil || len(got.files) != 1 || got.files[0].Name != "badges/anna.json" || len(got.skipped) > 0 {
		t.Errorf("a link to a folder: %+v %v", got, err)
	}
	for name, target := range map[string]string{
		"nothing": filepath.Join(other, "none"),
		"a file":  filepath.Join(other, "anna.json"),
	} {
		os.Remove(link)
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		if got, err := readFolder(dir, "badges", ".json"); err == nil {
			t.Errorf("a link to %s: %+v", name, got)
		}
	}
}
