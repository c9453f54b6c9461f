package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// previousManifest is the name of the file that contains the previous manifest. The store keeps the chunks of the
// previous manifest, so that a machine can return to it.
const previousManifest = "manifest.previous"

// Previous returns the manifest that was in use before the current one. If there is none, the error is fs.ErrNotExist.
func (s Store) Previous() (Manifest, error) { return s.read(previousManifest) }

func (s Store) read(name string) (Manifest, error) {
	data, err := readFile(filepath.Join(s.Dir, name), MaxSigned)
	if err != nil {
		return Manifest{}, err
	}
	return OpenManifest(data, s.Keys)
}

// readFile reads a regular file of at most limit bytes. On a failing disk, the path may be something other than the
// file: reading a pipe would block forever, and reading a file with a damaged size would use all memory.
func readFile(path string, limit int64) ([]byte, error) {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is not a regular file", path)
	case fi.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, fi.Size(), limit)
	}
	return os.ReadFile(path)
}

// floor returns the manifest that a new manifest must follow. This is the current manifest, or, if the current manifest
// is damaged, the previous one.
func (s Store) floor() Manifest {
	if m, err := s.Current(); err == nil {
		return m
	}
	m, _ := s.Previous()
	return m
}

// storePrevious stores the current manifest as the previous one, unless the current manifest is damaged.
func (s Store) storePrevious() error {
	data, err := s.Signed()
	if err != nil {
		return nil
	}
	if _, err := OpenManifest(data, s.Keys); err != nil {
		return nil
	}
	return s.writeFile(previousManifest, data)
}

// writeFile writes a file of the store. If anything other than a regular file is at its path, writeFile first moves
// that aside.
func (s Store) writeFile(name string, b []byte) error {
	path := filepath.Join(s.Dir, name)
	if err := ClearPath(path); err != nil {
		return err
	}
	return WriteFile(path, b, 0o600)
}

// createFolders creates the folders of the store. If anything other than a folder, or a link to a folder, is at one of
// their paths, createFolders moves that aside.
func (s Store) createFolders() error {
	for _, dir := range []string{s.Dir, filepath.Join(s.Dir, "chunks")} {
		if _, err := os.Lstat(dir); err != nil {
			continue
		}
		if fi, err := os.Stat(dir); err != nil || !fi.IsDir() {
			if err := moveAside(dir); err != nil {
				return err
			}
		}
	}
	return os.MkdirAll(filepath.Join(s.Dir, "chunks"), 0o700)
}

// If anything other than a regular file is at path, ClearPath moves it aside, so that a file can be written there.
func ClearPath(path string) error {
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && fi.Mode().IsRegular() {
		return nil
	}
	if err != nil {
		return err
	}
	return moveAside(path)
}

// maxAside is the largest number of damaged files that are kept beside one path, for an inspection.
const maxAside = 9

// moveAside renames path to the first name of the form path.damaged-N that is not in use.
func moveAside(path string) error {
	for n := 1; n <= maxAside; n++ {
		to := fmt.Sprintf("%s.damaged-%d", path, n)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, to)
		}
	}
	return fmt.Errorf(
		"%s is not a regular file, and %d damaged ones are kept beside it: remove %s.damaged-*",
		path,
		maxAside,
		path,
	)
}

// Damaged returns those chunks of m that the store lacks, or whose content does not match the signed hash.
func (s Store) Damaged(m Manifest) (out []Chunk) {
	for _, c := range m.Chunks {
		if !s.has(c) {
			out = append(out, c)
		}
	}
	return out
}

// has reports whether the store holds a chunk with the right hash. It reads the file in pieces, because the chunks of a
// large site have 64 MB.
func (s Store) has(c Chunk) bool {
	if !s.hasSize(c) {
		return false
	}
	f, err := os.Open(s.path(c.SHA256))
	if err != nil {
		return false
	}
	defer f.Close()
	h := sha256.New()
	_, err = io.Copy(h, io.LimitReader(f, c.Size))
	return err == nil && hex.EncodeToString(h.Sum(nil)) == c.SHA256
}

// Repair fetches those chunks of m that are damaged. Repair returns how many chunks it has repaired, and an error if a
// chunk is still damaged.
func (s Store) Repair(m Manifest, fetch Fetch) (repaired int, err error) {
	if err := s.createFolders(); err != nil {
		return 0, err
	}
	for _, c := range s.Damaged(m) {
		if werr := s.ensureChunk(c, fetch); werr != nil {
			err = errors.Join(err, werr)
			continue
		}
		repaired++
	}
	return repaired, errors.Join(err, syncDir(filepath.Join(s.Dir, "chunks")))
}

// RepairFrom replaces the damaged chunks of m by chunks from a bundle file. The bundle file may contain another version
// of the bundle, because chunks are found by their hash.
func (s Store) RepairFrom(r io.Reader, m Manifest) (repaired int, err error) {
	missing := map[string]Chunk{}
	for _, c := range s.Damaged(m) {
		missing[c.SHA256] = c
	}
	if len(missing) == 0 {
		return 0, nil
	}
	if err := s.createFolders(); err != nil {
		return 0, err
	}
	err = ReadBundle(r, s.Keys, func([]byte, Manifest) error { return nil }, func(sha string, b []byte) error {
		c, damaged := missing[sha]
		if !damaged {
			return nil
		}
		delete(missing, sha)
		repaired++
		return s.ensureChunk(c, func(string) ([]byte, error) { return b, nil })
	})
	if len(missing) > 0 && err == nil {
		err = refuse("missing-chunk", "bundle file lacks %d damaged chunks", len(missing))
	}
	return repaired, err
}
