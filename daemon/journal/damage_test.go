package journal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Whichever bytes a worn SD card changes, the program does not panic, no record turns into a different record, and a
// journal that is refused is not modified.
func TestDamagedJournalIsRefusedOrReadsCorrectly(t *testing.T) {
	if testing.Short() {
		t.Skip("short: damages and repairs journals on the disk")
	}
	path := writeJournal(t, 120)
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, err := verifyAndExport(t, path)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	refused := 0
	for i := range 150 {
		bad := damagedCopy(good, r)
		path := filepath.Join(t.TempDir(), "bad.db")
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		if got, err := verifyAndExport(t, path); err == nil && !bytes.Equal(got, want) {
			t.Fatalf("damage %d: what was verified is not what was written", i)
		}
		j, err := Open(path, options(t))
		if err != nil {
			refused++
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Fatalf("damage %d: the file that was refused has changed: %v", i, err)
			}
			continue
		}
		_, _ = j.Append(start(i)) // Append may return an error, but must not panic
		_, _ = j.Batch(1, 200)
		_, _, _ = j.OpenSession()
		_ = j.Close()
	}
	t.Logf("%d refused at once, %d opened", refused, 150-refused)
}

// damagedCopy returns a copy of good with up to 20 ranges of up to 64 bytes changed.
func damagedCopy(good []byte, r *rand.Rand) []byte {
	bad := bytes.Clone(good)
	for range 1 + r.IntN(20) {
		at := r.IntN(len(bad))
		for k := range min(1+r.IntN(64), len(bad)-at) {
			bad[at+k] = byte(r.Uint32())
		}
	}
	return bad
}

// verifyAndExport returns the exported records of the journal at path, or an error if the journal does not verify.
func verifyAndExport(t *testing.T, path string) ([]byte, error) {
	r, err := OpenReadOnly(path)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if _, err := r.Verify(t.Context()); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = r.Export(t.Context(), &b, 1)
	return b.Bytes(), err
}
