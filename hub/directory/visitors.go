package directory

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/rfid"
)

// Visitors examines the badges of people who are not members, and adds such people as members with a badge and a
// card. Package hub/visitor decides whom the site lets in.
type Visitors struct {
	badges *Badges
	taps   *Taps
}

// Visitors returns the service for people with a badge of another lab.
func (s *Services) Visitors() *Visitors { return &Visitors{badges: s.Badges, taps: s.Taps} }

// Brought is a badge that a person brings: the bytes of a file, or the https address of a badge. If URL is set, the
// hub fetches the badge, and ignores Data.
type Brought struct {
	Name string // name of the file
	Data []byte
	URL  string
}

// Examined is the hub's answer about a badge that nobody has stored.
type Examined struct {
	Badge   Badge
	Data    []byte          // bytes of the badge
	File    string          // name of the file
	Why     string          // why the badge is not valid; empty: the badge is valid
	Matches []policy.Match  // badges of the policy that the badge satisfies
	Holder  policy.MemberID // member who has this badge already; empty: nobody
	// Addresses are the recipient's e-mail addresses that the badge contains as plain text. Hashed is true if the
	// badge contains an address only as a hash. Subject is the recipient's DID or URL.
	Addresses []string
	Hashed    bool
	Subject   string
	// IsRecipient is true if the address that the person stated is the recipient's.
	IsRecipient bool
	// Machines says, for each machine of the policy, what the badge permits its recipient now.
	Machines []OwnMachine
}

// Examine verifies a badge, and stores nothing. address is the e-mail address that the person states; it may be
// empty. Examine asks issuers for the current status of the badge, unless they are out of reach. The actor needs
// actor.WriteBadges. The error is *fault.Invalid if an address of a badge cannot be fetched. Examine reads no ZIP.
func (s *Visitors) Examine(ctx context.Context, a actor.Actor, b Brought, address string) (Examined, error) {
	if err := a.May(actor.WriteBadges, about("")); err != nil {
		return Examined{}, err
	}
	f := upload{name: b.Name, from: b.Name, data: b.Data}
	if b.URL != "" {
		var err error
		if f, err = s.badges.fetchBadge(ctx, b.URL); err != nil {
			return Examined{}, err
		}
	}
	core := s.badges.core
	p, err := core.policy(ctx)
	if err != nil {
		return Examined{}, err
	}
	src, err := s.badges.documents.sources(ctx, true)
	if err != nil {
		return Examined{}, err
	}
	x, err := core.index.current(ctx)
	if err != nil {
		return Examined{}, err
	}
	v := verify(f.data, p, src, core.now())
	v.From, v.ID = f.from, idOf(f.data)
	out := Examined{Badge: v.Badge, Data: f.data, File: f.name, Why: v.why}
	if v.badge == nil {
		return out, nil
	}
	out.Matches = matchesOf(p, v.issuer, v.achievement)
	out.Holder = x.holderOf(v.ID)
	out.Addresses, out.Hashed, out.Subject = recipientOf(v.badge)
	out.IsRecipient = address != "" && v.badge.IsFor(openbadge.Recipient{Emails: []string{address}})
	out.Machines = core.machinesOf(p, &v)
	return out, nil
}

// idOf returns the id of a badge: the SHA-256 of its bytes.
func idOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// holderOf returns the member who has a badge; empty: nobody.
func (x *index) holderOf(badge string) policy.MemberID {
	for _, e := range x.entries {
		if slices.ContainsFunc(e.Badges, func(b Badge) bool { return b.ID == badge }) {
			return e.ID
		}
	}
	return ""
}

// recipientOf returns the plain e-mail addresses of a badge's recipient, whether the badge has a hashed address,
// and the recipient's DID or URL.
func recipientOf(b *openbadge.Badge) (addresses []string, hashed bool, subject string) {
	subject = b.Subject
	if address, ok := strings.CutPrefix(subject, "mailto:"); ok {
		addresses, subject = append(addresses, address), ""
	}
	for _, id := range b.Identifiers {
		if id.Type != "emailAddress" && id.Type != "email" {
			continue
		}
		if id.Hashed {
			hashed = true
		} else if !slices.Contains(addresses, id.Hash) {
			addresses = append(addresses, id.Hash)
		}
	}
	return addresses, hashed, subject
}

// machinesOf returns what the badge permits its recipient at each machine now, if the recipient has no other badge.
func (s *core) machinesOf(p *policy.Policy, v *verified) (out []OwnMachine) {
	if p == nil {
		return nil
	}
	const recipientID = "urn:portillon:visitor" // any subject that the badge and the person have in common
	h := v.held
	h.to = recipient{Subject: recipientID}
	who := memberUnder(p, &record{Member: Member{ID: "visitor", Subjects: []string{recipientID}}, held: []held{h}})
	now := s.now()
	for i := range p.Machines {
		m := &p.Machines[i]
		out = append(out, ownMachine(p, m, policy.Question{At: now, Issued: now, Clock: policy.Trusted, Member: who,
			Card: policy.AES, Machine: m.ID, CardState: policy.ActiveCard}))
	}
	return out
}

// Admission is a person whom the site lets in. The card is that of the tap Tap, or has the number Number.
type Admission struct {
	Name, Language string
	Email, Subject string      // recipient of the badge; at least one is set
	Until          policy.Date // last day of the membership
	Badge          Brought     // with Data
	Tap, Number    string
	// Also writes what another package stores about the new member, in the same transaction.
	Also func(ctx context.Context, tx *store.Tx, id policy.MemberID) error
}

// Admit adds a member with one badge and one card. Either all of this is stored, or nothing. The actor needs
// actor.WriteMembers, actor.WriteBadges and actor.WriteCards, and actor.ReadTaps for the card of a tap. The error
// is *fault.Invalid if the badge is not valid now, was issued to somebody else or belongs to a member; if a member
// has the address; or if the card belongs to a member or has a random number.
func (s *Visitors) Admit(ctx context.Context, a actor.Actor, x Admission) (policy.MemberID, error) {
	if err := cmp.Or(a.May(actor.WriteMembers, about("")), a.May(actor.WriteBadges, about("")),
		a.May(actor.WriteCards, about(""))); err != nil {
		return "", err
	}
	card, err := s.cardOf(ctx, a, x)
	if err != nil {
		return "", err
	}
	core := s.badges.core
	p, err := core.policy(ctx)
	if err != nil {
		return "", err
	}
	src, err := s.badges.documents.sources(ctx, false)
	if err != nil {
		return "", err
	}
	v := verify(x.Badge.Data, p, src, core.now())
	v.ID, v.From = idOf(x.Badge.Data), cmp.Or(x.Badge.URL, x.Badge.Name)
	v.File = fileName(upload{name: x.Badge.Name, data: x.Badge.Data})
	if wrong := whyNoVisitor(&v, x); wrong != "" {
		return "", &fault.Invalid{Faults: []fault.Field{{Field: "badge", Given: clip(v.From, 200), Wrong: wrong,
			Right: "a valid badge of this person"}}}
	}
	src.accept()
	r := &record{Member: Member{Name: x.Name, Language: x.Language, Emails: values(x.Email),
		Subjects: values(x.Subject), Until: x.Until}}
	err = core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		if err := c.addVisitor(ctx, r, &v, x.Badge.Data, card); err != nil {
			return "", "", err
		}
		if err := c.writeSources(ctx, src); err != nil {
			return "", "", err
		}
		return auditName(r.ID), "visitor let in until " + x.Until.String(), x.Also(ctx, c.Tx, r.ID)
	})
	return r.ID, err
}

// values returns a list of one value, or no list if the value is empty.
func values(v string) []string {
	if v == "" {
		return nil
	}
	return []string{v}
}

// whyNoVisitor returns why a badge lets nobody in; empty: the badge is valid and was issued to this person.
func whyNoVisitor(v *verified, x Admission) string {
	switch {
	case v.badge == nil:
		return "not a badge that can be read: " + clip(v.why, 300)
	case v.Verdict != openbadge.Valid.String():
		return "the badge is not valid: " + clip(v.why, 300)
	case !v.badge.IsFor(openbadge.Recipient{Emails: values(x.Email), Subjects: values(x.Subject)}):
		return "the badge was issued to somebody else: none of the member's addresses and subjects is its recipient"
	}
	return ""
}

// cardOf returns the card of an admission.
func (s *Visitors) cardOf(ctx context.Context, a actor.Actor, x Admission) (Card, error) {
	if x.Tap != "" {
		number, err := s.taps.numberOf(ctx, a, x.Tap)
		return Card{Number: number, State: Active, Last: lastDigits(number)}, err
	}
	card := Card{Number: x.Number}
	if err := parseCard(&card); err != nil {
		return Card{}, err
	}
	// A typed number says nothing about the reader, so a number that looks random is refused even if a card of
	// another kind has it. Machines recognise random numbers by themselves, and list no tap of such a card.
	if b, err := hex.DecodeString(card.Number); err == nil && !card.Part {
		if u, err := rfid.UIDOf(b); err == nil && rfid.Random(u) {
			return Card{}, &fault.Invalid{Faults: []fault.Field{{Field: "number",
				Wrong: "the number begins with 08: telephones and some bank cards invent such a number at each tap",
				Right: "another card"}}}
		}
	}
	return card, nil
}

// addVisitor writes a member with one badge and one card.
func (c *change) addVisitor(ctx context.Context, r *record, v *verified, data []byte, card Card) error {
	var n int
	for _, e := range r.Emails {
		if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM member_value WHERE site = $1 AND kind = 'email'
			AND lower(value) = lower($2)`, e).Scan(&n); err != nil {
			return err
		}
	}
	for _, e := range r.Subjects {
		if n > 0 {
			break
		}
		if err := c.QueryRow(ctx, `SELECT COUNT(*) FROM member_value WHERE site = $1 AND kind = 'subject' AND value = $2`,
			e).Scan(&n); err != nil {
			return err
		}
	}
	if n > 0 {
		return &fault.Invalid{Faults: []fault.Field{{Field: "email", Wrong: "a member has this address or subject",
			Right: "add the badge and the card on the member's page"}}}
	}
	if err := c.add(ctx, r); err != nil {
		return err
	}
	v.Member = r.ID
	if err := c.writeMemberBadge(ctx, v, data, false); err != nil {
		return err
	}
	fresh, err := loadOne(ctx, c, r.ID)
	if err != nil {
		return err
	}
	card.Since = c.now
	if err := c.addCard(ctx, fresh, &card); err != nil {
		return err
	}
	return c.save(ctx, fresh)
}

// End ends the visit of a member: End blocks the member and removes the member's cards, so that another person may
// get such a card. The actor needs actor.WriteMembers and actor.WriteCards about the member. The error is
// *fault.NotFound if the member does not exist.
func (s *Visitors) End(ctx context.Context, a actor.Actor, id policy.MemberID) error {
	if err := cmp.Or(a.May(actor.WriteMembers, about(id)), a.May(actor.WriteCards, about(id))); err != nil {
		return err
	}
	return s.badges.core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		r, err := loadOne(ctx, c, id)
		if err != nil {
			return "", "", err
		}
		if _, err := c.Exec(ctx, `DELETE FROM card WHERE site = $1 AND member = $2`, string(id)); err != nil {
			return "", "", err
		}
		n := len(r.Cards)
		r.Cards, r.Blocked = nil, true
		return auditName(id), fmt.Sprintf("visit ended, %d cards removed", n), c.save(ctx, r)
	})
}
