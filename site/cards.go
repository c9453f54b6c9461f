package site

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"portillon/rfid"
	"portillon/wire"
	"portillon/yamlfile"
)

// hmacPrefix is the prefix of the entry of a card that was enrolled by its code. The entry contains the HMAC of the
// card's number under the site's card key, so that no file contains the number. The HMAC is that of the number that
// the enrolling reader reported. Readers that report the bytes in reverse order recognise the card too. Short forms
// of a number cannot be derived from an HMAC, so readers that report more or fewer digits of the same card do not
// recognise it.
const hmacPrefix = "hmac:"

// parseHMAC parses hmac:<64 hexadecimal digits>, or hmac:<check value of a card key>:<64 hexadecimal digits> while a
// site changes its card key (wire.MarkCard).
func parseHMAC(s string) (string, bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), hmacPrefix)
	rest = strings.ToLower(strings.TrimSpace(rest))
	return hmacPrefix + rest, ok && wire.IsCardEntry(rest)
}

// rejectSameCards returns an error if a card is listed both by number and by HMAC, because machines would block both
// entries.
func (s *Site) rejectSameCards(key *cardHasher) error {
	seen := map[string]heldCard{}
	var errs []error
	for i, m := range s.Members {
		for k, card := range m.allNumbers() {
			h := heldCard{member: i, card: k}
			hash := key.hash(card)
			if other, twice := seen[hash]; twice {
				errs = append(errs,
					fmt.Errorf("members.yaml: %s is the same card as %s: remove one entry", s.cardName(h), s.cardName(other)))
			}
			seen[hash] = h
		}
	}
	return errors.Join(errs...)
}

// parseCard parses the number of the member's card with index i. The fault quotes the number only if it has ten digits,
// to show the decimal and the hexadecimal reading.
func parseCard(n yamlfile.Node, i int, s string) (rfid.Card, bool) {
	c, err := rfid.ParseCard(s)
	if err != nil {
		n.Fault(rfid.CardFormats, "card %d is not a card's number: %v", i+1, err)
	}
	return c, err == nil
}

// heldCard is a card with its position in members.yaml.
type heldCard struct {
	member, card int // indexes of the member and of the card, from 0; active cards have the first indexes
	number       rfid.UID
	part         bool
	refused      *InactiveCard // state of the card; nil: the card is active
	kind         rfid.FormKind // rule by which the form is derived from the number; Exact: the form is the number itself
}

// allCards returns the cards of all members, including refused ones.
func (s *Site) allCards(key *cardHasher) (out []heldCard) {
	out = make([]heldCard, 0, len(s.Members))
	for i, m := range s.Members {
		place := 0
		add := func(text string, part bool, refused *InactiveCard) {
			if u, ok := key.parseNumber(text); ok { // skip an hmac: entry, which has no number
				out = append(out, heldCard{member: i, card: place, number: u, part: part, refused: refused})
			}
			place++
		}
		for _, text := range m.Cards {
			add(text, slices.Contains(m.Parts, text), nil)
		}
		for k := range m.Inactive {
			add(m.Inactive[k].Number, m.Inactive[k].Part, &m.Inactive[k])
		}
	}
	return out
}

// cardForms contains the forms of the members' cards for the bundle, by the member's index in Site.Members.
type cardForms struct {
	active  map[int][]string
	refused map[int][]wire.CardState
	unclear map[string]bool // hmac: entries that equal a form of another member's card, and that machines therefore refuse
}

func (f cardForms) add(h heldCard, hash string) {
	if h.refused != nil {
		f.refused[h.member] = append(f.refused[h.member], h.refused.wire(hash))
		return
	}
	f.active[h.member] = append(f.active[h.member], hash)
}

// cardForms derives the forms of all cards. Machines refuse a lost card at every reader, because the bundle includes
// the forms of refused cards too.
//
// The bundle includes only short forms and named parts, because machines reverse numbers themselves. The bundle leaves
// out a short form that the cards of two members share, because the form identifies neither card. If a short form
// equals the whole number of another card, the bundle assigns the form only to that other card. In both cases, a
// warning names the members.
func (b *Built) cardForms(s *Site, key *cardHasher) cardForms {
	out := cardForms{map[int][]string{}, map[int][]wire.CardState{}, map[string]bool{}}
	enrolled, all := s.enrolledCards(), s.allCards(key)
	exact, derived := make(map[rfid.UID]heldCard, len(all)), make(map[rfid.UID][]heldCard, len(all))
	for _, h := range all {
		exact[h.number] = h
		for _, f := range rfid.Forms(h.number)[1:] {
			of := h
			of.kind = f.Kind
			derived[f.Number] = append(derived[f.Number], of)
		}
		if h.part {
			out.add(h, key.hashForm(wire.PartForm, h.number))
		}
	}
	for _, u := range slices.SortedFunc(maps.Keys(derived), compareNumbers) {
		if len(enrolled) > 0 {
			if owner, ok := enrolled[hmacPrefix+key.hash(u.Hex())]; ok {
				b.warnEnrolled(s, owner, derived[u], out.unclear)
			}
		}
		if owner, ok := exact[u]; ok {
			b.warnTaken(s, owner, derived[u])
			continue
		}
		b.warnShared(s, derived[u])
		if h, ok := shortOwner(derived[u]); ok {
			out.add(h, key.hashForm(wire.ShortForm, u))
		}
	}
	return out
}

// shortOwner returns the card to which the bundle assigns a short form. If two members share the form, the bundle
// assigns it to no card. There is one exception: if the form equals the reversed number of a third card, the bundle
// does assign the form, so that a machine finds two members and refuses both. Among one member's cards, a refused
// card has priority.
func shortOwner(holders []heldCard) (heldCard, bool) {
	var short []heldCard // maps each member to one of the member's cards with this form
	reversed := -1
	for _, h := range holders {
		if !h.kind.Short() {
			reversed = h.member
			continue
		}
		i := slices.IndexFunc(short, func(x heldCard) bool { return x.member == h.member })
		switch {
		case i < 0:
			short = append(short, h)
		case h.refused != nil:
			short[i] = h
		}
	}
	if reversed >= 0 {
		short = slices.DeleteFunc(short, func(x heldCard) bool { return x.member == reversed })
	} else if len(short) > 1 {
		return heldCard{}, false
	}
	if len(short) == 0 {
		return heldCard{}, false
	}
	return short[0], true
}

// warnTaken warns of a form that equals another member's card, or that equals a card of the same member with another
// state. An example is a card that is lost under its printed number, but still active under the number that a reader
// reports.
func (b *Built) warnTaken(s *Site, owner heldCard, holders []heldCard) {
	for _, h := range holders {
		if h.member == owner.member && (h.refused == nil) != (owner.refused == nil) {
			b.warnStillInUse(s, owner, h)
			continue
		}
		if h.member != owner.member {
			b.warnf("members.yaml: %s, read as %q, is %s: that form counts for %s alone",
				s.cardName(h), h.kind.String(), s.cardName(owner), s.memberName(owner))
		}
	}
}

// warnShared warns of a form that cards of several members share.
func (b *Built) warnShared(s *Site, holders []heldCard) {
	for _, h := range holders[1:] {
		if first := holders[0]; h.member != first.member {
			b.warnf("members.yaml: %s (%s) and %s (%s) have the same form: that form counts for neither, "+
				"the numbers themselves count as before", s.cardName(first), first.kind, s.cardName(h), h.kind)
		}
	}
}

// warnStillInUse warns of an active and a refused entry of one member that may be the same card.
func (b *Built) warnStillInUse(s *Site, active, refused heldCard) {
	if active.refused != nil {
		active, refused = refused, active
	}
	w := fmt.Sprintf("members.yaml: %s is %s, and may be the same card as %s, which is in use: where they are one card, "+
		"it still opens machines; give both the state %s",
		s.cardName(refused), refused.refused.State, s.cardName(active), refused.refused.State)
	if !slices.Contains(b.Warnings, w) { // report two numbers that are each other's reverse only once
		b.Warnings = append(b.Warnings, w)
	}
}

// enrolledCards returns the cards that were enrolled by their codes. The key of the result is the hmac: entry.
func (s *Site) enrolledCards() map[string]heldCard {
	out := map[string]heldCard{}
	for i, m := range s.Members {
		for k, c := range m.Cards {
			if strings.HasPrefix(c, hmacPrefix) {
				out[c] = heldCard{member: i, card: k}
			}
		}
		for k := range m.Inactive {
			if c := m.Inactive[k].Number; strings.HasPrefix(c, hmacPrefix) {
				out[c] = heldCard{member: i, card: len(m.Cards) + k, refused: &m.Inactive[k]}
			}
		}
	}
	return out
}

// warnEnrolled warns of an enrolled card whose entry equals a form of another card, because the enrolling reader
// reports short numbers. With this entry, machines would accept another member's card as this member's card, or accept
// a refused card.
func (b *Built) warnEnrolled(s *Site, owner heldCard, holders []heldCard, unclear map[string]bool) {
	for _, h := range holders {
		switch {
		case owner.refused != nil && h.member == owner.member && h.refused == nil:
			b.warnStillInUse(s, owner, h)
		case owner.refused == nil && (h.member != owner.member || h.refused != nil):
			unclear[s.Members[owner.member].Cards[owner.card]] = true
			b.warnf("members.yaml: %s, which was enrolled by its code, is what a reader gives for %s (%s): "+
				"the entry is left out; list the card by the number that is printed on it, "+
				"or enrol it at a reader of whole numbers", s.cardName(owner), s.cardName(h), h.kind)
		}
	}
}

func (s *Site) memberName(h heldCard) string {
	return fmt.Sprintf("%s (%s)", s.Members[h.member].Name, s.Members[h.member].ID)
}

func (s *Site) cardName(h heldCard) string {
	return fmt.Sprintf("card %d of %s", h.card+1, s.memberName(h))
}

// compareNumbers compares numbers by their bytes.
func compareNumbers(a, b rfid.UID) int { return bytes.Compare(a.Bytes(), b.Bytes()) }
