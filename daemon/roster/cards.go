package roster

import (
	"crypto/sha256"
	"maps"
	"slices"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// nobody stands for a form that two members' cards share.
const nobody = -1

// RefusedCard is a card that the site refuses, and the member whose card it is.
type RefusedCard struct {
	Person Person
	State  policy.CardState
	Since  string // the day on which the site wrote it down; empty: it did not
}

// cardIndex finds the place of what a card stands for, by the number itself and by other forms of it.
type cardIndex struct {
	key   []byte
	old   []oldKey            // card keys of before, which marked entries of exact were made with
	exact map[cardEntry]int32 // by HMAC
	forms map[cardEntry]int32 // by wire.CardFormHash; nobody where two share it
}

// cardEntry is an entry of a bundle's cards in 16 bytes, the first half of its SHA-256: to find another with the same
// half takes 2^128 tries.
type cardEntry [16]byte

func newCardEntry(entry string) (e cardEntry) {
	h := sha256.Sum256([]byte(entry))
	return cardEntry(h[:len(e)])
}

func newCardIndex(key []byte, old ...oldKey) cardIndex {
	return cardIndex{key, old, map[cardEntry]int32{}, map[cardEntry]int32{}}
}

// addForm learns a form of a card.
func (x cardIndex) addForm(entry string, at int32) {
	e := newCardEntry(entry)
	if other, twice := x.forms[e]; twice && other != at {
		at = nobody
	}
	x.forms[e] = at
}

// byForm finds the one place to which the derived forms of a number lead.
func (x cardIndex) byForm(uid rfid.UID, short bool) (int32, bool) {
	places := x.placesByForm(uid, short)
	if len(places) != 1 || places[0] == nobody {
		return 0, false
	}
	return places[0], true
}

// placesByForm finds all places to which the derived forms of a number lead, in order; nobody is the first.
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

// addCards adds the cards of the member whose place among the people is at. A card that is refused for anybody
// opens nothing for anybody.
func (l *loader) addCards(m wire.Member, at int32) {
	for _, c := range m.CardStates {
		state, err := policy.ParseCardState(c.State)
		if err != nil || state == policy.ActiveCard { // a state of a later version, or one that does not belong here
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
		// Nobody can tell whose card this is: it opens nothing.
		l.r.members.people[other].blocked, l.r.members.people[at].blocked = true, true
	}
	if _, refused := l.r.cards.refused.exact[e]; !refused {
		l.r.cards.active.exact[e] = at
	}
}

// refusal is a RefusedCard with its member's place among the people.
type refusal struct {
	at    int32
	state policy.CardState
	since string
}

// Refused finds a card that the site refuses, by the number itself or a form of it. Lookup does not find it.
func (r *Roster) Refused(uid rfid.UID) (RefusedCard, bool) { return r.findRefused(uid, r.cards.short) }

func (r *Roster) findRefused(uid rfid.UID, short bool) (RefusedCard, bool) {
	i, ok := r.cards.refused.byNumber(uid)
	if _, active := r.cards.active.byNumber(uid); !ok && !active {
		// A card that was written down as lost in two formats has two places: each of them refuses it.
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

// Lookup finds who a card belongs to. The number itself always wins. Without it the number's other forms count
// (rfid.Forms), if they lead to one member alone, and to no card that is refused:
//
//   - its bytes reversed are a member's card;
//   - it ends in a part that members.yaml names as printed on a member's card (dec:, wiegand26:, wiegand34:);
//   - it is a short form of a member's card, and this machine's reader may give short numbers
//     (Options.ShortNumbers). At other machines a whole number is never taken for the short form of another.
func (r *Roster) Lookup(uid rfid.UID) (Person, bool) { return r.find(uid, r.cards.short) }

// LookupPart finds who a card belongs to by a number that may be a part of it, as somebody reads it from the card.
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
