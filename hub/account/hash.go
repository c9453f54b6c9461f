package account

import (
	"context"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Argon are the parameters of argon2id (RFC 9106).
type Argon struct {
	MiB    uint32 // memory
	Passes uint32
	Lanes  uint8
}

// defaultArgon is what OWASP's Password Storage Cheat Sheet gives as a minimum: 19 MiB, 2 passes, 1 lane.
var defaultArgon = Argon{MiB: 19, Passes: 2, Lanes: 1}

const (
	saltSize = 16 // bytes; RFC 9106, 3.1
	hashSize = 32
)

// derive is argon2id.
func derive(p Argon, password, salt []byte) []byte {
	return argon2.IDKey(password, salt, p.Passes, p.MiB<<10, p.Lanes, hashSize)
}

// hashed is a password as it is stored.
type hashed struct {
	Argon
	salt, hash []byte
}

// String is the PHC format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash.
func (h hashed) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MiB<<10, h.Passes, h.Lanes,
		b.EncodeToString(h.salt), b.EncodeToString(h.hash))
}

// parseHash reads what String wrote. Parameters are bounded: a row that was tampered with cannot exhaust memory.
func parseHash(s string) (hashed, error) {
	bad := fmt.Errorf("stored password is not argon2id in PHC format with known parameters")
	parts := strings.Split(s, "$")
	if len(s) > 200 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" ||
		parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return hashed{}, bad
	}
	var kib uint64
	var h hashed
	for i, f := range strings.Split(parts[3], ",") {
		if i > 2 || !strings.HasPrefix(f, [3]string{"m=", "t=", "p="}[i]) {
			return hashed{}, bad
		}
		n, err := strconv.ParseUint(f[2:], 10, 32)
		if err != nil || n == 0 {
			return hashed{}, bad
		}
		switch i {
		case 0:
			kib = n
		case 1:
			h.Passes = uint32(min(n, 100))
		case 2:
			h.Lanes = uint8(min(n, 100))
		}
	}
	h.MiB = uint32(kib >> 10)
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.hash, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || len(h.salt) != saltSize || len(h.hash) != hashSize || h.MiB == 0 || h.MiB > 64 ||
		h.Passes > 10 || h.Lanes > 4 || h.String() != s {
		return hashed{}, bad
	}
	return h, nil
}

// Queue bounds: two hashes at a time take 38 MiB, and so many may wait for them.
const (
	hashing = 2
	waiting = 16
)

// queue lets few passwords be hashed at a time, and few wait: a flood of sign-ins is answered "busy" and takes no
// memory.
type queue struct{ places, running chan struct{} }

func newQueue() *queue {
	return &queue{places: make(chan struct{}, hashing+waiting), running: make(chan struct{}, hashing)}
}

// enter waits for a place. leave must be called once where err is nil.
func (q *queue) enter(ctx context.Context) (leave func(), err error) {
	select {
	case q.places <- struct{}{}:
	default:
		return nil, &Busy{}
	}
	select {
	case q.running <- struct{}{}:
		return func() { <-q.running; <-q.places }, nil
	case <-ctx.Done():
		<-q.places
		return nil, ctx.Err()
	}
}

// newHash hashes a new password. The caller is in the queue.
func (s *Service) newHash(password string) (string, error) {
	salt, err := s.random(saltSize)
	if err != nil {
		return "", err
	}
	return hashed{s.o.Hash, salt, s.derive(s.o.Hash, []byte(password), salt)}.String(), nil
}

// hashAlone is newHash for a caller who is not in the queue.
func (s *Service) hashAlone(ctx context.Context, password string) (string, error) {
	leave, err := s.queue.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.newHash(password)
}

// check compares a password with a stored one. Where stored is empty or damaged it does the same work, and says no:
// the time says nothing of whether an account exists. The caller is in the queue.
func (s *Service) check(stored, password string) (right, upgrade bool) {
	h, err := parseHash(stored)
	known := err == nil
	if !known {
		h = hashed{s.o.Hash, make([]byte, saltSize), make([]byte, hashSize)}
	}
	got := s.derive(h.Argon, []byte(password), h.salt)
	right = subtle.ConstantTimeCompare(got, h.hash) == 1 && known
	return right, right && h.Argon != s.o.Hash
}
