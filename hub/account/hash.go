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

// Argon contains the parameters of argon2id (RFC 9106).
type Argon struct {
	MiB    uint32 // memory that computing one hash needs, in MiB
	Passes uint32
	Lanes  uint8
}

// defaultArgon contains the minimum parameters of OWASP's Password Storage Cheat Sheet: 19 MiB, 2 passes, 1 lane.
var defaultArgon = Argon{MiB: 19, Passes: 2, Lanes: 1}

const (
	saltSize = 16 // sizes in bytes that RFC 9106, section 3.1, recommends
	hashSize = 32
)

// deriveKey returns the argon2id key of a password.
func deriveKey(p Argon, password, salt []byte) []byte {
	return argon2.IDKey(password, salt, p.Passes, p.MiB<<10, p.Lanes, hashSize)
}

// passwordHash is a stored password: the parameters, the salt and the derived key of argon2id.
type passwordHash struct {
	Argon
	salt, hash []byte
}

// String returns the hash in PHC format: $argon2id$v=19$m=19456,t=2,p=1$salt$hash, with memory in KiB and base64
// without padding.
func (h passwordHash) String() string {
	b := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, h.MiB<<10, h.Passes, h.Lanes,
		b.EncodeToString(h.salt), b.EncodeToString(h.hash))
}

// parseHash parses exactly the format that String writes. The parameters are limited, so that a manipulated row cannot
// exhaust the memory.
func parseHash(s string) (passwordHash, error) {
	bad := fmt.Errorf("stored password hash is invalid, want argon2id in PHC format with m, t and p")
	parts := strings.Split(s, "$")
	if len(s) > 200 || len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" ||
		parts[2] != "v="+strconv.Itoa(argon2.Version) {
		return passwordHash{}, bad
	}
	h, ok := parseArgon(parts[3])
	if !ok {
		return passwordHash{}, bad
	}
	var err1, err2 error
	h.salt, err1 = base64.RawStdEncoding.Strict().DecodeString(parts[4])
	h.hash, err2 = base64.RawStdEncoding.Strict().DecodeString(parts[5])
	if err1 != nil || err2 != nil || !h.isBounded() || h.String() != s {
		return passwordHash{}, bad
	}
	return h, nil
}

// isBounded reports whether the parameters of h are within the limits of this program's own hashes.
func (h passwordHash) isBounded() bool {
	return len(h.salt) == saltSize && len(h.hash) == hashSize && h.MiB > 0 && h.MiB <= 64 && h.Passes <= 10 && h.Lanes <= 4
}

// parseArgon parses parameters such as m=19456,t=2,p=1: memory in KiB, passes, lanes. parseArgon never truncates a
// value that is too large, so that isBounded can reject the value.
func parseArgon(s string) (h passwordHash, ok bool) {
	var values [3]uint64
	for i, f := range strings.Split(s, ",") {
		if i >= len(values) || !strings.HasPrefix(f, [3]string{"m=", "t=", "p="}[i]) {
			return h, false
		}
		n, err := strconv.ParseUint(f[2:], 10, 32)
		if err != nil || n == 0 {
			return h, false
		}
		values[i] = n
	}
	h.MiB, h.Passes, h.Lanes = uint32(values[0]>>10), uint32(min(values[1], 100)), uint8(min(values[2], 100))
	return h, true
}

// At most hashing passwords are hashed at a time, and at most waiting callers wait in the queue. Two concurrent hashes
// need 38 MiB.
const (
	hashing = 2
	waiting = 16
)

// queue limits how many passwords are hashed at a time and how many callers wait. Further callers get Busy, so that a
// flood of sign-ins does not exhaust the memory.
type queue struct{ places, running chan struct{} }

// newQueue returns a queue in which no caller hashes a password or waits.
func newQueue() *queue {
	return &queue{places: make(chan struct{}, hashing+waiting), running: make(chan struct{}, hashing)}
}

// enter waits until a password may be hashed. The error is *Busy if the queue is full, or ctx.Err() if ctx is done
// first. If err is nil, the caller must call leave exactly once after hashing.
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

// hasher hashes new passwords and checks entered passwords. The hasher's queue limits the number of passwords at a
// time.
type hasher struct {
	core   *core
	queue  *queue
	cost   Argon // parameters of new hashes; a stored hash with other parameters is replaced at the next sign-in
	derive func(Argon, []byte, []byte) []byte
}

// newHash hashes a new password with a new salt. The caller must have entered the queue.
func (s *hasher) newHash(password string) (string, error) {
	salt, err := s.core.randomBytes(saltSize)
	if err != nil {
		return "", err
	}
	return passwordHash{s.cost, salt, s.derive(s.cost, []byte(password), salt)}.String(), nil
}

// enterAndHash enters the queue and calls newHash. The error is *Busy if the queue is full.
func (s *hasher) enterAndHash(ctx context.Context, password string) (string, error) {
	leave, err := s.queue.enter(ctx)
	if err != nil {
		return "", err
	}
	defer leave()
	return s.newHash(password)
}

// check compares a password with a stored hash. upgrade reports that the stored hash has other parameters than new
// hashes. For an empty or damaged stored hash, check does the same work and returns false, so that the response time
// does not reveal whether an account exists. The caller must have entered the queue.
func (s *hasher) check(stored, password string) (right, upgrade bool) {
	h, err := parseHash(stored)
	known := err == nil
	if !known {
		h = passwordHash{s.cost, make([]byte, saltSize), make([]byte, hashSize)}
	}
	got := s.derive(h.Argon, []byte(password), h.salt)
	right = subtle.ConstantTimeCompare(got, h.hash) == 1 && known
	return right, right && h.Argon != s.cost
}
