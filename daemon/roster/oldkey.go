package roster

import (
	"portillon/rfid"
	"portillon/wire"
)

// oldKey is an earlier card key, together with the mark of the card entries that were computed with this key.
type oldKey struct {
	mark string
	key  []byte
}

// chooseCardKey sets CardKey to the card key with which the bundle was built, and returns the other keys.
func (o *Options) chooseCardKey(m wire.Manifest) ([]oldKey, error) {
	keys := o.OtherCardKeys
	if len(o.CardKey) > 0 {
		keys = append([][]byte{o.CardKey}, keys...)
	}
	chosen, others, err := wire.ChooseCardKey(m, keys...)
	if err != nil {
		return nil, err
	}
	o.CardKey = chosen
	var out []oldKey
	for _, k := range others {
		out = append(out, oldKey{wire.MarkOf(k), k})
	}
	return out, nil
}

// CardKeys returns the check values of two card keys: the key with which the bundle was built, and the previous key. A
// value is empty if there is no such key.
func (r *Roster) CardKeys() (inForce, before string) {
	if len(r.cards.key) > 0 {
		inForce = wire.MarkOf(r.cards.key)
	}
	if len(r.cards.old) > 0 {
		before = r.cards.old[0].mark
	}
	return inForce, before
}

// byNumber finds a card by its exact number, first under the key of the bundle, then under earlier keys.
func (x cardIndex) byNumber(uid rfid.UID) (int32, bool) {
	if i, ok := x.exact[newCardEntry(Card(x.key, uid))]; ok {
		return i, true
	}
	return x.byOldKey(uid)
}

func (x cardIndex) byOldKey(uid rfid.UID) (int32, bool) {
	for _, k := range x.old {
		if i, ok := x.exact[newCardEntry(wire.MarkCard(k.mark, Card(k.key, uid)))]; ok {
			return i, true
		}
	}
	return 0, false
}

// UnderOldKey reports whether the bundle contains a card only under an earlier card key. It returns the number that
// matched: the number that was read, or the number with its bytes reversed. The daemon reports the number to the hub,
// which then lists the card under the new key.
func (r *Roster) UnderOldKey(uid rfid.UID) (rfid.UID, bool) {
	if len(r.cards.old) == 0 {
		return rfid.UID{}, false
	}
	for _, x := range []cardIndex{r.cards.refused, r.cards.active} {
		if _, ok := x.exact[newCardEntry(Card(r.cards.key, uid))]; ok {
			return rfid.UID{}, false
		}
	}
	for _, f := range rfid.Forms(uid) {
		if f.Kind.Short() {
			continue
		}
		for _, x := range []cardIndex{r.cards.refused, r.cards.active} {
			if _, ok := x.byOldKey(f.Number); ok {
				return f.Number, true
			}
		}
	}
	return rfid.UID{}, false
}
