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

// Machines encrypt ("seal") the numbers of unknown cards in their records (wire.SealCard). The hub creates a seal key
// each day, and deletes the key after SealLife. Without the key, nobody can read the card numbers that were sealed
// with this key, neither in journals nor in the ledger or backups.

// SealLife is the time for which sealed card numbers can be read. Nobody may store a backup of the folder of seal
// keys for longer than SealLife.
const SealLife = 30 * 24 * time.Hour

// sealEvery is the interval at which the hub looks for expired seal keys.
const sealEvery = time.Hour

// sealDir returns the folder of the seal keys, with one file for each day: 2026-11-30.key.
func (c Config) sealDir() string { return filepath.Join(c.Data, "seal") }

// sealKeys are the seal keys in a folder.
type sealKeys struct {
	dir string
	mu  sync.Mutex
	day string // day for which the key in public was created
	// public is the public half of today's key; empty: the key could not be created.
	public string
	failed string // text of the error that was logged last; empty: no error
}

const (
	sealDay    = time.DateOnly
	sealSuffix = ".key"
)

// renewSeal returns the public half of today's seal key. If the key does not exist, renewSeal creates it. If the hub
// cannot write the folder, renewSeal logs the error, and only the enrolment of cards stops working.
func (cs *cards) renewSeal() string {
	public, err := cs.seal.today(cs.core.now())
	cs.seal.mu.Lock()
	defer cs.seal.mu.Unlock()
	switch {
	case err == nil:
		cs.seal.failed = ""
	case err.Error() != cs.seal.failed:
		cs.seal.failed = err.Error()
		cs.core.log.Error("creating a seal key failed", "err", err)
	}
	return public
}

// keepSealFresh deletes expired seal keys every sealEvery, until ctx ends.
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

// today returns the public half of the seal key of the current day (UTC). The first call of a day creates the key and
// deletes expired keys.
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
	if kerr != nil { // the key is missing or damaged; taps that were sealed with it are lost
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
	rand.Read(b) // crypto/rand.Read never fails
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

// readSealKey reads a key file that makeSealKey wrote.
func readSealKey(path string) (wire.SealKey, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return wire.SealKey{}, err
	}
	b, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return wire.SealKey{}, fmt.Errorf("seal key file %s is malformed, want 32 bytes in base64", path)
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

// isExpired reports whether the seal key of a day must be deleted. A key with a date far in the future, which a wrong
// clock has caused, is expired too.
func isExpired(day, now time.Time) bool { return now.Sub(day).Abs() > SealLife }

// deleteOldSealKeys deletes the expired keys (isExpired). Afterwards, nobody can read the card numbers that were sealed
// with these keys.
func deleteOldSealKeys(dir string, now time.Time) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("seal keys: %w", err)
	}
	for _, e := range entries {
		if day, ok := sealKeyDay(e.Name()); ok && isExpired(day, now) {
			err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
		}
	}
	return err
}

// SealKeys returns the hub's seal keys that are valid at time now. SealKeys works while the hub runs or is stopped, and
// leaves out a key that cannot be read.
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
		if !ok || isExpired(day, now) {
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

// wantsSeal reports whether the hub must send today's seal key to a machine that has just published its state, because
// the last acknowledgement to the machine contained an older key.
func (m *Machine) wantsSeal(today string) bool {
	return m.State.Format >= wire.SealFormat && today != "" && m.notes.sealed != today
}
