package roster

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"portillon/site"
	"portillon/wire"
)

// In a wrong bucket, a member could have a second binding or no binding.
func TestMemberInTheWrongBucketIsRejected(t *testing.T) {
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	b := newBench(t)
	path := filepath.Join(b.dir, "site", "policy.yaml")
	text, _ := os.ReadFile(path)
	if err := os.WriteFile(path, append(text, "bindings: signed\n"...), 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := site.Read(filepath.Join(b.dir, "site"))
	if err != nil {
		t.Fatal(err)
	}
	load := func(version uint64, change func(*site.Built)) error {
		t.Helper()
		built, err := s.Build(
			site.Order{Version: version, Issued: monday, Expires: monday.AddDate(0, 1, 0), Signer: b.key, CardKey: cardKey,
				Policy: site.PolicyOrder{Number: 1, Signer: signer}},
		)
		if err != nil {
			t.Fatal(err)
		}
		change(built)
		if built.Signed, err = wire.SignManifest(built.Manifest, b.key); err != nil {
			t.Fatal(err)
		}
		if b.m, err = b.store.Install(built.Signed, built.Chunk, nil); err != nil {
			t.Fatal(err)
		}
		_, err = Load(b.store, b.m, Options{CardKey: cardKey, Now: monday, Policy: note.VerifierList(verifier)})
		return err
	}
	if err := load(2, func(*site.Built) {}); err != nil {
		t.Fatal(err)
	}
	lea := wire.Bucket("m-020dc2")
	move := func(built *site.Built) {
		for i, c := range built.Manifest.Chunks {
			if c.Name == wire.RosterChunk(lea) {
				built.Manifest.Chunks[i].Name = wire.RosterChunk((lea + 1) % wire.Buckets)
				built.Manifest.Chunks = append(built.Manifest.Chunks[:0:0], withoutDuplicates(built.Manifest.Chunks, i)...)
				return
			}
		}
	}
	if err := load(3, move); err == nil || !strings.Contains(err.Error(), wire.BindingUnsigned+": ") ||
		!strings.Contains(err.Error(), "which is not their own") {
		t.Error(err)
	}
}

// withoutDuplicates returns the chunks without those that have the same name as chunk i, but keeps chunk i itself.
func withoutDuplicates(all []wire.Chunk, i int) (out []wire.Chunk) {
	for k, c := range all {
		if k == i || c.Name != all[i].Name {
			out = append(out, c)
		}
	}
	return out
}
