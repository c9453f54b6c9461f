package wire

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// Store is the folder where a machine keeps the bundle it works from: «manifest», the one before it as
// «manifest.previous», and the chunks of both by hash. A new bundle's chunks are all on the disk before the manifest is
// renamed into place: at any power cut the old one or the new one is whole.
type Store struct {
	Dir  string
	Site policy.SiteID
	Keys note.Verifiers
	// Policy are the policy keys, where they are not the keys of bundles: only what they have signed is installed, and no
	// lower policy number than one that was installed before. nil: the policy has no key of its own.
	Policy note.Verifiers
}

// Current is the manifest in force; os.ErrNotExist where there is none.
func (s Store) Current() (Manifest, error) { return s.read("manifest") }

// Signed is the manifest in force as it was signed. Its signature is not checked.
func (s Store) Signed() ([]byte, error) { return readFile(filepath.Join(s.Dir, "manifest"), MaxSigned) }

// Chunk reads a chunk of m by its name, and checks its hash. A name that m does not hold is nil, without error.
func (s Store) Chunk(m Manifest, name string) ([]byte, error) {
	c, ok := m.Chunk(name)
	if !ok {
		return nil, nil
	}
	b, err := readFile(s.path(c.SHA256), c.Size)
	if err != nil {
		return nil, refuse("missing-chunk", "%s: %v", name, err)
	}
	if Hash(b) != c.SHA256 {
		return nil, refuse("wrong-hash", "%s is not what was signed: the disk has changed it", name)
	}
	return b, nil
}

func (s Store) path(sha string) string { return filepath.Join(s.Dir, "chunks", sha) }

// Fetch gives the bytes of a chunk by its hash.
type Fetch func(sha string) ([]byte, error)

// Install takes a signed manifest and fetches the chunks that are not here. usable judges the whole before it comes
// into force: it is given the new manifest, and chunks can be read. On any error what was in force stays. Same version,
// same bytes: nothing to do, no error.
func (s Store) Install(manifest []byte, fetch Fetch, usable func(Manifest) error) (Manifest, error) {
	return s.install(manifest, fetch, usable, nil)
}

// InstallChanged is Install without reading the chunks that the bundle in force has too: their sizes are compared, and
// not their hashes. At 10,000 members that spares 64 MB for each change. Whoever reads a chunk compares its hash. Where
// the bundle cannot be used, all chunks are read, the damaged ones fetched, and it is tried once more.
func (s Store) InstallChanged(manifest []byte, fetch Fetch, usable func(Manifest) error) (Manifest, error) {
	held := map[string]bool{}
	if before, err := s.Current(); err == nil {
		for _, c := range before.Chunks {
			held[c.SHA256] = true
		}
	}
	m, err := s.install(manifest, fetch, usable, held)
	var r *Refusal
	if errors.As(err, &r) && r.Code == "unusable" && len(s.damagedOf(manifest)) > 0 {
		return s.Install(manifest, fetch, usable)
	}
	return m, err
}

// damagedOf are the damaged chunks of a signed manifest.
func (s Store) damagedOf(manifest []byte) []Chunk {
	m, err := OpenManifest(manifest, s.Keys)
	if err != nil {
		return nil
	}
	return s.Damaged(m)
}

// install installs. held are chunks whose sizes alone are compared.
func (s Store) install(manifest []byte, fetch Fetch, usable func(Manifest) error,
	held map[string]bool) (Manifest, error) {
	m, err := OpenManifest(manifest, s.Keys)
	if err != nil {
		return Manifest{}, err
	}
	if err := s.mayFollow(m); err != nil {
		return Manifest{}, err
	}
	if err := s.folders(); err != nil {
		return Manifest{}, err
	}
	for _, c := range m.Chunks {
		if held[c.SHA256] && s.hasSize(c) {
			continue
		}
		if err := s.want(c, fetch); err != nil {
			return Manifest{}, err
		}
	}
	if err := syncDir(filepath.Join(s.Dir, "chunks")); err != nil {
		return Manifest{}, err
	}
	if usable != nil {
		if err := usable(m); IsPolicyRefusal(err) {
			return Manifest{}, err
		} else if err != nil {
			return Manifest{}, Unusable(err)
		}
	}
	before, _ := s.Current()
	if err := errors.Join(s.keepPolicy(m), s.keepPrevious(), s.put("manifest", manifest)); err != nil {
		return Manifest{}, err
	}
	s.sweep(m, before)
	return m, nil
}

// InstallFile installs from a bundle file.
func (s Store) InstallFile(r io.Reader, usable func(Manifest) error) (Manifest, error) {
	var manifest []byte
	err := ReadBundle(r, s.Keys, func(data []byte, m Manifest) error {
		manifest = data
		if err := s.mayFollow(m); err != nil {
			return err
		}
		return s.folders()
	}, func(sha string, b []byte) error {
		return s.want(Chunk{Name: sha, SHA256: sha, Size: int64(len(b))}, func(string) ([]byte, error) { return b, nil })
	})
	if err != nil {
		return Manifest{}, err
	}
	return s.Install(manifest, nil, usable)
}

// hasSize reports whether a file of the chunk's size is there.
func (s Store) hasSize(c Chunk) bool {
	fi, err := os.Lstat(s.path(c.SHA256))
	return err == nil && fi.Mode().IsRegular() && fi.Size() == c.Size
}

// want brings a chunk into the folder.
func (s Store) want(c Chunk, fetch Fetch) error {
	if s.has(c) {
		return nil
	}
	if fetch == nil {
		return refuse("missing-chunk", "%s", c.Name)
	}
	b, err := fetch(c.SHA256)
	if err != nil {
		return refuse("missing-chunk", "%s: %v", c.Name, err)
	}
	if Hash(b) != c.SHA256 || int64(len(b)) != c.Size {
		return refuse("wrong-hash", "%s is not what was signed", c.Name)
	}
	return s.put(filepath.Join("chunks", c.SHA256), b)
}

// sweep removes chunks that none of these manifests names. A failed removal is tried again at the next sweep.
func (s Store) sweep(manifests ...Manifest) {
	keep := map[string]bool{}
	for _, m := range manifests {
		for _, c := range m.Chunks {
			keep[c.SHA256] = true
		}
	}
	files, err := os.ReadDir(filepath.Join(s.Dir, "chunks"))
	if err != nil {
		return
	}
	for _, f := range files {
		if !keep[f.Name()] {
			os.Remove(s.path(f.Name()))
		}
	}
}

// WriteFile replaces a file so that a power cut leaves the old one or the new one: write, fsync, rename, fsync the
// folder.
func WriteFile(path string, b []byte, mode os.FileMode) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // after the rename there is nothing to remove
	_, err = f.Write(b)
	err = errors.Join(err, f.Chmod(mode), f.Sync(), f.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
