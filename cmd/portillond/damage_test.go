package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
)

// withoutChunk returns a well-formed bundle file in which one chunk is missing.
func withoutChunk(t *testing.T, bundle []byte) []byte {
	t.Helper()
	type entry struct {
		h *tar.Header
		b []byte
	}
	var all []entry
	for r := tar.NewReader(bytes.NewReader(bundle)); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, entry{h, b})
	}
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for _, e := range all[:len(all)-1] {
		w.WriteHeader(e.h)
		w.Write(e.b)
	}
	w.Close()
	return out.Bytes()
}

// flipped returns a bundle file in which one letter of the policy is changed, without a change of the chunk's length.
func flipped(bundle []byte) []byte {
	return bytes.Replace(bundle, []byte("needs: teamwork"), []byte("needs: teamwerk"), 1)
}
