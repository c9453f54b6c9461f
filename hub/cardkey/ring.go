package cardkey

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"portillon/wire"
)

// keyBytes is the length of a new card key: as long as what HMAC-SHA-256 gives (RFC 2104 §3).
const keyBytes = 32

// Names of the files beside the card key.
const (
	beforeSuffix = ".before" // the key before, during a change-over
	nextSuffix   = ".next"   // the key that a change-over brings, until it is in force
)

// BeforeFile is where the card key before stands during a change-over, beside the file of the card key.
func BeforeFile(path string) string { return path + beforeSuffix }

// Ring is the card keys of a site.
type Ring struct {
	InForce []byte // what bundles are built with
	Before  []byte // what machines hold beside it; nil: there is no change-over
}

// Same reports whether two rings hold the same keys.
func (r Ring) Same(other Ring) bool {
	return string(r.InForce) == string(other.InForce) && string(r.Before) == string(other.Before)
}

// Wire is the ring as machines get it.
func (r Ring) Wire() wire.CardKeys {
	out := wire.CardKeys{Keys: []string{hex.EncodeToString(r.InForce)}}
	if r.Before != nil {
		out.Keys = append(out.Keys, hex.EncodeToString(r.Before))
	}
	return out
}

// OldMark is the mark of what was made with the key before; empty: there is none.
func (r Ring) OldMark() string {
	if r.Before == nil {
		return ""
	}
	return wire.MarkOf(r.Before)
}

// Read reads a card key: one line of at least 32 hexadecimal digits.
func Read(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	key, err := hex.DecodeString(strings.TrimSpace(string(b)))
	if err != nil || len(key) < 16 {
		return nil, fmt.Errorf("%s is no card key, want at least 32 hexadecimal digits on one line", path)
	}
	return key, nil
}

func readOptional(path string) ([]byte, error) {
	key, err := Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return key, err
}

func write(path string, key []byte) error {
	return wire.WriteFile(path, []byte(hex.EncodeToString(key)+"\n"), 0o600)
}

func remove(path string) error {
	// Asked first: on a file system that is read-only, as a hub's sandbox has it, removing what is not there fails too.
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err := os.Remove(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func newKey() []byte {
	b := make([]byte, keyBytes)
	rand.Read(b) // never fails (crypto/rand)
	return b
}

// checkOf is the check value of a key; empty: there is none.
func checkOf(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return wire.MarkOf(key)
}

// place brings the files of a change-over to where they belong, if they are not there yet. The new key takes the place
// of the one before only once that one is on the disk beside it.
func (s *Service) place(r Ring) error {
	next, err := readOptional(s.o.Path + nextSuffix)
	if err != nil || r.Before == nil || string(next) != string(r.InForce) {
		return err
	}
	if err := write(BeforeFile(s.o.Path), r.Before); err != nil {
		return err
	}
	return os.Rename(s.o.Path+nextSuffix, s.o.Path)
}

// settle brings the files to what the database says, after a power cut between the two. The database is written first:
// until then nothing uses the new key.
func (s *Service) settle(r row) (Ring, error) {
	now, err := Read(s.o.Path)
	if err != nil {
		return Ring{}, err
	}
	before, err := readOptional(BeforeFile(s.o.Path))
	if err != nil {
		return Ring{}, err
	}
	next, err := readOptional(s.o.Path + nextSuffix)
	if err != nil {
		return Ring{}, err
	}
	// The database has the new key and the files do not: move the files on.
	if next != nil && r.before != "" && checkOf(next) == r.inForce && checkOf(now) == r.before {
		ring := Ring{InForce: next, Before: now}
		return ring, s.place(ring)
	}
	if err := remove(s.o.Path + nextSuffix); err != nil { // of a change that did not begin
		return Ring{}, err
	}
	// No change-over is under way.
	if r.before == "" || string(before) == string(now) {
		return Ring{InForce: now}, remove(BeforeFile(s.o.Path))
	}
	if checkOf(before) != r.before {
		s.o.Log.Error("the card key before is missing: cards that depend on it open nothing", "file", BeforeFile(s.o.Path))
		before = nil
	}
	if checkOf(now) != r.inForce {
		s.o.Log.Error(
			"the card key is not the one of the change-over",
			"file",
			s.o.Path,
			"check",
			checkOf(now),
			"want",
			r.inForce,
		)
	}
	return Ring{InForce: now, Before: before}, nil
}
