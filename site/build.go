package site

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/keykind"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// Order contains the arguments of Build.
type Order struct {
	Memory  *Memory // cache of earlier builds; nil: verify and encode everything again
	Version uint64
	Issued  time.Time
	Expires time.Time
	Signer  note.Signer
	CardKey []byte // secret key for hashing card numbers, at least 16 bytes; machines have the same key
	Policy  PolicyOrder
}

// Built is a bundle: a signed manifest and its chunks.
type Built struct {
	Manifest wire.Manifest
	Signed   []byte
	// Chunks are the encoded chunks by SHA-256. Chunks in the cache Order.Memory are left out: Chunk encodes them when
	// they are requested.
	Chunks   map[string][]byte
	Members  int
	Counted  int      // number of credentials whose recipient is a member
	Warnings []string // one sentence for each file that Build leaves out or that machines may reject
	Ending   []Ending // memberships and badges that end within 30 days after Issued, soonest first
	Errors   []string // conflicts that members.yaml must resolve; the bundle leaves out these badges

	// Policy is the policy that the policy key signed. Policy is zero if the site has no separate policy key.
	Policy wire.SignedPolicy
	// Unsigned lists the content that machines ignore until the policy key signs it. The policy key may be on another
	// computer.
	Unsigned Unsigned

	memory    *Memory                           // cache of earlier builds; nil: there is no cache
	later     map[string]func() ([]byte, error) // functions that encode chunks from the cache, by the chunk's SHA-256
	assembled bool                              // true: the build succeeded
	encoded   map[string]wire.Chunk             // chunks of this build by the digest of their content
	cards     *cardHasher

	lists map[string]*openbadge.StatusList // valid status lists by URL
	web   *usedDocuments
	apart bool           // true: the site has a separate policy key
	bound signedBindings // signed bindings of the members; nil: bindings are not used, or this build signs them
}

// Build returns a signed bundle of the site. Warnings lists the files that Build leaves out or that machines may
// reject. If the error is not nil, there is no bundle.
func (s *Site) Build(o Order) (*Built, error) {
	if len(o.CardKey) < 16 {
		return nil, fmt.Errorf("card key has %d bytes, want at least 16", len(o.CardKey))
	}
	b, err := s.assembleWhole(o)
	if err != nil {
		return nil, err
	}
	check, err := wire.CardSigner(s.Policy.Site, o.CardKey)
	if err != nil {
		return nil, err
	}
	b.Manifest.CardCheck = keykind.CheckValue(o.CardKey)
	b.Signed, err = wire.SignManifest(b.Manifest, o.Signer, check)
	return b, err
}

// maxDamaged is the maximum number of damaged files that one build leaves out. The limit is necessary, because each
// damaged file requires another attempt.
const maxDamaged = 1000

// assembleWhole calls assemble. If a file with a cached verdict is damaged, assembleWhole removes the verdict from the
// cache and calls assemble again, which leaves out the file with a warning.
func (s *Site) assembleWhole(o Order) (*Built, error) {
	for range maxDamaged {
		b, err := s.assemble(o)
		var f *damagedFile
		if !errors.As(err, &f) || o.Memory == nil {
			return b, err
		}
		o.Memory.removeVerdict(f.sha)
	}
	return nil, fmt.Errorf("site has more than %d damaged badge files", maxDamaged)
}

// assemble builds all of the bundle except the signature of the manifest.
func (s *Site) assemble(o Order) (*Built, error) {
	b := &Built{
		Chunks:  map[string][]byte{},
		lists:   map[string]*openbadge.StatusList{},
		web:     &usedDocuments{from: s.Web, found: map[string][]byte{}, newer: map[string]bool{}},
		Members: len(s.Members),
		Manifest: wire.Manifest{
			Site:    s.Policy.Site,
			Version: o.Version,
			Issued:  o.Issued.UTC().Truncate(time.Second),
			Expires: o.Expires.UTC().Truncate(time.Second),
		},
	}
	defer b.beginBuild(o.Memory, o.CardKey)()
	if err := s.rejectSameCards(b.cards); err != nil {
		return nil, err
	}
	if err := b.readSignedPolicy(s, o.Policy); err != nil {
		return nil, err
	}
	b.Warnings = append(b.Warnings, s.Skipped...)
	b.missingBadges(s)
	b.addChunk(wire.PolicyChunk, s.text)
	b.warnOfBookings(s, o.Issued)
	if err := b.addStatusLists(s, o.Issued); err != nil {
		return nil, err
	}
	buckets, err := s.buckets(b, o)
	if err != nil {
		return nil, err
	}
	for i, bucket := range buckets {
		if len(bucket.roster.Members) == 0 {
			continue
		}
		if err := b.addJSON(wire.RosterChunk(i), bucket.roster); err != nil {
			return nil, err
		}
		if len(bucket.badges) == 0 {
			continue
		}
		if err := b.encodeBadges(s, wire.BadgesChunk(i), bucket.badges); err != nil {
			return nil, err
		}
	}
	if err := b.documents(); err != nil {
		return nil, err
	}
	b.unsignedDocuments()
	if err := b.signPolicy(s, o.Policy, buckets); err != nil {
		return nil, err
	}
	b.assembled = true
	return b, nil
}

// missingBadges adds a warning for each file that a member's badges: line names and that does not exist.
func (b *Built) missingBadges(s *Site) {
	there := map[string]bool{}
	for _, f := range s.Badges {
		there[f.Name] = true
	}
	for _, m := range s.Members {
		for _, name := range m.Badges {
			if !there[name] {
				b.warnf("members.yaml: %s: badges: there is no file %s", m.ID, name)
			}
		}
	}
}

// warnOfBookings adds a warning for each future booking of an unknown member.
func (b *Built) warnOfBookings(s *Site, at time.Time) {
	for _, m := range s.Policy.Machines {
		for i, x := range m.Bookings {
			if x.To.After(at) && !slices.ContainsFunc(s.Members, func(m Member) bool { return m.ID == x.For }) {
				b.warnf("policy.yaml: machines.%s.bookings[%d]: there is no member %s: nobody could use the machine then",
					m.ID, i, x.For)
			}
		}
	}
}

// bucket is a part of the roster, with the credentials of the members in it.
type bucket struct {
	roster wire.RosterBucket
	badges []heldFile
}

// buckets distributes the members over the roster's buckets by their ids.
func (s *Site) buckets(b *Built, o Order) ([]bucket, error) {
	held, err := s.match(b, o.Issued)
	if err != nil {
		return nil, err
	}
	b.endings(s, o.Issued)
	forms := b.cardForms(s, b.cards)
	out := make([]bucket, wire.Buckets)
	for i, m := range s.Members {
		at := &out[wire.Bucket(m.ID)]
		w := wire.Member{
			ID:       string(m.ID),
			Name:     m.Name,
			Language: m.Language,
			Emails:   m.Emails,
			Subjects: m.Subjects,
			Blocked:  m.Blocked,
		}
		for _, c := range m.Cards {
			if forms.unclear[c] {
				continue
			}
			w.Cards = append(w.Cards, b.cards.hash(c))
		}
		m.addTerms(&w, b.cards)
		w.Cards = append(w.Cards, forms.active[i]...)
		w.CardStates = append(w.CardStates, forms.refused[i]...)
		for _, f := range held[i] {
			w.Badges = append(w.Badges, f.sha)
		}
		w, ok := b.limit(m, w)
		if !ok {
			continue
		}
		at.roster.Members = append(at.roster.Members, w)
		at.badges = append(at.badges, held[i]...) // in the order in which the roster names them (wire.BadgesOutline)
	}
	return out, nil
}

// cardHash returns the HMAC by which machines recognise a card. ParseMembers has checked the card's number.
func cardHash(key []byte, card string) string {
	if hash, ok := strings.CutPrefix(card, hmacPrefix); ok {
		return hash
	}
	uid, err := hex.DecodeString(card)
	if err != nil {
		return ""
	}
	h := hmac.New(sha256.New, key)
	h.Write(uid)
	return hex.EncodeToString(h.Sum(nil))
}

// match verifies every credential and finds the recipient. match returns the badges of each member, by the member's
// index in s.Members.
func (s *Site) match(b *Built, at time.Time) ([][]heldFile, error) {
	held, counted := make([][]heldFile, len(s.Members)), make([][]countedBadge, len(s.Members))
	verifier, recipients := b.memory.verifier(Trust(s.Policy), b.web), newRecipients(s.Members)
	var places []int // buffer that is reused for every badge
	for _, f := range s.Badges {
		// Verify the file. Skip a credential that no machine could use.
		sha := f.sha()
		v, twice, err := verifier.verify(s, f, sha)
		if err != nil {
			return nil, err
		}
		if twice {
			b.warn(f, "is the same badge as %s", v.file)
			continue
		}
		if v.badge == nil {
			b.warn(f, "does not verify: %s", v.why)
			continue
		}
		matches := verifier.matches(s.Policy, v)
		if len(matches) == 0 {
			b.warn(f, "is a badge that policy.yaml does not name: %s", v.badge.AchievementID)
			continue
		}
		b.warnOfValidity(f, v.badge, at)
		// Find the recipient among the members.
		among := func() []int {
			places = recipients.appendCandidates(places[:0], v.badge, v.addresses)
			return places
		}
		switch i, conflict := s.owner(recipients, f, v.badge, among); {
		case i >= 0:
			if held[i] == nil {
				held[i], counted[i] = make([]heldFile, 0, fewBadges), make([]countedBadge, 0, fewBadges)
			}
			held[i] = append(held[i], heldFile{f, sha})
			b.addBadgeEndings(s, s.Members[i], v.badge, at)
			counted[i] = append(counted[i], countedBadge{f, matches})
			b.Counted++
		case len(conflict) > 0:
			b.Errors = append(b.Errors, fmt.Sprintf("%s: names an address that is shared by %s; it counts for none of them "+
				"until the member who holds it has a line «badges: [%s]» or a subject: of their own",
				f.Name, strings.Join(conflict, " and "), f.Name))
		default:
			b.warn(f, "is no member's: no address or subject of members.yaml is its recipient")
		}
	}
	verifier.removeUnused()
	b.warnOfMissingBadges(s, counted)
	return held, nil
}

// warnOfValidity adds a warning for a badge that has expired, or of which machines cannot check the revocation. The
// bundle still includes such a badge, so that the machine can tell the member why it refuses the badge.
func (b *Built) warnOfValidity(f File, badge *openbadge.Badge, at time.Time) {
	if !badge.ValidUntil.IsZero() && at.After(badge.ValidUntil) {
		b.warn(f, "expired on %s; members who hold it are told so", badge.ValidUntil.Format(time.DateOnly))
	}
	for _, e := range badge.Status {
		list := b.lists[e.List]
		if list == nil {
			b.warn(f, "can be revoked, and status/ does not hold the list %s: it opens nothing", e.List)
			continue
		}
		var fault *openbadge.Fault
		if err := list.Judge(badge, e); errors.As(err, &fault) && fault.Code == "status-unusable" {
			b.warn(f, "can be revoked, and its list says nothing of it: it opens nothing: %s", fault.Detail)
		}
	}
}

// fewBadges is the initial capacity of a member's list of badges: the usual number of badges of a member.
const fewBadges = 6

// heldFile is a badge file of a member, with its SHA-256.
type heldFile struct {
	File
	sha string
}

// Trust returns the issuers that a policy trusts, with their keys.
func Trust(p *policy.Policy) []openbadge.Issuer {
	var out []openbadge.Issuer
	for _, i := range p.Issuers {
		out = append(out, openbadge.Issuer{ID: i.Profile, Keys: i.Keys, StatusIssuers: policy.StatusProfiles(p.Issuers, i)})
	}
	return out
}

// BadgeOf returns the id that the policy gives to the achievement of a verified badge.
func BadgeOf(p *policy.Policy, b *openbadge.Badge) (policy.BadgeID, bool) {
	for _, i := range p.Issuers {
		if i.Profile == b.IssuerID {
			if id, ok := p.BadgeByAchievement(i.ID, b.AchievementID); ok {
				return id, true
			}
		}
	}
	return "", false
}

func (b *Built) warn(f File, format string, a ...any) {
	b.warnf("%s: %s", f.Name, fmt.Sprintf(format, a...))
}

func (b *Built) warnf(format string, a ...any) {
	b.Warnings = append(b.Warnings, fmt.Sprintf(format, a...))
}

// addStatusLists adds the status lists to the bundle. The id in a status list is the list's address. addStatusLists
// leaves out an invalid or expired list with a warning, because such a list must not delay a bundle that blocks a
// member.
func (b *Built) addStatusLists(s *Site, at time.Time) error {
	if len(s.Status) == 0 {
		return nil
	}
	var lists wire.StatusBucket
	for _, f := range s.Status {
		l, err := openbadge.ReadStatusList(f.Data, openbadge.Options{Trust: Trust(s.Policy), At: at, Documents: b.web})
		if err != nil {
			b.warn(f, "is no status list that can be believed: %v", err)
			continue
		}
		if l.ID == "" {
			b.warn(f, "is a status list without an id: nobody knows where it stands")
			continue
		}
		lists.Lists = append(lists.Lists, wire.StatusList{URL: l.ID, Body: f.Data})
		b.lists[l.ID] = l
		if grace := s.Policy.StatusGrace; b.apart && !l.From.IsZero() && at.Sub(l.From) > grace {
			b.warn(f, "was signed by its issuer on %s, more than status-grace (%v) ago: machines that pin a policy key "+
				"count the age of a list from then, and its badges open nothing; get a newer one "+
				"(of your own: portillon badge revoke --renew)",
				l.From.Format(time.DateOnly), grace)
		}
	}
	return b.addJSON(wire.StatusChunk, lists)
}

// usedDocuments records the documents on which badges depend. The bundle includes these documents, so that a machine
// can verify badges without a network.
type usedDocuments struct {
	from   openbadge.Resolver
	signed map[string][]byte // documents that the policy key has signed; nil: this build signs the used documents
	found  map[string][]byte
	newer  map[string]bool // URLs of documents whose current copy differs from the signed copy
}

// Resolve implements openbadge.Resolver.
func (u *usedDocuments) Resolve(url string) ([]byte, error) {
	if u.signed != nil {
		b, ok := u.signed[url]
		u.recordNewer(url, b, ok)
		if ok {
			return b, nil
		}
		return nil, errors.New("policy key has not signed the document")
	}
	if u.from == nil {
		return nil, errors.New("site has no folder documents/")
	}
	b, err := u.from.Resolve(url)
	if err == nil {
		u.found[url] = b
	}
	return b, err
}

// recordNewer records a document whose current copy differs from the signed copy.
func (u *usedDocuments) recordNewer(url string, signed []byte, ok bool) {
	if u.from == nil {
		return
	}
	now, err := u.from.Resolve(url)
	switch {
	case errors.Is(err, openbadge.ErrGone): // record a document that the issuer deleted
		u.newer[url] = ok
	case err == nil && (!ok || !bytes.Equal(now, signed)):
		u.newer[url] = true
	}
}

func (b *Built) documents() error {
	if len(b.web.found) == 0 || b.web.signed != nil {
		return nil
	}
	var all wire.StatusBucket
	for _, url := range slices.Sorted(maps.Keys(b.web.found)) {
		all.Lists = append(all.Lists, wire.StatusList{URL: url, Body: b.web.found[url]})
	}
	return b.addJSON(wire.DocumentsChunk, all)
}

// addJSON adds a chunk with canonical JSON.
func (b *Built) addJSON(name string, v any) error {
	return b.encode(name, v)
}

// addChunk adds a chunk to the bundle.
func (b *Built) addChunk(name string, data []byte) {
	sha := wire.Hash(data)
	b.Chunks[sha] = data
	b.Manifest.Chunks = append(b.Manifest.Chunks, wire.Chunk{Name: name, SHA256: sha, Size: int64(len(data))})
}

// Chunk returns the chunk with this SHA-256. Chunk is the callback that wire.WriteBundle needs.
func (b *Built) Chunk(sha string) ([]byte, error) {
	c, ok := b.Chunks[sha]
	if !ok {
		return b.encodeLate(sha)
	}
	return c, nil
}
