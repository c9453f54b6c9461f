package roster

import (
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// nobody stands for a form that two members' cards share.
const nobody = -1

// takeCard learns an entry of a member's cards in the bundle.
func (r *Roster) takeCard(entry string, at int32, member *policy.Member) {
	if wire.IsCardForm(entry) {
		if other, twice := r.forms[entry]; twice && other != at {
			at = nobody
		}
		r.forms[entry] = at
		return
	}
	if other, twice := r.cards[entry]; twice {
		// Nobody can tell whose card this is: it opens nothing.
		r.people[other].Member.Blocked, member.Blocked = true, true
	}
	r.cards[entry] = at
}

// Lookup finds who a card belongs to. The number itself always wins. Without it the number's other forms count (rfid.Forms), if they lead
// to one member alone:
//
//   - its bytes reversed are a member's card;
//   - it ends in a part that members.yaml names as printed on a member's card (dec:, wiegand26:, wiegand34:);
//   - it is a short form of a member's card, and this machine's reader may give short numbers (Options.ShortNumbers). At other machines a
//     whole number is never taken for the short form of another.
func (r *Roster) Lookup(uid rfid.UID) (Person, bool) { return r.find(uid, r.short) }

// LookupPart finds who a card belongs to by a number that may be a part of it, as somebody reads it from the card.
func (r *Roster) LookupPart(uid rfid.UID) (Person, bool) { return r.find(uid, true) }

func (r *Roster) find(uid rfid.UID, short bool) (Person, bool) {
	i, ok := r.cards[Card(r.key, uid)]
	if !ok {
		i, ok = r.byForm(uid, short)
	}
	if !ok {
		return Person{}, false
	}
	return r.people[i], true
}

// byForm finds the one member to whom the derived forms of a number lead.
func (r *Roster) byForm(uid rfid.UID, short bool) (int32, bool) {
	owners := map[int32]bool{}
	form := func(use wire.CardForm, u rfid.UID) {
		if i, ok := r.forms[wire.CardFormHash(r.key, use, u.Bytes())]; ok {
			owners[i] = true
		}
	}
	for _, f := range rfid.Forms(uid) {
		switch {
		case f.Kind == rfid.Reversed:
			if i, ok := r.cards[Card(r.key, f.Number)]; ok {
				owners[i] = true
			}
		case f.Kind.Short():
			form(wire.PartForm, f.Number)
		}
	}
	if short {
		form(wire.ShortForm, uid)
	}
	if len(owners) != 1 || owners[nobody] {
		return 0, false
	}
	for i := range owners {
		return i, true
	}
	return 0, false
}
