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

// keyBytes is the length of a new card key, which is the output length of HMAC-SHA-256 (RFC 2104 §3).
const keyBytes = 32

// Suffixes of the files next to the card key.
const (
	beforeSuffix = ".before" // suffix of the file with the previous key during a change-over
	nextSuffix   = ".next"   // suffix of the file with the new key until the new key is in force
)

// BeforeFile returns the path of the file that contains the previous card key during a change-over. path is the file of
// the card key.
func BeforeFile(path string) string { return path + beforeSuffix }

// Ring contains the card keys of a site.
type Ring struct {
	InForce []byte // key with which the hub builds bundles
	Before  []byte // previous key, which machines also store; nil: no change-over is running
}

// Same reports whether two rings contain the same current key and the same previous key.
func (r Ring) Same(other Ring) bool {
	return string(r.InForce) == string(other.InForce) && string(r.Before) == string(other.Before)
}

// Wire returns the ring in the form that the hub sends to machines.
func (r Ring) Wire() wire.CardKeys {
	out := wire.CardKeys{Keys: []string{hex.EncodeToString(r.InForce)}}
	if r.Before != nil {
		out.Keys = append(out.Keys, hex.EncodeToString(r.Before))
	}
	return out
}

// OldMark returns the mark that bundles add to HMACs made with the previous key, or an empty text if there is no
// previous key.
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
	// Check whether the file exists: on a read-only file system, as in a hub's sandbox, removing a missing file is an
	// error.
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
	rand.Read(b) // crypto/rand.Read never fails
	return b
}

// checkValueOf returns the check value of a key, or an empty text if there is no key.
func checkValueOf(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	return wire.MarkOf(key)
}

// moveFiles moves the files of a change-over to their final names, if they have not been moved yet. moveFiles writes a
// copy of the previous key before the new key replaces the previous key.
func (s *Service) moveFiles(r Ring) error {
	next, err := readOptional(s.o.Path + nextSuffix)
	if err != nil || r.Before == nil || string(next) != string(r.InForce) {
		return err
	}
	if err := write(BeforeFile(s.o.Path), r.Before); err != nil {
		return err
	}
	return os.Rename(s.o.Path+nextSuffix, s.o.Path)
}

// matchFilesToDatabase moves the files of the keys so that they match the database, after a power cut during a change.
// A change of the key is written to the database before the files are moved. The hub uses a new key only after it is in
// the database.
func (s *Service) matchFilesToDatabase(r row) (Ring, error) {
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
	// The database contains the new key, but the files have not been moved yet: complete the move.
	if next != nil && r.before != "" && checkValueOf(next) == r.inForce && checkValueOf(now) == r.before {
		ring := Ring{InForce: next, Before: now}
		return ring, s.moveFiles(ring)
	}
	// remove the new key of a change that was not committed to the database
	if err := remove(s.o.Path + nextSuffix); err != nil {
		return Ring{}, err
	}
	// No change-over is running.
	if r.before == "" || string(before) == string(now) {
		return Ring{InForce: now}, remove(BeforeFile(s.o.Path))
	}
	if checkValueOf(before) != r.before {
		s.o.Log.Error("file of the previous card key is missing, machines refuse the cards that depend on this key",
			"file", BeforeFile(s.o.Path))
		before = nil
	}
	if checkValueOf(now) != r.inForce {
		s.o.Log.Error(
			"card key in the file differs from the card key in the database",
			"file",
			s.o.Path,
			"check",
			checkValueOf(now),
			"want",
			r.inForce,
		)
	}
	return Ring{InForce: now, Before: before}, nil
}
