// Package roster is the machine's verified view of a bundle: it maps cards to members, with the badges that this
// machine has verified itself.
//
// Load reads a bundle from its store, bucket by bucket, and verifies every credential once. Load caches its verdict on
// the credential's proof in a file, under the SHA-256 of the credential's bytes. The verdict is valid as long as the
// policy trusts the same issuers and keys. Dates, status lists and recipients are never cached: Load and each tap check
// them again. Load leaves out a credential that is invalid, belongs to another member, or is of a badge that the policy
// does not name. Therefore no content of a bundle can add a badge.
package roster

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/openbadge"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/rfid"
	"portillon/wire"
)

// Roster is a loaded bundle. A Roster is immutable and safe for concurrent use.
type Roster struct {
	Policy  *policy.Policy
	Version uint64
	// PolicyNumber is wire.PolicyNumber of the policy's text.
	PolicyNumber string
	// Signed is the part of the bundle that the policy key signed. The zero value means that this machine pins no separate
	// policy key.
	Signed   wire.SignedPolicy
	Issued   time.Time // time at which the bundle was built
	Verified int       // number of credentials that this load verified, because their verdicts were not cached
	// MemoryError is the error of writing the file of verdicts or the file of revoked badges; nil: both were written.
	// Without the first file, the next start takes longer, because it verifies all credentials again. Without the second
	// file, the revocations that this daemon has found are lost when the daemon ends.
	MemoryError error
	// Denied lists the members who are blocked because the bundle has a critical field about them that this program does
	// not know.
	Denied  []Denied
	members members
	cards   cards
	machine policy.MachineID // machine whose taps use the members' prepared data; empty: the members are not prepared
}

// members are the members of a bundle. Other types refer to a member by its place in people.
type members struct {
	people   []person
	prepared []atomic.Pointer[Person] // the prepared Persons, by place in people; nil: not prepared yet
	holdings []holding
	kinds    []policy.Holding
	ids      map[policy.MemberID]int32
}

// cards are the cards of a bundle.
type cards struct {
	active   cardIndex // maps a number to a place in members.people
	refused  cardIndex // maps a number to a place in refusals
	refusals []refusal
	short    bool // true if short forms of a number are accepted; see Options.ShortNumbers
	key      []byte
	old      []oldKey
}

// Person is a member, with the details about the member that the panel may show.
type Person struct {
	Member   *policy.Member
	Name     string
	Language policy.Language
}

// Denied is a member who is denied because their entry requires a field that this program does not know.
type Denied struct {
	Member policy.MemberID
	Why    error
}

// Options are the settings of a machine for loading a bundle.
type Options struct {
	// Machine is the machine whose taps use the roster. The roster's members are prepared for the policy's decisions about
	// this machine (policy.Prepare). If Machine is empty, no machine uses the roster for taps.
	Machine policy.MachineID
	CardKey []byte // the site's key for the HMAC of card numbers
	// OtherCardKeys are further card keys that the hub has sent to this machine, because the site is changing its card
	// key. The bundle names the card key with which it was built.
	OtherCardKeys [][]byte
	Memory        string // path of the file of cached verdicts; empty: verdicts are not cached
	Now           time.Time
	// Policy are the policy keys that the machine pins separately from the key of bundles; nil: none. If Policy is set:
	//
	//   - The policy, the documents and, with «bindings: signed», the members' bindings must be signed by one of these
	//     keys.
	//   - A badge that the machine once found revoked remains revoked.
	//   - The age of a status list counts from the time at which its issuer made the list, if the list states it.
	Policy  note.Verifiers
	Revoked string // path of the file of badges that were found revoked; empty: they are not stored
	// MaxUnverified is the largest number of credentials that Load verifies in one call. If more credentials need
	// verification, Load returns ErrUnverified. 0: no limit.
	MaxUnverified int
	// ShortNumbers means that this machine's reader may report only a part of a card's number. 26-bit Wiegand readers
	// report a part, and so do USB readers that type decimal numbers.
	ShortNumbers bool
}

// ErrUnverified means that more credentials need verification than Options.MaxUnverified allows.
var ErrUnverified = errors.New("credentials of the bundle are not verified yet")

// Card returns a card's number in the form of a bundle: HMAC-SHA-256 under the site's card key, in hexadecimal.
func Card(key []byte, uid rfid.UID) string {
	h := hmac.New(sha256.New, key)
	h.Write(uid.Bytes())
	return hex.EncodeToString(h.Sum(nil))
}

// Unknown returns what an administrator needs to enrol an unknown card: the card's code, and its entry in a bundle.
func (r *Roster) Unknown(uid rfid.UID) wire.EnrolCard {
	return wire.EnrolCard{
		Code: wire.EnrolCode(r.cards.key, uid.Bytes()),
		Card: Card(r.cards.key, uid),
		Key:  wire.MarkOf(r.cards.key),
	}
}

// Load returns the roster of the bundle m in the store s. If the policy cannot be read, Load returns an error. If a
// credential does not verify, Load leaves it out.
func Load(s wire.Store, m wire.Manifest, o Options) (*Roster, error) {
	ahead := readAhead(s, m)
	defer func() { ahead.stop() }()
	l, err := newLoader(s, m, o)
	if err != nil {
		return nil, err
	}
	if err := l.loadBuckets(ahead); err != nil {
		return nil, err
	}
	// If two members list the same credential, check it again once all verdicts are known. The first pass finds out
	// whether the credential was issued to both members. If so, the second pass loads the roster without it. A correct
	// bundle has no such credential.
	for pass := 0; pass < 2 && (len(l.claims.twice) > 0 && pass == 0 || len(l.claims.shared) > 0); pass++ {
		verified := l.r.Verified
		l.r, l.claims.owner, l.kinds = l.emptyRoster(), map[int]int32{}, map[policy.Holding]int32{}
		ahead = readAhead(s, m)
		if err := l.loadBuckets(ahead); err != nil {
			return nil, err
		}
		l.r.Verified += verified
	}
	l.r.MemoryError = errors.Join(l.memory.save(o.Memory), l.revoked.save(o.Revoked))
	l.r.prepare()
	return l.r, nil
}

// loader is the state of a load.
type loader struct {
	store  wire.Store
	m      wire.Manifest
	o      Options
	old    []oldKey
	r      *Roster
	trust  trust
	memory *memory
	signed wire.SignedPolicy
	// revoked are the badges that were found revoked; nil: the machine pins no separate policy key, and relies only on the
	// status lists.
	revoked *revokedBadges
	kinds   map[policy.Holding]int32 // places of badges in the roster's kinds
	claims  claims
}

// trust contains the issuers and the status lists on which verdicts depend.
type trust struct {
	issuers   []openbadge.Issuer
	ids       map[string]policy.IssuerID       // the key is the profile of the issuer
	lists     map[string]*openbadge.StatusList // the key is the address of the list
	documents documents
}

// claims records which members list a credential; each credential is named by its place in the verdict cache. A badge
// is issued to one recipient.
type claims struct {
	listed []int32       // for each credential, 1 + the place in members.people of the member who lists it; 0: none yet
	twice  map[int]bool  // the credentials that two members list
	owner  map[int]int32 // for each credential that two members list: the recipient, encoded as in listed
	shared map[int]bool  // the credentials with two recipients, which neither member may use
}

// emptyRoster returns a roster with the policy but without members.
func (l *loader) emptyRoster() *Roster {
	return &Roster{
		Policy: l.r.Policy, PolicyNumber: l.r.PolicyNumber, Signed: l.signed, Version: l.m.Version, Issued: l.m.Issued,
		machine: l.o.Machine,
		members: members{ids: map[policy.MemberID]int32{}},
		cards: cards{
			active: newCardIndex(l.o.CardKey, l.old...), refused: newCardIndex(l.o.CardKey, l.old...),
			key: l.o.CardKey, old: l.old, short: l.o.ShortNumbers,
		},
	}
}

// loadBuckets loads the roster's buckets in order.
func (l *loader) loadBuckets(ahead *bucketReader) error {
	for b := range wire.Buckets {
		bucket, err := ahead.next()
		if err != nil {
			return err
		}
		if bucket == nil {
			continue
		}
		if err := l.bucket(b, *bucket); err != nil {
			return err
		}
	}
	return nil
}

func newLoader(s wire.Store, m wire.Manifest, o Options) (*loader, error) {
	old, err := o.chooseCardKey(m)
	if err != nil {
		return nil, err
	}
	var signed wire.SignedPolicy
	if o.Policy != nil {
		var err error
		if signed, err = m.CheckPolicy(o.Policy); err != nil {
			return nil, err
		}
	}
	text, err := s.Chunk(m, wire.PolicyChunk)
	if err != nil {
		return nil, err
	}
	p, err := file.Parse(wire.PolicyChunk, text)
	if err != nil {
		return nil, err
	}
	if p.Site != m.Site {
		return nil, fmt.Errorf("policy.yaml names the site %q, want the bundle's site %q", p.Site, m.Site)
	}
	if o.Policy != nil && p.SignedBindings && signed.Bindings == "" {
		return nil, &wire.Refusal{Code: wire.PolicyUnsigned,
			Detail: fmt.Sprintf("policy number %d says «bindings: signed», and was signed without bindings", signed.Number)}
	}
	l := &loader{
		store: s, m: m, o: o, old: old, signed: signed, trust: newTrust(p.Issuers),
		r:      &Roster{Policy: p, PolicyNumber: wire.PolicyNumber(text)},
		kinds:  map[policy.Holding]int32{},
		claims: claims{twice: map[int]bool{}, owner: map[int]int32{}, shared: map[int]bool{}},
	}
	l.r = l.emptyRoster()
	seen, err := l.readDocuments()
	if err != nil {
		return nil, err
	}
	l.memory = readMemory(o.Memory, l.trust.issuers, seen)
	if o.Policy != nil {
		l.revoked = readRevoked(o.Revoked)
	}
	return l, l.status()
}

// newTrust returns the trust in the policy's issuers, before any document is added.
func newTrust(issuers []policy.Issuer) trust {
	out := trust{
		issuers: trustOf(issuers), ids: map[string]policy.IssuerID{}, lists: map[string]*openbadge.StatusList{},
	}
	for _, i := range issuers {
		out.ids[i.Profile] = i.ID
	}
	return out
}

// trustOf returns the issuers that a policy trusts, with the badges that each may issue.
func trustOf(issuers []policy.Issuer) []openbadge.Issuer {
	var out []openbadge.Issuer
	for _, i := range issuers {
		out = append(out, openbadge.Issuer{ID: i.Profile, Keys: i.Keys, StatusIssuers: policy.StatusProfiles(issuers, i)})
	}
	return out
}

// documents are copies of documents on the web, by address, as they were when the bundle was built: keys of did:web,
// keys of profiles, and hosted badges.
type documents map[string][]byte

// Resolve implements openbadge.Resolver. If the bundle does not contain the document of an address, fetching that
// address is an error.
func (d documents) Resolve(url string) ([]byte, error) {
	if b, ok := d[url]; ok {
		return b, nil
	}
	return nil, errors.New("the bundle does not contain this document")
}

// readDocuments reads the chunk that contains the documents, and returns its hash. The verdicts depend on this hash.
func (l *loader) readDocuments() (seen string, err error) {
	b, err := l.store.Chunk(l.m, wire.DocumentsChunk)
	if err != nil || b == nil {
		return "", err
	}
	var all wire.StatusBucket
	if err := wire.DecodeChunk(b, &all); err != nil {
		return "", fmt.Errorf("documents: %w", err)
	}
	l.trust.documents = documents{}
	for _, d := range all.Lists {
		l.trust.documents[d.URL] = d.Body
	}
	return wire.Hash(b), nil
}

func (l *loader) status() error {
	b, err := l.store.Chunk(l.m, wire.StatusChunk)
	if err != nil || b == nil {
		return err
	}
	var lists wire.StatusBucket
	if err := wire.DecodeChunk(b, &lists); err != nil {
		return fmt.Errorf("status lists: %w", err)
	}
	for _, s := range lists.Lists {
		l.addStatusList(s.URL, s.Body)
	}
	return nil
}

// addStatusList stores a status list from the bundle. The policy's status-grace limits the age of the list. If a list
// cannot be verified, addStatusList ignores the list.
func (l *loader) addStatusList(url string, body []byte) {
	if list, err := openbadge.ReadStatusList(body, openbadge.Options{
		Trust:     l.trust.issuers,
		At:        l.m.Issued,
		Documents: l.trust.documents,
	}); err == nil {
		l.trust.lists[url] = list
	}
}

func (l *loader) bucket(b int, bucket wire.RosterBucket) error {
	if err := l.checkBindings(b, bucket); err != nil {
		return err
	}
	pack(bucket.Members)
	places := make([][]int, len(bucket.Members)) // places of each member's badges in the verdict cache
	for i, m := range bucket.Members {
		for _, sha := range m.Badges {
			if h, ok := parseHash(sha); ok {
				places[i] = append(places[i], l.memory.place(h))
			}
		}
	}
	if err := l.verifyUnknown(b, places); err != nil {
		return err
	}
	for i, m := range bucket.Members {
		if err := l.add(m, places[i]); err != nil {
			return fmt.Errorf("%s: %w", wire.RosterChunk(b), err)
		}
	}
	return nil
}

// pack copies the ids and names of members into one string. Otherwise each string from the decoder would keep a part of
// the decoder's buffers in memory.
func pack(members []wire.Member) {
	var b strings.Builder
	for _, m := range members {
		b.WriteString(m.ID)
		b.WriteString(m.Name)
	}
	rest := b.String()
	for i := range members {
		m := &members[i]
		m.ID, rest = rest[:len(m.ID)], rest[len(m.ID):]
		m.Name, rest = rest[:len(m.Name)], rest[len(m.Name):]
	}
}

// verifyUnknown verifies those credentials of the bucket that have no cached verdict. In most loads, all credentials
// have a cached verdict.
func (l *loader) verifyUnknown(b int, places [][]int) error {
	unknown := map[credentialHash]int{} // places of these credentials in the verdict cache
	for _, m := range places {
		for _, place := range m {
			if h, known := l.memory.has(place); !known {
				unknown[h] = place
			}
		}
	}
	if len(unknown) == 0 {
		return nil
	}
	raw, err := l.store.Chunk(l.m, wire.BadgesChunk(b))
	if err != nil || raw == nil {
		return err
	}
	var badges wire.BadgesBucket
	if err := wire.DecodeChunk(raw, &badges); err != nil {
		return fmt.Errorf("%s: %w", wire.BadgesChunk(b), err)
	}
	for _, c := range badges.Credentials {
		h := credentialHash(sha256.Sum256(c))
		place, ok := unknown[h]
		if !ok {
			continue
		}
		if l.r.Verified++; l.o.MaxUnverified > 0 && l.r.Verified > l.o.MaxUnverified {
			return ErrUnverified
		}
		delete(unknown, h) // a credential that occurs twice in a chunk gets one verdict
		l.memory.set(place, l.verify(c))
		runtime.Gosched() // after each verified signature, let a tap that waits run, even on a computer with one core
	}
	return l.memory.saveFresh(l.o.Memory)
}

func (l *loader) add(m wire.Member, badges []int) error {
	id := policy.MemberID(m.ID)
	if _, twice := l.r.members.ids[id]; twice || id == "" {
		return fmt.Errorf("member id %q is empty or occurs twice", m.ID)
	}
	at := int32(len(l.r.members.people))
	p := person{
		id:       id,
		blocked:  m.Blocked,
		name:     m.Name,
		language: l.r.Policy.Language,
		first:    int32(len(l.r.members.holdings)),
	}
	l.addHoldings(m, badges, at)
	p.last = int32(len(l.r.members.holdings))
	var err error
	if p.until, err = m.LastDay(); err != nil {
		p.blocked = true // invalid data about a member block only this member
	}
	switch m.Language {
	case "fr":
		p.language = policy.French
	case "en":
		p.language = policy.English
	}
	if why := m.Unknown(); why != nil {
		p.blocked = true
		l.r.Denied = append(l.r.Denied, Denied{id, why})
	}
	l.r.members.people = append(l.r.members.people, p)
	l.r.members.ids[id] = at
	l.addCards(m, at)
	return nil
}
