package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"

	"portillon/openbadge"
	"portillon/wire"
)

// revokedBadges are the badges that this machine has once found revoked. An entry is a hash of the content that the
// badge's issuer signed and of the badge's place on a status list. The credential's bytes are not hashed, because the
// same proof can be encoded in several ways.
//
// A badge that was revoked by mistake must be issued again. Removing the file makes the machine forget all entries.
type revokedBadges struct {
	seen    map[string]bool
	changed bool
	damaged error
}

// revokedFile is the content of the file.
type revokedFile struct {
	Format  int      `json:"format"`
	Revoked []string `json:"revoked"`
}

const (
	revokedFormat = 1
	// maxRevoked is the largest number of entries in the file. A site with 10,000 members has some hundreds of entries.
	// Each entry has 64 bytes.
	maxRevoked = 100_000
)

// readRevoked reads the file. If the file is damaged, readRevoked returns an empty list, and the next save reports the
// damage. The machine still uses the status lists to find revoked badges.
func readRevoked(path string) *revokedBadges {
	out := &revokedBadges{seen: map[string]bool{}}
	if path == "" {
		return out
	}
	fi, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return out
	}
	var f revokedFile
	var b []byte
	switch {
	case err != nil:
	case !fi.Mode().IsRegular() || fi.Size() > 100*maxRevoked:
		err = errors.New("want a regular file within the size limit")
	default:
		if b, err = os.ReadFile(path); err == nil {
			err = json.Unmarshal(b, &f)
		}
	}
	if err == nil && f.Format != revokedFormat {
		err = fmt.Errorf("file has format %d, want %d", f.Format, revokedFormat)
	}
	if err != nil {
		out.damaged = fmt.Errorf("%s: the list of revoked badges is lost: %w", path, err)
		return out
	}
	for _, h := range f.Revoked {
		out.seen[h] = true
	}
	return out
}

// hashOfPlace returns the hash of a badge's place on a status list. The order and the names of these fields must never
// change, because stored hashes depend on them.
func hashOfPlace(v verdict, e openbadge.StatusEntry) string {
	b, err := json.Marshal([]any{v.Issuer, v.ID, v.UID, e.Type, e.List, e.Purpose, e.Index})
	if err != nil { // this error cannot happen, because all fields are strings or numbers
		return ""
	}
	return wire.Hash(b)
}

func (r *revokedBadges) has(v verdict, e openbadge.StatusEntry) bool {
	return r != nil && len(r.seen) > 0 && r.seen[hashOfPlace(v, e)]
}

func (r *revokedBadges) add(v verdict, e openbadge.StatusEntry) {
	if r == nil || len(r.seen) >= maxRevoked {
		return
	}
	if h := hashOfPlace(v, e); !r.seen[h] {
		r.seen[h], r.changed = true, true
	}
}

// save writes the file if a badge was added. save never removes an entry, even if no bundle contains its credential
// now, because a later bundle could contain that credential again.
func (r *revokedBadges) save(path string) error {
	if r == nil {
		return nil
	}
	if path == "" || !r.changed {
		return r.damaged
	}
	b, err := json.Marshal(revokedFile{Format: revokedFormat, Revoked: slices.Sorted(maps.Keys(r.seen))})
	if err != nil {
		return err
	}
	if err := wire.ClearPath(path); err != nil {
		return err
	}
	return errors.Join(r.damaged, wire.WriteFile(path, b, 0o600))
}
