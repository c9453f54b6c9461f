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

// Manifest lists the chunks of a bundle. Through their hashes, its signature covers the whole bundle.
type Manifest struct {
	Site    policy.SiteID `json:"site"`
	Version uint64        `json:"version"` // only grows
	Issued  time.Time     `json:"issued"`
	// the policy decides what an expired bundle still allows; it can be installed
	Expires time.Time `json:"expires"`
	Chunks  []Chunk   `json:"chunks"`

	// SignedPolicy is the document that the policy key signed (SignPolicy); empty: the site has no policy key apart.
	SignedPolicy string `json:"signed_policy,omitempty"`

	// CardCheck is the check value of the card key that the bundle was built with (CardSigner), 8 hexadecimal digits;
	// empty: an older program built it. OpenManifest reads it from the signature lines.
	CardCheck string `json:"-"`
}

// Chunk is a part of a bundle, kept and fetched by its hash.
type Chunk struct {
	Name   string `json:"name"` // policy.yaml, roster/00 … roster/3f, badges/…, bindings/…, status, documents
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// The names of chunks.
const (
	PolicyChunk = "policy.yaml"
	StatusChunk = "status"
	// DocumentsChunk holds copies of web documents that badges depend on: keys of did:web and of profiles, hosted badges.
	DocumentsChunk = "documents"
	// Buckets is the number of buckets a roster is spread over: a change to one member changes one of them.
	Buckets = 64
	// MaxChunk bounds a chunk: a bucket of a site with 10,000 members and 5 badges each is about 3 MB.
	MaxChunk = 32 << 20
)

// RosterChunk and BadgesChunk name a bucket's chunks.
func RosterChunk(b int) string { return fmt.Sprintf("roster/%02x", b) }
func BadgesChunk(b int) string { return fmt.Sprintf("badges/%02x", b) }

// Bucket is the bucket of a member.
func Bucket(id policy.MemberID) int {
	h := sha256.Sum256([]byte(id))
	return int(h[0] % Buckets)
}

// Hash is the name under which a chunk or a credential is kept: SHA-256 in hexadecimal.
func Hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Refusal is why a bundle was not installed. The list of codes is closed.
type Refusal struct {
	// Code is bad-signature, not-a-bundle, other-site, older-version, missing-chunk, wrong-hash, truncated, unusable, or
	// one of PolicyUnsigned, OlderPolicy and BindingUnsigned.
	Code   string
	Detail string

	cause error
}

func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// Unwrap is why a bundle is unusable; nil for the other codes.
func (r *Refusal) Unwrap() error { return r.cause }

func refuse(code, format string, a ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, a...)}
}

// Unusable is the refusal of a bundle that is complete and signed, but has content that a machine cannot use.
func Unusable(err error) error { return &Refusal{"unusable", err.Error(), err} }

// SignManifest signs m with the site's key, and with the card key where there is one (CardSigner).
func SignManifest(m Manifest, s ...note.Signer) ([]byte, error) {
	return sign("portillon bundle", m, s...)
}

var (
	hexHash   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	chunkName = regexp.MustCompile(`^(policy\.yaml|status|documents|(roster|badges|bindings)/[0-3][0-9a-f])$`)
)

// OpenManifest checks the signature, then the form. The error is a *Refusal.
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
		return Manifest{}, refuse("not-a-bundle", "it names no site or no version")
	}
	seen := map[string]bool{}
	for _, c := range m.Chunks {
		if !chunkName.MatchString(c.Name) || !hexHash.MatchString(c.SHA256) || c.Size < 0 || c.Size > MaxChunk ||
			seen[c.Name] {
			return Manifest{}, refuse("not-a-bundle", "the chunk %.80q does not do", c.Name)
		}
		seen[c.Name] = true
	}
	if !seen[PolicyChunk] {
		return Manifest{}, refuse("missing-chunk", "it holds no %s", PolicyChunk)
	}
	m.CardCheck = cardCheck(data, m.Site)
	return m, nil
}

// Chunk finds a chunk by its name.
func (m Manifest) Chunk(name string) (Chunk, bool) {
	for _, c := range m.Chunks {
		if c.Name == name {
			return c, true
		}
	}
	return Chunk{}, false
}

// Follows returns an error unless m may replace old at a machine of site. The zero Manifest means that there is none.
func (m Manifest) Follows(old Manifest, site policy.SiteID) error {
	switch {
	case m.Site != site:
		return refuse("other-site", "it is the site %q's, this machine is of %q", m.Site, site)
	case m.Version <= old.Version:
		return refuse("older-version", "its version is %d, this machine works from %d", m.Version, old.Version)
	}
	return nil
}
