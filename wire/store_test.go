package wire

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func bundleFile(t testing.TB, m Manifest) []byte {
	t.Helper()
	s, _ := keys(t)
	signed, err := SignManifest(m, s)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := WriteBundle(&b, signed, m, chunks); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func store(t testing.TB) Store {
	t.Helper()
	_, v := keys(t)
	return Store{Dir: filepath.Join(t.TempDir(), "bundle"), Site: "biklab", Keys: v}
}

// codeOf returns the code of a refusal, or the text of another error.
func codeOf(err error) string {
	var r *Refusal
	if errors.As(err, &r) {
		return r.Code
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestBundleInstallsAndReadsBack(t *testing.T) {
	st := store(t)
	m, err := st.InstallFile(bytes.NewReader(bundleFile(t, manifest())), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := st.Chunk(m, PolicyChunk); err != nil || string(got) != "policy" {
		t.Fatalf("%q %v", got, err)
	}
	if got, err := st.Chunk(m, RosterChunk(9)); got != nil || err != nil {
		t.Errorf("a chunk that is not in it: %q %v", got, err)
	}
	if cur, err := st.Current(); err != nil || cur.Version != 3 {
		t.Errorf("in force: %+v %v", cur, err)
	}
}

func TestRefusedBundlesChangeNothing(t *testing.T) {
	st := store(t)
	good := bundleFile(t, manifest())
	if _, err := st.InstallFile(bytes.NewReader(good), nil); err != nil {
		t.Fatal(err)
	}
	next := manifest()
	next.Version = 4
	other := next
	other.Site = "elsewhere"
	newer := bundleFile(t, next)
	for _, c := range []struct {
		name, want string
		b          []byte
	}{
		{"the same version", "older-version", good},
		{"another site's", "other-site", bundleFile(t, other)},
		{"cut in a chunk", "truncated", newer[:len(newer)-1024-600]},
		{"cut before a chunk", "truncated", newer[:3*512+100]},
		{"a chunk changed", "wrong-hash", bytes.Replace(newer, []byte("roster\x00"), []byte("rooster"), 1)},
		{"the manifest changed", "bad-signature", bytes.Replace(newer, []byte(`"version":4`), []byte(`"version":5`), 1)},
		{"nothing", "EOF", nil},
		{"a web page", "not-a-bundle", bytes.Repeat([]byte("<html>"), 500)},
		{"something else in it", "not-a-bundle",
			bytes.Replace(newer, []byte("chunks/"+Hash([]byte("badges"))),
				[]byte("chunks/../../../../../../etc/passwd"+strings.Repeat("x", 37)), 1)},
	} {
		_, err := st.InstallFile(bytes.NewReader(c.b), nil)
		if got := codeOf(err); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
		if cur, err := st.Current(); err != nil || cur.Version != 3 {
			t.Fatalf("%s: now in force: %+v %v", c.name, cur, err)
		}
	}
	if _, err := st.InstallFile(bytes.NewReader(newer),
		func(Manifest) error { return errors.New("policy.yaml:1:1: no") }); codeOf(
		err,
	) != "unusable" {
		t.Errorf("a bundle that cannot be worked from: %v", err)
	}
	if cur, _ := st.Current(); cur.Version != 3 {
		t.Error("an unusable bundle is in force")
	}
	if _, err := st.InstallFile(bytes.NewReader(newer), nil); err != nil {
		t.Error(err)
	}
}

func TestOnlyMissingChunksAreFetchedAndOldOnesAreRemoved(t *testing.T) {
	st := store(t)
	s, _ := keys(t)
	if _, err := st.InstallFile(bytes.NewReader(bundleFile(t, manifest())), nil); err != nil {
		t.Fatal(err)
	}
	next := manifest()
	next.Version = 4
	next.Chunks = next.Chunks[:2]
	next.Chunks[1] = Chunk{RosterChunk(0), Hash([]byte("another")), 7}
	signed, _ := SignManifest(next, s)
	var asked []string
	fetch := func(sha string) ([]byte, error) { asked = append(asked, sha); return []byte("another"), nil }
	if _, err := st.Install(signed, func(string) ([]byte, error) { return []byte("forged"), nil }, nil); codeOf(
		err,
	) != "wrong-hash" {
		t.Errorf("forged chunk: %v", err)
	}
	if _, err := st.Install(signed, func(string) ([]byte, error) { return nil, errors.New("away") }, nil); codeOf(
		err,
	) != "missing-chunk" {
		t.Errorf("chunk out of reach: %v", err)
	}
	if _, err := st.Install(signed, fetch, nil); err != nil || len(asked) != 1 {
		t.Fatalf("asked for %v, %v", asked, err)
	}
	// The chunks of the previous version must stay in the store, and older chunks must be removed.
	for _, x := range []struct {
		version uint64
		want    int
	}{{4, 4}, {5, 2}} {
		if x.version == 5 {
			next.Version = 5
			signed, _ = SignManifest(next, s)
			if _, err := st.Install(signed, nil, nil); err != nil {
				t.Fatal(err)
			}
		}
		left, err := os.ReadDir(filepath.Join(st.Dir, "chunks"))
		if err != nil || len(left) != x.want {
			t.Errorf("version %d: %d chunks are kept, want %d, %v", x.version, len(left), x.want, err)
		}
	}
}

func TestChunkChangedOnTheDiskIsRefused(t *testing.T) {
	st := store(t)
	m, err := st.InstallFile(bytes.NewReader(bundleFile(t, manifest())), nil)
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(filepath.Join(st.Dir, "chunks", Hash([]byte("policy"))), []byte("rotten"), 0o600)
	if _, err := st.Chunk(m, PolicyChunk); codeOf(err) != "wrong-hash" {
		t.Error(err)
	}
}

func TestMembersAreSpreadOverAllBuckets(t *testing.T) {
	seen := map[int]bool{}
	for i := range 2000 {
		b := Bucket(policyID(i))
		if b < 0 || b >= Buckets {
			t.Fatal(b)
		}
		seen[b] = true
	}
	if len(seen) != Buckets {
		t.Errorf("%d buckets of %d are used", len(seen), Buckets)
	}
}

// damages are changes to a file that a worn SD card or a power cut can cause.
var damages = map[string]func(t *testing.T, path string){
	"one byte changed": func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		b[len(b)/2] ^= 1
		write(t, path, b)
	},
	"cut short": func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, b[:len(b)/2])
	},
	"zeroed": func(t *testing.T, path string) {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		write(t, path, make([]byte, len(b)))
	},
	"deleted": func(t *testing.T, path string) {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
	},
	"a folder in its place": func(t *testing.T, path string) {
		if err := errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "x"), 0o700)); err != nil {
			t.Fatal(err)
		}
	},
}

func write(t *testing.T, path string, b []byte) {
	t.Helper()
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestDamagedChunksAreRepairedFromTheFileOrByFetching(t *testing.T) {
	for name, damage := range damages {
		for _, from := range []string{"file", "fetch"} {
			t.Run(name+", "+from, func(t *testing.T) {
				st := store(t)
				good := bundleFile(t, manifest())
				m, err := st.InstallFile(bytes.NewReader(good), nil)
				if err != nil {
					t.Fatal(err)
				}
				damage(t, st.path(Hash([]byte("roster"))))
				if d := st.Damaged(m); len(d) != 1 || d[0].Name != RosterChunk(0) {
					t.Fatalf("damaged: %v", d)
				}
				n := 0
				if from == "file" {
					n, err = st.RepairFrom(bytes.NewReader(good), m)
				} else {
					n, err = st.Repair(m, chunks)
				}
				if n != 1 || err != nil || len(st.Damaged(m)) != 0 {
					t.Errorf("%d repaired, %v, still damaged: %v", n, err, st.Damaged(m))
				}
			})
		}
	}
}

func TestRepairRejectsAChunkWithAnotherHash(t *testing.T) {
	st := store(t)
	m, err := st.InstallFile(bytes.NewReader(bundleFile(t, manifest())), nil)
	if err != nil {
		t.Fatal(err)
	}
	damages["deleted"](t, st.path(Hash([]byte("roster"))))
	if n, err := st.Repair(m, func(string) ([]byte, error) { return []byte("forged"), nil }); n != 0 ||
		codeOf(err) != "wrong-hash" {
		t.Errorf("%d repaired, %v", n, err)
	}
	other := manifest()
	other.Version, other.Chunks = 9, other.Chunks[:1]
	if n, err := st.RepairFrom(bytes.NewReader(bundleFile(t, other)), m); n != 0 || codeOf(err) != "missing-chunk" {
		t.Errorf("%d repaired from a file without the chunk, %v", n, err)
	}
}

// Even if the current manifest is damaged, an older bundle must not be installed.
func TestBundleMustFollowThePreviousOneIfTheManifestIsDamaged(t *testing.T) {
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			st := store(t)
			old := bundleFile(t, manifest())
			next := manifest()
			next.Version = 4
			newer := bundleFile(t, next)
			for _, b := range [][]byte{old, newer} {
				if _, err := st.InstallFile(bytes.NewReader(b), nil); err != nil {
					t.Fatal(err)
				}
			}
			damage(t, filepath.Join(st.Dir, "manifest"))
			if m, err := st.Previous(); err != nil || m.Version != 3 {
				t.Fatalf("the version before: %d, %v", m.Version, err)
			}
			if _, err := st.InstallFile(bytes.NewReader(old), nil); codeOf(err) != "older-version" {
				t.Errorf("an older bundle: %v", err)
			}
			if _, err := st.InstallFile(bytes.NewReader(newer), nil); err != nil {
				t.Error(err)
			}
			if m, err := st.Current(); err != nil || m.Version != 4 {
				t.Errorf("in force: %d, %v", m.Version, err)
			}
		})
	}
}

// If a chunk's path is not a regular file of the right size, the chunk is damaged. The store must neither wait for such
// a file nor read all of it.
func TestFileOfAnotherKindOrSizeCountsAsDamage(t *testing.T) {
	for name, replace := range map[string]func(path string) error{
		"pipe": func(path string) error { return syscall.Mkfifo(path, 0o600) },
		"link": func(path string) error { return os.Symlink("/dev/zero", path) },
		"huge": func(path string) error {
			f, err := os.Create(path)
			return errors.Join(err, f.Truncate(1<<40), f.Close())
		},
	} {
		t.Run(name, func(t *testing.T) {
			st := store(t)
			good := bundleFile(t, manifest())
			m, err := st.InstallFile(bytes.NewReader(good), nil)
			if err != nil {
				t.Fatal(err)
			}
			for _, path := range []string{filepath.Join(st.Dir, "manifest"), st.path(Hash([]byte("roster")))} {
				if err := errors.Join(os.Remove(path), replace(path)); err != nil {
					t.Fatal(err)
				}
			}
			if d := st.Damaged(m); len(d) != 1 || d[0].Name != RosterChunk(0) {
				t.Errorf("damaged: %v", d)
			}
			if _, err := st.Chunk(m, RosterChunk(0)); err == nil {
				t.Error("the chunk is read")
			}
			if _, err := st.Current(); err == nil {
				t.Error("the manifest is read")
			}
			if _, err := st.InstallFile(bytes.NewReader(good), nil); err != nil || len(st.Damaged(m)) > 0 {
				t.Errorf("it is not repaired: %v", err)
			}
		})
	}
}

// A folder of the store may be a link to another disk. If the store moved the link aside, the current bundle would be
// gone before the next bundle is complete.
func TestStoreKeepsAFolderThatIsALink(t *testing.T) {
	for _, which := range []string{"", "chunks"} {
		st := store(t)
		if _, err := st.InstallFile(bytes.NewReader(bundleFile(t, manifest())), nil); err != nil {
			t.Fatal(err)
		}
		dir, other := filepath.Join(st.Dir, which), filepath.Join(t.TempDir(), "disk")
		if err := errors.Join(os.Rename(dir, other), os.Symlink(other, dir)); err != nil {
			t.Fatal(err)
		}
		next := manifest()
		next.Version = 4
		if _, err := st.InstallFile(bytes.NewReader(bundleFile(t, next)),
			func(Manifest) error { return errors.New("no") }); codeOf(
			err,
		) != "unusable" {
			t.Errorf("%q: %v", which, err)
		}
		m, err := st.Current()
		if err != nil || m.Version != 3 || len(st.Damaged(m)) > 0 {
			t.Errorf("%q: after a refused bundle: %d %v, damaged %v", which, m.Version, err, st.Damaged(m))
		}
		if fi, err := os.Lstat(dir); err != nil || fi.Mode()&os.ModeSymlink == 0 {
			t.Errorf("%q: the link is gone: %v", which, err)
		}
	}
}

func TestInstallChangedReadsOnlyChangedChunks(t *testing.T) {
	s := newPartsSite(t, 3)
	a := &Assembler{Store: s.store, Source: &faultyHub{partsSite: s}}
	if err := s.install(a); err != nil {
		t.Fatal(err)
	}
	s.members[0].Name = "other"
	signed := s.build()
	badges, _ := s.m.Chunk(BadgesChunk(0))
	path := s.store.path(badges.SHA256)
	damaged := bytes.Repeat([]byte("x"), int(badges.Size))
	if err := os.WriteFile(path, damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.store.InstallChanged(signed, a.Fetch(s.m), nil); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, damaged) {
		t.Errorf("a chunk of the bundle before was read: %v", err)
	}
	s.members[1].Name = "other"
	signed = s.build()
	usable := func(m Manifest) error {
		for _, c := range m.Chunks {
			if _, err := s.store.Chunk(m, c.Name); err != nil {
				return err
			}
		}
		return nil
	}
	if m, err := s.store.InstallChanged(signed, a.Fetch(s.m), usable); err != nil || len(s.store.Damaged(m)) > 0 {
		t.Errorf("a damaged chunk was not repaired before the bundle was used: %v", err)
	}
	s.members[2].Name = "other"
	signed = s.build()
	if err := os.Truncate(path, badges.Size-1); err != nil {
		t.Fatal(err)
	}
	if m, err := s.store.InstallChanged(signed, a.Fetch(s.m), nil); err != nil || len(s.store.Damaged(m)) > 0 {
		t.Errorf("a chunk of another size was taken for whole: %v", err)
	}
	signed = s.build()
	tries := 0
	if _, err := s.store.InstallChanged(signed, a.Fetch(s.m),
		func(Manifest) error { tries++; return errors.New("no") }); codeOf(
		err,
	) != "unusable" ||
		tries != 1 {
		t.Errorf("a whole bundle that cannot be used: %v, tried %d times", err, tries)
	}
}
