package roster

import (
	"bytes"
	"testing"

	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

func TestCardOfTheOldKeyIsFoundUntilItIsListedUnderTheNewKey(t *testing.T) {
	fresh, old := bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)
	uid := func(text string) rfid.UID {
		u, err := rfid.ParseUID(text)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	known, hmac, lost, both := uid("01020304"), uid("11020304"), uid("21020304"), uid("31020304")
	x := oldKey{wire.MarkOf(old), old}
	marked := func(u rfid.UID) string { return wire.MarkCard(x.mark, Card(old, u)) }
	r := &Roster{
		cards: cards{
			key: fresh, old: []oldKey{x}, active: newCardIndex(fresh, x), refused: newCardIndex(fresh, x),
			refusals: []refusal{{1, policy.LostCard, ""}},
		},
		members: members{people: []person{{id: "a"}, {id: "b"}}},
	}
	r.cards.active.exact[newCardEntry(Card(fresh, known))] = 0
	r.cards.active.exact[newCardEntry(marked(hmac))] = 1
	r.cards.refused.exact[newCardEntry(marked(lost))] = 0
	// A card that is refused for one member is refused for all members.
	r.cards.active.exact[newCardEntry(marked(lost))] = 1
	r.cards.active.exact[newCardEntry(Card(fresh, both))], r.cards.active.exact[newCardEntry(marked(both))] = 0, 1
	for name, c := range map[string]struct {
		uid    rfid.UID
		member policy.MemberID // expected member; empty: the card is unknown or refused
		old    bool
	}{
		"by its number":     {known, "a", false},
		"by its HMAC":       {hmac, "b", true},
		"reversed":          {uid("04030211"), "b", true},
		"lost, by its HMAC": {lost, "", true},
		"under both keys: the new one has precedence": {both, "a", false},
		"unknown": {uid("41020304"), "", false},
	} {
		p, ok := r.Lookup(c.uid)
		if ok != (c.member != "") || ok && p.Member.ID != c.member {
			t.Errorf("%s: %+v %v", name, p, ok)
		}
		number, isOld := r.UnderOldKey(c.uid)
		if isOld != c.old || isOld && number != c.uid && number != hmac {
			t.Errorf("%s: under the old key: %v %v", name, number.Hex(), isOld)
		}
	}
	if _, refused := r.Refused(lost); !refused {
		t.Error("a lost card of the old key is not refused")
	}
	// Remove the old key, as if the machine had never had it: the card is then unknown and grants nothing.
	r.cards.old, r.cards.active.old, r.cards.refused.old = nil, nil, nil
	if _, ok := r.Lookup(hmac); ok {
		t.Error("a marked entry counts without its key")
	}
	if in, before := r.CardKeys(); in != wire.MarkOf(fresh) || before != "" {
		t.Error(in, before)
	}
}
