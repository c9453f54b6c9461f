package main

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"testing"
)

// without is a bundle file that ends well, one chunk short.
func without(t *testing.T, bundle []byte) []byte {
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

// flipped is a bundle file with one letter of its policy changed: the chunk's length stays.
func flipped(bundle []byte) []byte {
	return bytes.Replace(bundle, []byte("needs: teamwork"), []byte("needs: teamwerk"), 1)
}
