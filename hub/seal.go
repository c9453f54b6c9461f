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

// The numbers of unknown cards are sealed in the machines' records (wire.SealCard). The hub creates a seal key each
// day, and deletes the key after SealLife. The card numbers that were sealed with this key can then not be read any
// more, in journals, ledger or backups.

// SealLife is how long sealed cards can be read. A backup of the folder of keys must not be kept for a longer time.
const SealLife = 30 * 24 * time.Hour

// sealEvery is how often the hub looks for expired keys if no other event makes it look.
const sealEvery = time.Hour

// sealDir returns the folder of the seal keys, with one file for each day: 2026-11-30.key.
func (c Config) sealDir() string { return filepath.Join(c.Data, "seal") }

// sealKeys are the seal keys in a folder.
type sealKeys struct {
	dir string
	mu  sync.Mutex
	day string // day of public
	// public is the public half of today's key; empty: the key could not be created.
	public string
	failed string // last logged error
}

const (
	sealDay    = time.DateOnly
	sealSuffix = ".key"
)

// renewSeal returns the public half of today's key, which it creates if there is none. If the folder cannot be written,
// it logs the error; then only the enrolment of cards does not work.
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

// keepSealFresh deletes expired keys, until ctx ends.
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

// today returns the public half of today's key (UTC). On the first call of a day it creates the key and deletes expired
// keys.
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
	if kerr != nil { // missing or damaged: cards sealed with it cannot be read and must be tapped again
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

// makeSealKey creates a key of 32 random bytes and writes it to a file.
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

// readSealKey reads a key file of makeSealKey.
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

// sealKeyDay returns the day in the name of a key file.
func sealKeyDay(name string) (time.Time, bool) {
	day, ok := strings.CutSuffix(name, sealSuffix)
	t, err := time.Parse(sealDay, day)
	return t, ok && err == nil
}

// tooOld reports whether the key of a day must be deleted. A key may be created up to a day before the end of its day.
// A key with a date far in the future, from a wrong clock, is deleted too.
func tooOld(day, now time.Time) bool { return now.Sub(day).Abs() > SealLife }

// deleteOldSealKeys deletes the expired keys (tooOld). Afterwards, the card numbers sealed with them cannot be read by
// anyone.
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

// SealKeys returns the hub's keys that are valid at a time, whether the hub runs or not. It leaves out a key that
// cannot be read.
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

// wantsSeal reports whether a machine that has just published its state must get an acknowledgement with today's seal
// key, because its last one has an older key.
func (m *Machine) wantsSeal(today string) bool {
	return m.State.Format >= wire.SealFormat && today != "" && m.notes.sealed != today
}
