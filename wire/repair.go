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

// previousManifest is the manifest that was in force before; its chunks are kept, so that a machine can go back to it.
const previousManifest = "manifest.previous"

// Previous is the manifest that was in force before the current one; fs.ErrNotExist where there was none.
func (s Store) Previous() (Manifest, error) { return s.read(previousManifest) }

func (s Store) read(name string) (Manifest, error) {
	data, err := readFile(filepath.Join(s.Dir, name), MaxSigned)
	if err != nil {
		return Manifest{}, err
	}
	return OpenManifest(data, s.Keys)
}

// readFile reads a regular file of at most limit bytes. A disk that fails may have anything in a file's place: a pipe
// would be waited for without end, and a file whose size is damaged takes all memory.
func readFile(path string, limit int64) ([]byte, error) {
	fi, err := os.Lstat(path)
	switch {
	case err != nil:
		return nil, err
	case !fi.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no regular file", path)
	case fi.Size() > limit:
		return nil, fmt.Errorf("%s has %d bytes, want at most %d", path, fi.Size(), limit)
	}
	return os.ReadFile(path)
}

// floor is the manifest that a new one must follow: the one in force or, where its file is damaged, the one before.
func (s Store) floor() Manifest {
	if m, err := s.Current(); err == nil {
		return m
	}
	m, _ := s.Previous()
	return m
}

// keepPrevious keeps the manifest in force as the previous one. A damaged one is not worth keeping.
func (s Store) keepPrevious() error {
	data, err := s.Signed()
	if err != nil {
		return nil
	}
	if _, err := OpenManifest(data, s.Keys); err != nil {
		return nil
	}
	return s.put(previousManifest, data)
}

// put writes a file of the store. A folder or link with its name is moved aside first.
func (s Store) put(name string, b []byte) error {
	path := filepath.Join(s.Dir, name)
	if err := ClearPath(path); err != nil {
		return err
	}
	return WriteFile(path, b, 0o600)
}

// folders makes the folders of the store. What stands in their places and is no folder, nor a link to one, is moved
// aside.
func (s Store) folders() error {
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

// ClearPath moves aside whatever stands at path and is no regular file, so that a file can be written there.
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

// asideMost bounds how many damaged things are kept beside one path, for somebody to look at.
const asideMost = 9

func moveAside(path string) error {
	for n := 1; n <= asideMost; n++ {
		to := fmt.Sprintf("%s.damaged-%d", path, n)
		if _, err := os.Lstat(to); errors.Is(err, fs.ErrNotExist) {
			return os.Rename(path, to)
		}
	}
	return fmt.Errorf(
		"%s is no regular file, and %d damaged ones are kept beside it: remove %s.damaged-*",
		path,
		asideMost,
		path,
	)
}

// Damaged returns the chunks of m that are missing in the store, or whose bytes do not match their hash.
func (s Store) Damaged(m Manifest) (out []Chunk) {
	for _, c := range m.Chunks {
		if !s.has(c) {
			out = append(out, c)
		}
	}
	return out
}

// has compares a chunk on the disk with its hash, a piece at a time: all of a large site are 64 MB.
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

// Repair fetches the damaged chunks of m. It returns how many it repaired, and an error if any is still damaged.
func (s Store) Repair(m Manifest, fetch Fetch) (repaired int, err error) {
	if err := s.folders(); err != nil {
		return 0, err
	}
	for _, c := range s.Damaged(m) {
		if werr := s.want(c, fetch); werr != nil {
			err = errors.Join(err, werr)
			continue
		}
		repaired++
	}
	return repaired, errors.Join(err, syncDir(filepath.Join(s.Dir, "chunks")))
}

// RepairFrom takes the damaged chunks of m from a bundle file. The file may hold another version: chunks are known by
// their hashes.
func (s Store) RepairFrom(r io.Reader, m Manifest) (repaired int, err error) {
	missing := map[string]Chunk{}
	for _, c := range s.Damaged(m) {
		missing[c.SHA256] = c
	}
	if len(missing) == 0 {
		return 0, nil
	}
	if err := s.folders(); err != nil {
		return 0, err
	}
	err = ReadBundle(r, s.Keys, func([]byte, Manifest) error { return nil }, func(sha string, b []byte) error {
		c, damaged := missing[sha]
		if !damaged {
			return nil
		}
		delete(missing, sha)
		repaired++
		return s.want(c, func(string) ([]byte, error) { return b, nil })
	})
	if len(missing) > 0 && err == nil {
		err = refuse("missing-chunk", "%d damaged chunks are not in the file", len(missing))
	}
	return repaired, err
}
