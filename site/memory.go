package site

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"strings"
	"sync"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Memory is a cache of results that later builds of one site can reuse: verdicts on credentials with unchanged bytes,
// issuers and documents; chunks with unchanged content; and HMACs of cards. The bundle is byte for byte the same with
// and without a Memory. The zero Memory is empty. Only one build at a time may use a Memory.
type Memory struct {
	mu       sync.Mutex // locked during Site.Build
	builds   uint64
	verdicts map[string]*cachedVerdict
	kinds    map[[2]string]*kind   // cached lookups (kind) by issuer and achievement
	chunks   map[string]wire.Chunk // chunks by the digest of their content

	cardKey    string
	cardHashes map[string]string
	uids       map[string]rfid.UID
}

// removeVerdict removes the verdict on the credential with this SHA-256 from the cache.
func (m *Memory) removeVerdict(sha string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.verdicts, sha)
}

// cachedVerdict is a cached verdict, with all data on which the verdict depends.
type cachedVerdict struct {
	badge     *openbadge.Badge // the verified badge; nil: the credential is not valid
	why       string           // reason why the credential is not valid; empty: it is valid
	trust     string           // part of the trust on which the verdict depends (trustOf)
	ob3       bool
	documents map[string]string // SHA-256 of each document that was read, by URL; empty: it could not be read

	addresses []string // addresses of the recipient in the badge, in folded form (addressesOf)
	kind      *kind
	build     uint64 // number of the last build that contained this credential
	file      string // file name of the credential in that build
}

// kind caches lookups for an achievement of an issuer. All badges of the same achievement share these results.
type kind struct {
	build   uint64 // number of the build for which matches is valid; 0: none
	matches []policy.Match

	trustBuild uint64 // number of the build for which trust is valid
	trust      string // trust in the issuer, as text
}

// verifier verifies the credentials of one build.
type verifier struct {
	memory  *Memory // cache of the build's Order, or a new cache
	build   uint64
	trust   []openbadge.Issuer
	all     string            // trust in all issuers as text, for comparisons
	issuers map[string]string // trust in each issuer as text
	from    openbadge.Resolver
	seen    int // number of credentials in this build

	documents map[string]string // SHA-256 of the current documents by URL
}

// verifier begins a build, and returns the verifier for the build.
func (m *Memory) verifier(trust []openbadge.Issuer, from openbadge.Resolver) *verifier {
	if m == nil {
		m = &Memory{}
	}
	if m.builds++; m.verdicts == nil {
		m.verdicts, m.kinds = map[string]*cachedVerdict{}, map[[2]string]*kind{}
	}
	v := &verifier{memory: m, build: m.builds, trust: trust, all: fmt.Sprintf("%q", trust),
		issuers: map[string]string{}, from: from,
		documents: map[string]string{}}
	for _, i := range trust {
		v.issuers[i.ID] += fmt.Sprintf("%q", i)
	}
	return v
}

// trustOf returns the part of the trust on which a verdict depends. A verdict on a valid badge of Open Badges 3.0
// depends only on the trust in the badge's issuer. The verdict on every other badge depends on the trust in all
// issuers.
func (v *verifier) trustOf(r *cachedVerdict) string {
	if r.badge == nil || !r.ob3 {
		return v.all
	}
	k := r.kind
	if k.trustBuild != v.build {
		k.trustBuild, k.trust = v.build, v.issuers[r.badge.IssuerID]
	}
	return k.trust
}

// verify verifies the credential with this SHA-256, or returns the cached verdict. verify returns an error only if the
// file cannot be read, not for an invalid credential. The result twice is true if this build has already verified the
// same credential.
func (v *verifier) verify(s *Site, f File, sha string) (r *cachedVerdict, twice bool, err error) {
	r = v.memory.verdicts[sha]
	if r != nil && r.build == v.build {
		return r, true, nil
	}
	if r == nil || r.trust != v.trustOf(r) || !v.holds(r) {
		if r, err = v.judge(s, f); err != nil {
			return nil, false, err
		}
		v.memory.verdicts[sha] = r
	}
	r.build, r.file = v.build, f.Name
	v.seen++
	return r, false, nil
}

// judge verifies a credential without the cache.
func (v *verifier) judge(s *Site, f File) (*cachedVerdict, error) {
	data, err := s.bytes(f)
	var damaged *damagedFile
	if errors.As(err, &damaged) {
		return &cachedVerdict{why: err.Error(), trust: notRemembered}, nil
	}
	if err != nil {
		return nil, err
	}
	used := &recorder{from: v.from, found: map[string]string{}}
	judged := openbadge.Verify(data, openbadge.Options{Trust: v.trust, Documents: used})
	r := &cachedVerdict{documents: used.found, ob3: strings.HasPrefix(judged.Form, "ob3 ")}
	if judged.State == openbadge.Valid && judged.Badge != nil {
		r.badge = compactBadge(judged.Badge)
		r.addresses = addressesOf(r.badge)
		id := [2]string{r.badge.IssuerID, r.badge.AchievementID}
		if r.kind = v.memory.kinds[id]; r.kind == nil {
			r.kind = &kind{}
			v.memory.kinds[id] = r.kind
		}
	} else {
		r.why = judged.Why()
	}
	r.trust = v.trustOf(r)
	return r, nil
}

// notRemembered is the value of remembered.trust for a verdict that later builds must not reuse.
const notRemembered = "none"

// matches returns the badges of the policy that a verified badge satisfies.
func (v *verifier) matches(p *policy.Policy, r *cachedVerdict) []policy.Match {
	if r.kind.build != v.build {
		r.kind.build, r.kind.matches = v.build, Matches(p, r.badge)
	}
	return r.kind.matches
}

// compactBadge copies only the fields of a badge that builds need. Without a reference to the parsed document, its
// memory can be freed: a cache may contain tens of thousands of badges.
func compactBadge(b *openbadge.Badge) *openbadge.Badge {
	out := &openbadge.Badge{ID: strings.Clone(b.ID), UID: strings.Clone(b.UID), IssuerID: strings.Clone(b.IssuerID),
		AchievementID: strings.Clone(b.AchievementID), ValidFrom: b.ValidFrom, ValidUntil: b.ValidUntil,
		Subject: strings.Clone(b.Subject)}
	out.Identifiers = append(out.Identifiers, b.Identifiers...)
	out.Status = append(out.Status, b.Status...)
	return out
}

// holds reports whether every document of a cached verdict is unchanged. holds resolves each document, which also
// records that this build uses the document.
func (v *verifier) holds(r *cachedVerdict) bool {
	for url, sha := range r.documents {
		now, asked := v.documents[url]
		if !asked {
			if b, err := v.from.Resolve(url); err == nil {
				now = wire.Hash(b)
			}
			v.documents[url] = now
		}
		if now != sha {
			return false
		}
	}
	return true
}

// removeUnused, called at the end of a build, removes the verdicts on credentials that this build did not contain.
func (v *verifier) removeUnused() {
	m := v.memory
	if v.seen == len(m.verdicts) {
		return
	}
	maps.DeleteFunc(m.verdicts, func(_ string, r *cachedVerdict) bool { return r.build != v.build })
	kinds := map[*kind]bool{}
	for _, r := range m.verdicts {
		kinds[r.kind] = true
	}
	maps.DeleteFunc(m.kinds, func(_ [2]string, k *kind) bool { return !kinds[k] })
}

// recorder is a resolver that records the documents on which a verdict depends.
type recorder struct {
	from  openbadge.Resolver
	found map[string]string
}

// Resolve implements openbadge.Resolver.
func (r *recorder) Resolve(url string) ([]byte, error) {
	b, err := r.from.Resolve(url)
	if r.found[url] = ""; err == nil {
		r.found[url] = wire.Hash(b)
	}
	return b, err
}

// encode adds a chunk with canonical JSON. If the content is in the cache, encode adds only the chunk's entry in the
// manifest, and Built.Chunk encodes the bytes on request.
func (b *Built) encode(name string, v any) error {
	return b.encodeOnce(name, func() (string, error) { return digest(v) },
		func() ([]byte, error) { return wire.EncodeChunk(v) })
}

// encodeBadges does the same as encode for a wire.BadgesBucket. If the chunk is in the cache, encodeBadges does not
// read the badges.
func (b *Built) encodeBadges(s *Site, name string, files []heldFile) error {
	return b.encodeOnce(name, func() (string, error) {
		h := sha256.New()
		io.WriteString(h, "badges\n")
		for _, f := range files {
			io.WriteString(h, f.sha)
		}
		return hex.EncodeToString(h.Sum(nil)), nil
	}, func() ([]byte, error) {
		elements := make([][]byte, len(files))
		for i, f := range files {
			data, err := s.bytes(f.File)
			if err != nil {
				return nil, err
			}
			e := append(make([]byte, 0, base64.StdEncoding.EncodedLen(len(data))+2), '"')
			elements[i] = append(base64.StdEncoding.AppendEncode(e, data), '"')
		}
		return wire.JoinParts("credentials", elements), nil // JSON needs no escaping of base64
	})
}

// encodeOnce adds a chunk. If the cache has a chunk with this digest, encodeOnce adds that chunk, and otherwise the
// chunk that encode returns.
func (b *Built) encodeOnce(name string, digest func() (string, error), encode func() ([]byte, error)) error {
	if b.memory == nil {
		data, err := encode()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.addChunk(name, data)
		return nil
	}
	key, err := digest()
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c, known := b.memory.chunks[key]
	if !known {
		data, err := encode()
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.addChunk(name, data)
		c = b.Manifest.Chunks[len(b.Manifest.Chunks)-1]
	} else {
		c.Name = name
		b.Manifest.Chunks = append(b.Manifest.Chunks, c)
		b.later[c.SHA256] = encode
	}
	b.encoded[key] = c
	return nil
}

// digest returns a hash of the content of a chunk. A hash of the canonical JSON would take ten times as long.
func digest(v any) (string, error) {
	h := sha256.New()
	switch v := v.(type) {
	case wire.RosterBucket:
		io.WriteString(h, "members\n")
		d := digester{h: h}
		for i := range v.Members {
			d.member(&v.Members[i])
		}
		d.flush()
	case wire.StatusBucket:
		io.WriteString(h, "lists\n")
		for _, l := range v.Lists {
			one, body := sha256.Sum256([]byte(l.URL)), sha256.Sum256(l.Body)
			h.Write(one[:])
			h.Write(body[:])
		}
	default:
		fmt.Fprintf(h, "%T\n", v)
		if err := json.NewEncoder(h).Encode(v); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// digester hashes members. digester writes the length of each text and list before the content, so that different
// members have different hashes.
type digester struct {
	h   hash.Hash
	buf []byte
}

func (d *digester) flush() {
	d.h.Write(d.buf)
	d.buf = d.buf[:0]
}

func (d *digester) number(n int) { d.buf = binary.BigEndian.AppendUint32(d.buf, uint32(n)) }

func (d *digester) text(s string) {
	d.number(len(s))
	d.buf = append(d.buf, s...)
}

func (d *digester) list(all []string) {
	d.number(len(all))
	for _, s := range all {
		d.text(s)
	}
}

// member hashes every field of m. A test checks that no field of wire.Member is missing.
func (d *digester) member(m *wire.Member) {
	d.text(m.ID)
	d.text(m.Name)
	d.text(m.Language)
	d.list(m.Emails)
	d.list(m.Subjects)
	d.list(m.Cards)
	d.list(m.Badges)
	d.list(m.Critical)
	d.text(m.Until)
	d.number(len(m.CardStates))
	for _, c := range m.CardStates {
		d.text(c.Card)
		d.text(c.State)
		d.text(c.Since)
	}
	blocked := 0
	if m.Blocked {
		blocked = 1
	}
	d.number(blocked)
	if len(d.buf) > 4096 {
		d.flush()
	}
}

// beginBuild begins a build with the cache m. beginBuild returns the function that ends the build.
func (b *Built) beginBuild(m *Memory, cardKey []byte) (forget func()) {
	if m == nil {
		b.cards = m.newCardHasher(cardKey)
		return func() {}
	}
	m.mu.Lock()
	b.cards = m.newCardHasher(cardKey)
	b.memory, b.later, b.encoded = m, map[string]func() ([]byte, error){}, map[string]wire.Chunk{}
	return func() {
		defer m.mu.Unlock()
		if b.assembled { // after a failed build, keep all chunks, because the build may not have used them yet
			m.chunks = b.encoded
			m.cardKey, m.cardHashes, m.uids = string(cardKey), b.cards.used, b.cards.uids
		}
	}
}

// encodeLate encodes the bytes of a chunk for which the cache had only the manifest entry.
func (b *Built) encodeLate(sha string) ([]byte, error) {
	encode, ok := b.later[sha]
	if !ok {
		return nil, fmt.Errorf("bundle has no chunk %s", sha)
	}
	data, err := encode()
	if err != nil {
		return nil, err
	}
	if wire.Hash(data) != sha {
		return nil, fmt.Errorf("chunk %s: content has changed since the build, want the site as it was built", sha)
	}
	b.Chunks[sha] = data
	return data, nil
}
