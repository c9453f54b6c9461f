package roster

import (
	"crypto/sha256"
	"maps"
	"slices"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// nobody is the place of a form that the cards of two members share.
const nobody = -1

// RefusedCard is a card that the site refuses, and the member to whom the card belongs.
type RefusedCard struct {
	Person Person
	State  policy.CardState
	Since  string // day on which the site recorded why the card is refused; empty: unknown
}

// cardIndex maps a card's number, and the other forms of that number, to a place in a list.
type cardIndex struct {
	key   []byte
	old   []oldKey            // earlier card keys, because some entries of exact were computed with them
	exact map[cardEntry]int32 // the key is the HMAC of the number
	forms map[cardEntry]int32 // the key is a wire.CardFormHash, and the value is nobody if two members share the form
}

// cardEntry is the first half (16 bytes) of the SHA-256 of a card entry in a bundle: finding another entry with the
// same half takes 2^128 attempts.
type cardEntry [16]byte

func newCardEntry(entry string) (e cardEntry) {
	h := sha256.Sum256([]byte(entry))
	return cardEntry(h[:len(e)])
}

func newCardIndex(key []byte, old ...oldKey) cardIndex {
	return cardIndex{key, old, map[cardEntry]int32{}, map[cardEntry]int32{}}
}

// addForm adds a form of a card to the index.
func (x cardIndex) addForm(entry string, at int32) {
	e := newCardEntry(entry)
	if other, twice := x.forms[e]; twice && other != at {
		at = nobody
	}
	x.forms[e] = at
}

// byForm returns the place to which the derived forms of a number lead, if they lead to exactly one place.
func (x cardIndex) byForm(uid rfid.UID, short bool) (int32, bool) {
	places := x.placesByForm(uid, short)
	if len(places) != 1 || places[0] == nobody {
		return 0, false
	}
	return places[0], true
}

// placesByForm returns all places to which the derived forms of a number lead. The places are sorted, with nobody
// first.
func (x cardIndex) placesByForm(uid rfid.UID, short bool) []int32 {
	places := map[int32]bool{}
	form := func(use wire.CardForm, u rfid.UID) {
		if i, ok := x.forms[newCardEntry(wire.CardFormHash(x.key, use, u.Bytes()))]; ok {
			places[i] = true
		}
	}
	for _, f := range rfid.Forms(uid) {
		switch {
		case f.Kind == rfid.Reversed:
			if i, ok := x.byNumber(f.Number); ok {
				places[i] = true
			}
		case f.Kind.Short():
			form(wire.PartForm, f.Number)
		}
	}
	if short {
		form(wire.ShortForm, uid)
	}
	return slices.Sorted(maps.Keys(places))
}

// addCards adds the cards of a member. at is the member's place in members.people. If a card is refused for one member,
// it grants nothing to any member.
func (l *loader) addCards(m wire.Member, at int32) {
	for _, c := range m.CardStates {
		state, err := policy.ParseCardState(c.State)
		if err != nil || state == policy.ActiveCard { // the state is one of a later release, or is invalid for this card
			state = policy.BlockedCard
		}
		l.r.cards.refusals = append(l.r.cards.refusals, refusal{at, state, c.Since})
		place := int32(len(l.r.cards.refusals) - 1)
		if wire.IsCardForm(c.Card) {
			l.r.cards.refused.addForm(c.Card, place)
			continue
		}
		delete(l.r.cards.active.exact, newCardEntry(c.Card))
		l.r.cards.refused.exact[newCardEntry(c.Card)] = place
	}
	for _, c := range m.Cards {
		l.addCard(c, at)
	}
}

func (l *loader) addCard(entry string, at int32) {
	if wire.IsCardForm(entry) {
		l.r.cards.active.addForm(entry, at)
		return
	}
	e := newCardEntry(entry)
	if other, twice := l.r.cards.active.exact[e]; twice {
		// Two members own the card, so block the card for both of them.
		l.r.members.people[other].blocked, l.r.members.people[at].blocked = true, true
	}
	if _, refused := l.r.cards.refused.exact[e]; !refused {
		l.r.cards.active.exact[e] = at
	}
}

// refusal is a RefusedCard with its member's place in members.people.
type refusal struct {
	at    int32
	state policy.CardState
	since string
}

// Refused returns the refused card with this number or a form of it. Lookup does not return refused cards.
func (r *Roster) Refused(uid rfid.UID) (RefusedCard, bool) { return r.findRefused(uid, r.cards.short) }

func (r *Roster) findRefused(uid rfid.UID, short bool) (RefusedCard, bool) {
	i, ok := r.cards.refused.byNumber(uid)
	if _, active := r.cards.active.byNumber(uid); !ok && !active {
		// A card that was recorded as lost in two formats has two places in the index, and both mean a refusal.
		if places := r.cards.refused.placesByForm(uid, short); len(places) > 0 && places[len(places)-1] != nobody {
			i, ok = places[len(places)-1], true
		}
	}
	if !ok {
		return RefusedCard{}, false
	}
	c := r.cards.refusals[i]
	return RefusedCard{Person: r.person(c.at), State: c.state, Since: c.since}, true
}

// Lookup returns the member to whom a card belongs. An exact match of the number has precedence. If no number
// matches exactly, Lookup tries the other forms of the number (rfid.Forms). Lookup uses a form that leads to exactly
// one member and to no refused card, in one of these cases:
//
//   - its bytes reversed are a member's card;
//   - it ends in a part that members.yaml names as printed on a member's card (dec:, wiegand26:, wiegand34:);
//   - it is a short form of a member's card, and this machine's reader may give short numbers (Options.ShortNumbers).
//     At other machines, Lookup never treats a whole number as the short form of another number.
func (r *Roster) Lookup(uid rfid.UID) (Person, bool) { return r.find(uid, r.cards.short) }

// LookupPart returns the member to whom a card belongs, for a number that may be a part of the card's number, such as
// the number printed on the card.
func (r *Roster) LookupPart(uid rfid.UID) (Person, bool) { return r.find(uid, true) }

func (r *Roster) find(uid rfid.UID, short bool) (Person, bool) {
	if _, refused := r.findRefused(uid, short); refused {
		return Person{}, false
	}
	i, ok := r.cards.active.byNumber(uid)
	if !ok {
		i, ok = r.cards.active.byForm(uid, short)
	}
	if !ok {
		return Person{}, false
	}
	return r.at(i), true
}
