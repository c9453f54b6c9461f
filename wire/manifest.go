package wire

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
)

// Manifest lists the chunks of a bundle by hash. The manifest's signature thereby covers the whole bundle.
type Manifest struct {
	Site    policy.SiteID `json:"site"`
	Version uint64        `json:"version"` // number that increases with each bundle
	Issued  time.Time     `json:"issued"`
	// Expires is the time after which the bundle is too old. An expired bundle is still installed, and the policy
	// decides what it allows.
	Expires time.Time `json:"expires"`
	Chunks  []Chunk   `json:"chunks"`

	// SignedPolicy is the document signed by the policy key (SignPolicy); empty if the site has no separate policy key.
	SignedPolicy string `json:"signed_policy,omitempty"`

	// CardCheck is the check value of the card key with which the bundle was built (CardSigner), of 8 hexadecimal
	// digits; empty: an older program has built the bundle. OpenManifest reads it from the signature lines.
	CardCheck string `json:"-"`
}

// Chunk is a part of a bundle, stored and fetched by its hash.
type Chunk struct {
	Name   string `json:"name"` // policy.yaml, roster/00 … roster/3f, badges/…, bindings/…, status, documents
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// These are the names of chunks.
const (
	PolicyChunk = "policy.yaml"
	StatusChunk = "status"
	// DocumentsChunk holds the web documents that verify badges: keys of did:web and of profiles, hosted badges.
	DocumentsChunk = "documents"
	// Buckets is the number of buckets of a roster. A change to one member changes one bucket.
	Buckets = 64
	// MaxChunk is the largest size of a chunk, in bytes. A bucket of a site with 10,000 members and 5 badges each has
	// about 3 MB.
	MaxChunk = 32 << 20
)

// RosterChunk returns the name of a bucket's roster chunk.
func RosterChunk(b int) string { return fmt.Sprintf("roster/%02x", b) }

// BadgesChunk returns the name of a bucket's badges chunk.
func BadgesChunk(b int) string { return fmt.Sprintf("badges/%02x", b) }

// Bucket returns the number of a member's bucket.
func Bucket(id policy.MemberID) int {
	h := sha256.Sum256([]byte(id))
	return int(h[0] % Buckets)
}

// Hash returns the name under which a chunk or a credential is stored: its SHA-256 in hexadecimal.
func Hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Refusal is the reason why a bundle was rejected and nothing changed. The list of codes is closed.
type Refusal struct {
	// Code is bad-signature, not-a-bundle, other-site, older-version, missing-chunk, wrong-hash, truncated, unusable, or
	// one of PolicyUnsigned, OlderPolicy and BindingUnsigned.
	Code   string
	Detail string

	cause error
}

// Error implements error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// Unwrap returns the reason why a bundle is unusable; nil: the refusal has another code.
func (r *Refusal) Unwrap() error { return r.cause }

func refuse(code, format string, a ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, a...)}
}

// Unusable returns the refusal of a complete, signed bundle whose content the machine cannot use.
func Unusable(err error) error { return &Refusal{"unusable", err.Error(), err} }

// SignManifest signs m with the site's key, and with the card key if given (CardSigner).
func SignManifest(m Manifest, s ...note.Signer) ([]byte, error) {
	return sign("portillon bundle", m, s...)
}

var (
	hexHash   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	chunkName = regexp.MustCompile(`^(policy\.yaml|status|documents|(roster|badges|bindings)/[0-3][0-9a-f])$`)
)

// OpenManifest verifies the manifest's signature, then its format. The error is a *Refusal.
func OpenManifest(data []byte, keys note.Verifiers) (Manifest, error) {
	var m Manifest
	var unknown *UnknownField
	if err := open("portillon bundle", data, keys, &m); errors.Is(err, ErrBadSignature) {
		return Manifest{}, refuse("bad-signature", "%v%s", err, signedBy(data))
	} else if errors.As(err, &unknown) {
		return Manifest{}, Unusable(err)
	} else if err != nil {
		return Manifest{}, refuse("not-a-bundle", "%v", err)
	}
	if m.Site == "" || m.Version == 0 {
		return Manifest{}, refuse("not-a-bundle", "manifest has no site or no version")
	}
	seen := map[string]bool{}
	for _, c := range m.Chunks {
		if !chunkName.MatchString(c.Name) || !hexHash.MatchString(c.SHA256) || c.Size < 0 || c.Size > MaxChunk ||
			seen[c.Name] {
			return Manifest{}, refuse(
				"not-a-bundle",
				"chunk %.80q is invalid: unknown name, wrong hash or size, or listed twice",
				c.Name,
			)
		}
		seen[c.Name] = true
	}
	if !seen[PolicyChunk] {
		return Manifest{}, refuse("missing-chunk", "manifest lists no %s", PolicyChunk)
	}
	m.CardCheck = cardCheck(data, m.Site)
	return m, nil
}

// Chunk returns the chunk with this name.
func (m Manifest) Chunk(name string) (Chunk, bool) {
	for _, c := range m.Chunks {
		if c.Name == name {
			return c, true
		}
	}
	return Chunk{}, false
}

// Follows returns an error unless m may replace old on a machine of site. The zero Manifest means that the machine has
// no bundle yet.
func (m Manifest) Follows(old Manifest, site policy.SiteID) error {
	switch {
	case m.Site != site:
		return refuse("other-site", "bundle is for the site %q, this machine belongs to %q", m.Site, site)
	case m.Version <= old.Version:
		return refuse("older-version", "bundle has version %d, this machine already has version %d", m.Version, old.Version)
	}
	return nil
}
