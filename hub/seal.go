package hub

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"portillon/wire"
)

// The numbers of unknown cards are sealed in the machines' records (wire.SealCard). The hub makes a key for them each
// day, and deletes it after SealLife: then every copy of what was sealed with it, in journals, ledger and backups,
// cannot be read any more.

// SealLife is how long sealed cards can be read. A backup of the folder of keys must not be kept for longer.
const SealLife = 30 * 24 * time.Hour

// sealEvery is how often the hub looks for keys that are too old, where nothing else makes it look.
const sealEvery = time.Hour

// sealDir is the folder of the seal keys, a file a day: 2026-11-30.key.
func (c Config) sealDir() string { return filepath.Join(c.Data, "seal") }

// sealKeys are the keys in a folder.
type sealKeys struct {
	dir string
	mu  sync.Mutex
	day string // of public
	// public is the key of the day; empty: it could not be made.
	public string
	failed string // what was last logged
}

const (
	sealDay    = time.DateOnly
	sealSuffix = ".key"
)

// renewSeal is the public half of the key of the day, which it makes if there is none. A folder that takes no key is
// logged, and stops nothing but the enrolment of cards.
func (cs *cards) renewSeal() string {
	public, err := cs.seal.today(cs.core.now())
	cs.seal.mu.Lock()
	defer cs.seal.mu.Unlock()
	switch {
	case err == nil:
		cs.seal.failed = ""
	case err.Error() != cs.seal.failed:
		cs.seal.failed = err.Error()
		cs.core.log.Error("seal key not made", "err", err)
	}
	return public
}

// keepSealFresh deletes old keys, until ctx ends.
func (cs *cards) keepSealFresh(ctx context.Context) error {
	clock := time.NewTicker(sealEvery)
	defer clock.Stop()
	for {
		cs.renewSeal()
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.C:
		}
	}
}

// today is the public half of the key of the day (UTC). On the first call of a day it makes the key and deletes those
// that are too old.
func (s *sealKeys) today(now time.Time) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	day := now.UTC().Format(sealDay)
	if day == s.day {
		return s.public, nil
	}
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return s.public, fmt.Errorf("seal keys: %w", err)
	}
	err := deleteOldSealKeys(s.dir, now)
	path := filepath.Join(s.dir, day+sealSuffix)
	k, kerr := readSealKey(path)
	if kerr != nil { // there is none, or it is damaged: what was sealed with it is lost, and the card is tapped again
		k, kerr = makeSealKey(path)
	}
	if kerr == nil {
		s.public = k.Public()
	}
	if err = errors.Join(err, kerr); err == nil {
		s.day = day
	}
	return s.public, err
}

// makeSealKey makes a key of 32 random bytes and writes it to a file.
func makeSealKey(path string) (wire.SealKey, error) {
	b := make([]byte, 32)
	rand.Read(b) // never fails (crypto/rand)
	k, err := wire.NewSealKey(b)
	if err != nil {
		return k, err
	}
	if fi, err := os.Lstat(path); err == nil && !fi.Mode().IsRegular() {
		if err := os.RemoveAll(path); err != nil {
			return k, fmt.Errorf("seal key: %w", err)
		}
	}
	if err := wire.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(b)+"\n"), 0o600); err != nil {
		return k, fmt.Errorf("seal key: %w", err)
	}
	return k, nil
}

// readSealKey reads a key that makeSealKey wrote.
func readSealKey(path string) (wire.SealKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return wire.SealKey{}, err
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return wire.SealKey{}, fmt.Errorf("%s: want 32 bytes in base64", path)
	}
	k, err := wire.NewSealKey(b)
	if err != nil {
		return k, fmt.Errorf("%s: %w", path, err)
	}
	return k, nil
}

// sealKeyDay is the day in the name of a key's file.
func sealKeyDay(name string) (time.Time, bool) {
	day, ok := strings.CutSuffix(name, sealSuffix)
	t, err := time.Parse(sealDay, day)
	return t, ok && err == nil
}

// tooOld reports whether a key of that day must be gone: it was made at most a day before the day's end. A key of a
// clock that ran far ahead is gone too.
func tooOld(day, now time.Time) bool { return now.Sub(day).Abs() > SealLife }

// deleteOldSealKeys deletes the keys that are too old (tooOld): afterwards nobody can read the card numbers that they
// sealed.
func deleteOldSealKeys(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("seal keys: %w", err)
	}
	for _, e := range entries {
		if day, ok := sealKeyDay(e.Name()); ok && tooOld(day, now) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// SealKeys are the keys of c's hub that can be used at that time, whether the hub runs or not. A key that cannot be
// read is left out.
func (c Config) SealKeys(now time.Time) ([]wire.SealKey, error) {
	entries, err := os.ReadDir(c.sealDir())
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("seal keys: %w", err)
	}
	var out []wire.SealKey
	for _, e := range entries {
		day, ok := sealKeyDay(e.Name())
		if !ok || tooOld(day, now) {
			continue
		}
		if k, err := readSealKey(filepath.Join(c.sealDir(), e.Name())); err == nil {
			out = append(out, k)
		} else if errors.Is(err, os.ErrPermission) {
			return nil, err
		}
	}
	return out, nil
}

// wantsSeal reports whether a machine that has just published its state is sent an acknowledgement for its seal key:
// the one that it has is of a day before.
func (m *Machine) wantsSeal(today string) bool {
	return m.State.Format >= wire.SealFormat && today != "" && m.notes.sealed != today
}
