package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"portillon/daemon"
	"portillon/daemon/roster"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

// everyDamage selects all six kinds of damage for each file. Without the flag everyDamage, the tests use three kinds of
// damage: wrong content, a missing file, and an older file.
var everyDamage = flag.Bool("damages", false, "damage each file in all six ways, not in three")

// isTried reports whether this test run uses this kind of damage.
func isTried(how string) bool {
	return *everyDamage || how == "one byte changed" || how == "deleted" || how == "older copy"
}

// skipIfShort skips a test that takes seconds if the flag -short is set.
func skipIfShort(t *testing.T, why string) {
	t.Helper()
	if testing.Short() {
		t.Skip("short: " + why)
	}
}

// damages contains the ways in which a worn memory card or a power cut may damage a file. The argument older is the
// file's content in the previous version, or nil for a new file.
var damages = map[string]func(path string, older []byte) error{
	"one byte changed": func(path string, _ []byte) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		b[len(b)/2] ^= 1
		return os.WriteFile(path, b, 0o600)
	},
	"cut short": func(path string, _ []byte) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, b[:len(b)/2], 0o600)
	},
	"zeroed": func(path string, _ []byte) error {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(path, make([]byte, len(b)), 0o600)
	},
	"deleted": func(path string, _ []byte) error { return os.RemoveAll(path) },
	"a folder in its place": func(path string, _ []byte) error {
		return errors.Join(os.RemoveAll(path), os.MkdirAll(filepath.Join(path, "x"), 0o700))
	},
	"older copy": func(path string, older []byte) error {
		if older == nil {
			return os.RemoveAll(path)
		}
		return os.WriteFile(path, older, 0o600)
	},
}

// stopped is the data folder of a stopped machine: version 2 is in force, version 1 is the previous version.
type stopped struct {
	k      *bundleUpdater
	file   []byte            // the bundle file of version 2
	older  map[string][]byte // content of each file in version 1; the key is the file's path in the folder
	data   string
	folder string // chunks of both versions, like those that a hub serves
}

func stop(t *testing.T) *stopped {
	t.Helper()
	k, build := exampleUpdater(t)
	s := &stopped{k: k, older: map[string][]byte{}, data: t.TempDir(), folder: t.TempDir()}
	s.copyTo(s.data)
	if err := os.MkdirAll(filepath.Join(s.folder, "chunks"), 0o700); err != nil {
		t.Fatal(err)
	}
	for version := uint64(1); version <= 2; version++ {
		b := build(version)
		s.file = bundleOf(t, b)
		if _, err := k.store.InstallFile(bytes.NewReader(s.file), func(m wire.Manifest) error {
			_,
				err := k.load(m)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		for sha, chunk := range b.Chunks {
			if err := os.WriteFile(filepath.Join(s.folder, "chunks", sha), chunk, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if version == 1 {
			for _, name := range []string{"bundle/manifest", "verdicts"} {
				s.older[name] = read(t, filepath.Join(s.data, name))
			}
		}
	}
	return s
}

// copyTo copies the machine's files to this folder.
func (s *stopped) copyTo(data string) {
	s.k.store.Dir, s.k.options.Memory = filepath.Join(data, "bundle"), filepath.Join(data, "verdicts")
}

// files returns the files of the folder, with one chunk of each kind.
func (s *stopped) files(t *testing.T) []string {
	t.Helper()
	m, err := s.k.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	out, kinds := []string{"verdicts", "bundle/manifest", "bundle/manifest.previous"}, map[string]bool{}
	for _, c := range m.Chunks {
		if kind, _, _ := strings.Cut(c.Name, "/"); !kinds[kind] {
			kinds[kind] = true
			out = append(out, "bundle/chunks/"+c.SHA256)
		}
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bundleOf(t *testing.T, b *site.Built) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := wire.WriteBundle(&out, b.Signed, b.Manifest, b.Chunk); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// restart starts the machine on a copy of its folder with one damaged file, and checks all chunks once. The argument
// sources contains the sources from which the machine may fetch chunks.
func (s *stopped) restart(
	t *testing.T,
	source string,
	damage func(data string) error,
) (*bundleUpdater, *roster.Roster, error) {
	t.Helper()
	k := *s.k
	data := t.TempDir()
	if err := errors.Join(os.CopyFS(data, os.DirFS(s.data)), damage(data)); err != nil {
		t.Fatal(err)
	}
	k.store.Dir, k.options.Memory = filepath.Join(data, "bundle"), filepath.Join(data, "verdicts")
	k.state, k.lastFile, k.refusedManifest, k.manifests = daemon.BundleState{}, "", nil, make(chan []byte, 1)
	k.conf = BundleConfig{}
	switch source {
	case "file":
		k.conf.File = filepath.Join(t.TempDir(), "site.bundle")
		if err := os.WriteFile(k.conf.File, s.file, 0o600); err != nil {
			t.Fatal(err)
		}
	case "folder":
		k.conf.From = s.folder
	}
	k.verifiedAt, k.repairedAt = time.Time{}, time.Time{}
	r, err := k.firstRoster()
	if better := k.upkeep(t.Context()); better != nil {
		r = better
	}
	return &k, r, err
}

// If one file of a stopped machine is damaged, taps work after the next start, or the machine reports why they do not
// work. The machine repairs a damaged file if a source has the file's content.
func TestEachDamagedFileIsRepairedOrReported(t *testing.T) {
	skipIfShort(t, "damages each file of a bundle store")
	s := stop(t)
	for _, source := range []string{"file", "folder", "none"} {
		for _, name := range s.files(t) {
			for how, damage := range damages {
				if !isTried(how) {
					continue
				}
				t.Run(source+"/"+filepath.Base(name)+"/"+how, func(t *testing.T) {
					k, r, err := s.restart(t, source,
						func(data string) error { return damage(filepath.Join(data, name), s.older[name]) })
					m, cerr := k.store.Current()
					whole := cerr == nil && len(k.store.Damaged(m)) == 0
					if !whole && k.state.Damage == "" && err == nil {
						t.Errorf("the store is damaged (%v) and nobody says so", cerr)
					}
					if r == nil && (source != "none" || k.state.Damage == "") {
						t.Fatalf("no members: %v, damage %q", err, k.state.Damage)
					}
					if r != nil {
						if _, known := r.Lookup(uid(t, "62E3086CED")); !known {
							t.Error("Léa's card is not known")
						}
					}
					switch {
					case source == "file" && (!whole || r.Version != 2):
						t.Errorf("not repaired from the file: version %d, %v, %q", r.Version, cerr, k.state.Damage)
					case source == "folder" && cerr == nil && !whole:
						t.Errorf("not repaired from the folder: %q", k.state.Damage)
					}
				})
			}
		}
	}
}

func uid(t *testing.T, hex string) rfid.UID {
	t.Helper()
	u, err := rfid.ParseUID(hex)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// If a machine started with the previous version of its bundle, it loads the current version without a restart as soon
// as a source has the damaged chunk.
func TestDamageIsRepairedWhileTheMachineRuns(t *testing.T) {
	s := stop(t)
	m, err := s.k.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	policy, _ := m.Chunk(wire.PolicyChunk)
	k, r, err := s.restart(t, "none",
		func(data string) error { return os.Remove(filepath.Join(data, "bundle/chunks", policy.SHA256)) })
	if r != nil || err == nil || !strings.Contains(k.state.Damage, "policy.yaml") {
		t.Fatalf("both versions share the policy: %v, %v, %q", r != nil, err, k.state.Damage)
	}
	hub := t.TempDir()
	k.conf.From, k.repairedAt = hub, time.Time{} // forget the last repair, which is in the future of the synctest clock
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		// The updater is created in the synctest bubble, whose clock advances while run waits.
		k.manifests = make(chan []byte, 1)
		taken := uint64(0)
		go k.run(ctx, func(r *roster.Roster) { taken = r.Version }, func(error) {})
		<-time.After(time.Minute)
		synctest.Wait()
		if taken != 0 {
			t.Errorf("version %d was taken from nowhere", taken)
		}
		if err := os.CopyFS(hub, os.DirFS(s.folder)); err != nil { // make the hub reachable again
			t.Fatal(err)
		}
		<-time.After(2 * repairEvery)
		synctest.Wait()
		if taken != 2 || k.state.Damage != "" {
			t.Errorf("version %d, damage %q", taken, k.state.Damage)
		}
		cancel()
		synctest.Wait()
	})
}

func TestCheckNamesADamagedBundle(t *testing.T) {
	s := stop(t)
	if damage := (Config{}).checkStore(s.k.store); damage != "" {
		t.Errorf("a whole bundle: %s", damage)
	}
	m, err := s.k.store.Current()
	if err != nil {
		t.Fatal(err)
	}
	status, _ := m.Chunk(wire.StatusChunk)
	if err := os.Remove(filepath.Join(s.k.store.Dir, "chunks", status.SHA256)); err != nil {
		t.Fatal(err)
	}
	if damage := (Config{}).checkStore(s.k.store); !strings.Contains(damage, "version 2: damaged on the disk: status") ||
		!strings.Contains(damage, "copy the bundle file again") {
		t.Error(damage)
	}
	if err := os.WriteFile(filepath.Join(s.k.store.Dir, "manifest"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if damage := (Config{}).checkStore(s.k.store); !strings.Contains(damage, "manifest is damaged") {
		t.Error(damage)
	}
}

// The daemon must not block if the path of the bundle file is a named pipe.
func TestBundleFileThatIsAPipeIsRejected(t *testing.T) {
	s := stop(t)
	pipe := filepath.Join(t.TempDir(), "site.bundle")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	k := *s.k
	k.conf, k.lastFile = BundleConfig{File: pipe}, ""
	r, err := k.firstRoster()
	if r == nil || r.Version != 2 || err == nil || !strings.Contains(err.Error(), "is not a regular file") {
		t.Errorf("%v, %v", r != nil, err)
	}
	if _, err := openRegular(pipe); err == nil {
		t.Error("a pipe is opened for a repair")
	}
}
