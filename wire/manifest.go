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

// Manifest lists the chunks of a bundle by hash. Because the manifest is signed and contains the hashes, its signature
// covers the whole bundle.
type Manifest struct {
	Site    policy.SiteID `json:"site"`
	Version uint64        `json:"version"` // version number, which increases with each bundle
	Issued  time.Time     `json:"issued"`
	// Expires is the time after which the bundle is too old. The machine installs an expired bundle too, and the policy
	// decides what that bundle still permits.
	Expires time.Time `json:"expires"`
	Chunks  []Chunk   `json:"chunks"`

	// SignedPolicy is the document that the policy key has signed (SignPolicy); empty: the site has no separate policy
	// key.
	SignedPolicy string `json:"signed_policy,omitempty"`

	// CardCheck is the check value, of 8 hexadecimal digits, of the card key with which the bundle was built (CardSigner);
	// empty: an older program built the bundle. OpenManifest sets CardCheck from the manifest's signature lines.
	CardCheck string `json:"-"`
}

// Chunk is a part of a bundle. It is stored and fetched by its hash.
type Chunk struct {
	// Name of the chunk: policy.yaml, roster/00 … roster/3f, badges/…, bindings/…, status or documents.
	Name   string `json:"name"`
	SHA256 string `json:"sha256"`
	Size   int64  `json:"size"`
}

// These constants are the names of chunks.
const (
	PolicyChunk = "policy.yaml"
	StatusChunk = "status"
	// DocumentsChunk contains the documents from the web that are needed to verify badges: keys of did:web, keys of
	// profiles, and hosted badges.
	DocumentsChunk = "documents"
	// Buckets is the number of buckets of a roster. When one member changes, only the chunks of one bucket change.
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

// Hash returns the SHA-256 of a chunk or a credential in hexadecimal, which is the name under which it is stored.
func Hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// Refusal is the reason why a machine rejected a bundle and changed nothing. No other codes than those of the field
// Code exist.
type Refusal struct {
	// Code is bad-signature, not-a-bundle, other-site, older-version, missing-chunk, wrong-hash, truncated, unusable,
	// PolicyUnsigned, OlderPolicy or BindingUnsigned.
	Code   string
	Detail string

	cause error
}

// Error implements error.
func (r *Refusal) Error() string { return r.Code + ": " + r.Detail }

// Unwrap returns the reason why a bundle is unusable, or nil if the refusal has another code.
func (r *Refusal) Unwrap() error { return r.cause }

func refuse(code, format string, a ...any) error {
	return &Refusal{Code: code, Detail: fmt.Sprintf(format, a...)}
}

// Unusable returns the refusal of a bundle that is complete and signed, but whose content the machine cannot use.
func Unusable(err error) error { return &Refusal{"unusable", err.Error(), err} }

// SignManifest signs m with the site's key, and also with the card key if one is given (CardSigner).
func SignManifest(m Manifest, s ...note.Signer) ([]byte, error) {
	return sign("portillon bundle", m, s...)
}

var (
	hexHash   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	chunkName = regexp.MustCompile(`^(policy\.yaml|status|documents|(roster|badges|bindings)/[0-3][0-9a-f])$`)
)

// OpenManifest first verifies the manifest's signature, and then the manifest's format. Every error of OpenManifest is
// a *Refusal.
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

// Follows returns an error unless a machine of this site may replace the manifest old by m. The zero Manifest means
// that the machine has no bundle yet.
func (m Manifest) Follows(old Manifest, site policy.SiteID) error {
	switch {
	case m.Site != site:
		return refuse("other-site", "bundle is for the site %q, this machine belongs to %q", m.Site, site)
	case m.Version <= old.Version:
		return refuse("older-version", "bundle has version %d, this machine already has version %d", m.Version, old.Version)
	}
	return nil
}
