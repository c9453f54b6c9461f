package account

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"log/slog"
	"time"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/store"
)

// core contains the dependencies that all services of this package share: the database rows of the site, the clock, a
// source of random bytes, the log, and the audit log. No field changes after New.
type core struct {
	site     *store.Site
	log      *slog.Logger
	clock    func() time.Time
	entropy  io.Reader
	auditLog *audit.Log // nil: no audit entries are written
}

// now returns the time in milliseconds since 1970, as the database stores times.
func (s *core) now() int64 { return s.clock().UnixMilli() }

// timeOf converts milliseconds since 1970, as the database stores times, to a time in UTC. timeOf converts 0 to the
// zero time.
func timeOf(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// randomBytes returns n random bytes, from crypto/rand unless a test sets another source.
func (s *core) randomBytes(n int) ([]byte, error) {
	b := make([]byte, n)
	_, err := io.ReadFull(s.entropy, b)
	return b, err
}

// newID returns the id of an account, session, token or mail: a prefix and 64 random bits in hexadecimal. The id
// reveals neither the time of creation nor the owner.
func (s *core) newID(prefix string) (string, error) {
	b, err := s.randomBytes(8)
	return prefix + hex.EncodeToString(b), err
}

// hashOf returns the SHA-256 of a secret. The database stores only the hash, so that a person who reads the database
// learns no session, token or code. Secrets of 75 or more random bits need no slow hash.
func hashOf(secret string) []byte {
	h := sha256.Sum256([]byte(secret))
	return h[:]
}

// audit writes an entry of the audit log in the transaction tx, so that the entry is stored if and only if the change
// is stored. The caller has already checked the actor's right.
func (s *core) audit(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
	if s.auditLog == nil {
		return nil
	}
	return s.auditLog.Append(ctx, tx, a, act, on, detail)
}

// newCode returns a random code of n characters of the alphabet crockford, each of 5 random bits.
func (s *core) newCode(n int) (string, error) {
	b, err := s.randomBytes(n)
	if err != nil {
		return "", err
	}
	for i := range b {
		b[i] = crockford[b[i]&31]
	}
	return string(b), nil
}

// newTokenText returns a new API token: the prefix, 160 random bits, and the CRC-32 of the bits. The CRC-32 makes it
// possible to refuse mistyped and guessed tokens without a database query.
func (s *core) newTokenText() (string, error) {
	b, err := s.randomBytes(tokenBytes)
	if err != nil {
		return "", err
	}
	return tokenPrefix + tokenText.EncodeToString(append(b, checksum(b)...)), nil
}
