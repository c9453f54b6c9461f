package journal

import (
	"bytes"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// Whatever bytes a worn card turns over, nothing panics, no other record is made of one, and a file that is refused stays as it is.
func TestDamageAnywhereIsRefusedOrHarmless(t *testing.T) {
	good, err := os.ReadFile(made(t, 120))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	export := func(path string) ([]byte, error) {
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
	whole := filepath.Join(dir, "whole.db")
	if err := os.WriteFile(whole, good, 0o600); err != nil {
		t.Fatal(err)
	}
	want, err := export(whole)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(5, 6))
	refused, harmless := 0, 0
	for i := range 150 {
		bad := bytes.Clone(good)
		for range 1 + r.IntN(20) {
			at := r.IntN(len(bad))
			n := min(1+r.IntN(64), len(bad)-at)
			for k := range n {
				bad[at+k] = byte(r.Uint32())
			}
		}
		path := filepath.Join(dir, "bad.db")
		for _, end := range []string{"", "-wal", "-shm", ".lock"} {
			_ = os.Remove(path + end)
		}
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := export(path)
		if err == nil && !bytes.Equal(got, want) {
			t.Fatalf("damage %d: what was verified is not what was written", i)
		}
		j, err2 := Open(path, options(t))
		if err2 != nil {
			refused++
			if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, bad) {
				t.Fatalf("damage %d: the file that was refused has changed: %v", i, err)
			}
			continue
		}
		harmless++
		_, _ = j.Append(start(i)) // it may be refused; it may not panic
		_, _ = j.Batch(1, 200)
		_, _, _ = j.OpenSession()
		j.Close()
	}
	t.Logf("%d refused at once, %d opened", refused, harmless)
}
