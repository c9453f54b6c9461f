package roster

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// Commit 80f842b of this program built the bundle from the example site, with the keys in the same folder.
func TestBundlesOfAnOldReleaseAreInstalledAndLoaded(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join("testdata/80f842b", name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	v, err := note.NewVerifier(read("portillon-biklab.pub"))
	if err != nil {
		t.Fatal(err)
	}
	key, err := hex.DecodeString(read("card.key"))
	if err != nil {
		t.Fatal(err)
	}
	f, err := os.Open("testdata/80f842b/site.bundle")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	s := wire.Store{Dir: filepath.Join(t.TempDir(), "store"), Site: "biklab", Keys: note.VerifierList(v)}
	m, err := s.InstallFile(f, nil)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Load(s, m, Options{CardKey: key, Now: time.Date(2026, 11, 28, 10, 0, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if r.Version != 7 || r.Size() != 13 || len(r.Denied) != 0 ||
		held(lookup(t, r, lea)) != "laser-user vinyl-first-steps" {
		t.Errorf("version %d, %d members, denied %v; Léa holds %q", r.Version, r.Size(), r.Denied, held(lookup(t, r, lea)))
	}
}
