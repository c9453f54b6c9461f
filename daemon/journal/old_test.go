package journal

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
)

// oldJournal returns the path of a journal that commit 80f842b of this program wrote. The journal has 14 records of the
// laser cutter, of which the hub had acknowledged 10. The keys of that machine are stored in the same folder.
func oldJournal(t *testing.T) (path string, o Options, keys note.Verifiers) {
	t.Helper()
	read := func(name string) []byte {
		b, err := os.ReadFile(filepath.Join("testdata/80f842b", name))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	path = filepath.Join(t.TempDir(), "journal.db")
	if err := os.WriteFile(path, read("journal.db"), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(strings.TrimSpace(string(read("portillon-laser.key"))))
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(strings.TrimSpace(string(read("portillon-laser.pub"))))
	if err != nil {
		t.Fatal(err)
	}
	return path, Options{
			Site:    "biklab",
			Machine: "laser",
			Signer:  s,
			Boot:    "b2",
			Trusted: func() bool { return true },
		}, note.VerifierList(
			v,
		)
}

func TestJournalsOfAnOldReleaseAreReadWithoutConversion(t *testing.T) {
	path, _, _ := oldJournal(t)
	j, err := OpenReadOnly(path)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	v, err := j.Verify(context.Background())
	if err != nil || v.Records != 14 || j.Origin() != "portillon/biklab/laser" || j.Generation() != "" {
		t.Errorf("%+v of %s, %q, %v", v, j.Origin(), string(j.Generation()), err)
	}
	var out strings.Builder
	if err := j.Export(context.Background(), &out, 1); err != nil || strings.Count(out.String(), "\n") != 14 {
		t.Errorf("%v, %s", err, out.String())
	}
}

func TestJournalsOfAnOldReleaseStayInTheEmptyGeneration(t *testing.T) {
	path, o, keys := oldJournal(t)
	for n := uint64(15); n < 17; n++ {
		j, err := Open(path, o)
		if err != nil {
			t.Fatal(err)
		}
		if c, err := j.Cursor("hub"); err != nil || c != 10 {
			t.Errorf("the cursor is at %d, %v", c, err)
		}
		if f, err := j.Facts("tags"); err != nil || string(f["tags"]) != "[]" {
			t.Errorf("facts %v, %v", f, err)
		}
		if r, err := j.Append(Entry{Kind: wire.Booted, Body: wire.BootBody{Version: "2"}}); err != nil || r.Seq != n {
			t.Fatalf("%+v, %v", r, err)
		}
		b, err := j.Batch(11, 200)
		if err != nil || b.Generation != "" {
			t.Fatalf("%q, %v", string(b.Generation), err)
		}
		if c, err := wire.OpenCheckpoint([]byte(b.Checkpoint), "portillon/biklab/laser", keys); err != nil || c.Size != n {
			t.Errorf("%+v, %v", c, err)
		}
		if v, err := j.Verify(context.Background()); err != nil || v.Records != n {
			t.Errorf("%+v, %v", v, err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNewJournalsHaveARandomGenerationThatNeverChanges(t *testing.T) {
	seen := map[wire.Generation]bool{}
	for range 3 {
		path, o := filepath.Join(t.TempDir(), "journal.db"), options(t)
		var first wire.Generation
		for i := range 3 {
			j, err := Open(path, o)
			if err != nil {
				t.Fatal(err)
			}
			g := j.Generation()
			if i == 0 {
				first = g
			}
			if g == "" || g.Check() != nil || g != first || j.Origin() != g.Origin("lab", "laser") {
				t.Errorf("generation %q of %s, want %q", string(g), j.Origin(), string(first))
			}
			if err := j.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := OpenReadOnly(path)
		if err != nil || r.Generation() != first {
			t.Errorf("%v", err)
		}
		r.Close()
		if seen[first] {
			t.Errorf("generation %s came twice", first)
		}
		seen[first] = true
	}
}
