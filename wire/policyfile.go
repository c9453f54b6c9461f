package wire

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// The command «portillon policy sign» writes a policy file, and a hub publishes it. The file is a tar archive. Its
// first entry is the signed document, with the name «policy». The signed chunks follow, with their own names:
// policy.yaml, documents, bindings/00 … bindings/3f.

// PolicyFile is the content of a policy file.
type PolicyFile struct {
	Policy SignedPolicy
	Signed []byte            // signed policy document
	Chunks map[string][]byte // chunks by name
}

// policyEntry is the name of the archive entry that contains the document.
const policyEntry = "policy"

// maxPolicyFile is the largest size of all chunks of a policy file together, in bytes. The bindings of 10,000 members
// have about 3 MB.
const maxPolicyFile = 64 << 20

// WritePolicyFile writes a policy file.
func WritePolicyFile(w io.Writer, f PolicyFile) error {
	t := tar.NewWriter(w)
	put := func(name string, b []byte) error {
		h := tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), ModTime: time.Unix(0, 0)}
		if err := t.WriteHeader(&h); err != nil {
			return err
		}
		_, err := t.Write(b)
		return err
	}
	if err := put(policyEntry, f.Signed); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(f.Chunks)) {
		if err := put(name, f.Chunks[name]); err != nil {
			return err
		}
	}
	return t.Close()
}

// ReadPolicyFile reads a policy file, and checks that the document lists exactly the chunks that the file contains.
// keys are the trusted policy keys. If keys is nil, ReadPolicyFile does not verify the signature, because the machine
// that installs the bundle verifies it.
func ReadPolicyFile(r io.Reader, keys note.Verifiers) (PolicyFile, error) {
	t := tar.NewReader(r)
	signed, name, err := entry(t, MaxSigned)
	if err != nil {
		return PolicyFile{}, fmt.Errorf("policy file: %w", eofIsUnexpected(err))
	}
	if name != policyEntry {
		return PolicyFile{}, fmt.Errorf("policy file: first entry is %.60q, want %q", name, policyEntry)
	}
	f := PolicyFile{Signed: signed, Chunks: map[string][]byte{}}
	if keys == nil {
		f.Policy, err = PeekPolicy(signed)
	} else {
		f.Policy, err = OpenPolicy(signed, keys)
	}
	if err != nil {
		return PolicyFile{}, fmt.Errorf("policy file: %w", err)
	}
	for total := 0; ; {
		b, name, err := entry(t, MaxChunk)
		if errors.Is(err, io.EOF) {
			return f, f.check()
		}
		if err != nil {
			return PolicyFile{}, fmt.Errorf("policy file: %w", err)
		}
		if _, twice := f.Chunks[name]; twice || !isPolicyChunk(name) {
			return PolicyFile{}, fmt.Errorf("policy file: unexpected entry %.60q", name)
		}
		if total += len(b); total > maxPolicyFile {
			return PolicyFile{}, fmt.Errorf("policy file has more than %d bytes", maxPolicyFile)
		}
		f.Chunks[name] = b
	}
}

// eofIsUnexpected returns io.ErrUnexpectedEOF instead of io.EOF, and any other error unchanged.
func eofIsUnexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// isPolicyChunk reports whether the policy key signs chunks of this name.
func isPolicyChunk(name string) bool {
	return name == PolicyChunk || name == DocumentsChunk || IsBindingsChunk(name) && chunkName.MatchString(name)
}

// check compares the hashes of the chunks with the hashes in the document.
func (f PolicyFile) check() error {
	var m Manifest
	for name, b := range f.Chunks {
		m.Chunks = append(m.Chunks, Chunk{Name: name, SHA256: Hash(b)})
	}
	is := func(name string) string { c, _ := m.Chunk(name); return c.SHA256 }
	for _, x := range []struct{ name, here, signed string }{{PolicyChunk, is(PolicyChunk), f.Policy.Policy},
		{DocumentsChunk, is(DocumentsChunk), f.Policy.Documents}, {"bindings", m.BindingsHash(), f.Policy.Bindings}} {
		if x.here != x.signed {
			return fmt.Errorf("policy file: %s does not match the signed hash", x.name)
		}
	}
	return nil
}
