package site

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"portillon/rfid"
	"portillon/wire"
	"portillon/yamlfile"
)

// parseCard reads card i (from 0) of a member. Its fault quotes the number only where ten digits have two readings, to show both.
func parseCard(n yamlfile.Node, i int, s string) (rfid.Card, bool) {
	c, err := rfid.ParseCard(s)
	if err != nil {
		n.Fault(rfid.CardFormats, "card %d is not a card's number: %v", i+1, err)
	}
	return c, err == nil
}

// heldCard is a card with its place in members.yaml.
type heldCard struct {
	member, card int // both from 0
	number       rfid.UID
	kind         rfid.FormKind // how a form was made from number; Exact: it is the number
}

// cardForms are the forms of the members' cards as machines know them, by the member's place in s.Members.
//
// Only short forms and named parts stand in the bundle: a machine that reads a number reverses it by itself. A short form that two
// members' cards share counts for neither, so it is left out; one that is another card's whole number counts for that card alone. Both
// are warned of with the members' names.
func (b *Built) cardForms(s *Site, key []byte) map[int][]string {
	out := map[int][]string{}
	exact, derived := map[rfid.UID]heldCard{}, map[rfid.UID][]heldCard{}
	for i, m := range s.Members {
		for j, text := range m.Cards {
			u, err := rfid.ParseUID(text)
			if err != nil {
				continue // members.yaml was checked when it was read
			}
			exact[u] = heldCard{member: i, card: j, number: u}
			for _, f := range rfid.Forms(u)[1:] {
				derived[f.Number] = append(derived[f.Number], heldCard{i, j, u, f.Kind})
			}
			if slices.Contains(m.Parts, text) {
				out[i] = append(out[i], wire.CardFormHash(key, wire.PartForm, u.Bytes()))
			}
		}
	}
	for _, u := range slices.SortedFunc(maps.Keys(derived), compareNumbers) {
		if owner, ok := exact[u]; ok {
			b.warnTaken(s, owner, derived[u])
			continue
		}
		b.warnShared(s, derived[u])
		if i := shortOwner(derived[u]); i >= 0 {
			out[i] = append(out[i], wire.CardFormHash(key, wire.ShortForm, u.Bytes()))
		}
	}
	return out
}

// shortOwner is the member to whom a short form is given in the bundle; -1: nobody. A form that is short for two members is given to
// nobody, unless a third card reversed is the same number: then the machine must find two members, so that it counts for neither.
func shortOwner(holders []heldCard) int {
	var short []int
	reversed := -1
	for _, h := range holders {
		switch {
		case !h.kind.Short():
			reversed = h.member
		case !slices.Contains(short, h.member):
			short = append(short, h.member)
		}
	}
	if reversed >= 0 {
		short = slices.DeleteFunc(short, func(i int) bool { return i == reversed })
	} else if len(short) > 1 {
		return -1
	}
	if len(short) == 0 {
		return -1
	}
	return short[0]
}

// warnTaken warns of forms that are another member's card.
func (b *Built) warnTaken(s *Site, owner heldCard, holders []heldCard) {
	for _, h := range holders {
		if h.member != owner.member {
			b.Warnings = append(b.Warnings, fmt.Sprintf("members.yaml: %s, read as %q, is %s: that form counts for %s alone",
				s.cardName(h), h.kind.String(), s.cardName(owner), s.memberName(owner)))
		}
	}
}

// warnShared warns of a form that cards of several members share.
func (b *Built) warnShared(s *Site, holders []heldCard) {
	for _, h := range holders[1:] {
		if first := holders[0]; h.member != first.member {
			b.Warnings = append(b.Warnings, fmt.Sprintf("members.yaml: %s (%s) and %s (%s) have the same form: that form counts for neither, "+
				"the numbers themselves count as before", s.cardName(first), first.kind, s.cardName(h), h.kind))
		}
	}
}

func (s *Site) memberName(h heldCard) string {
	return fmt.Sprintf("%s (%s)", s.Members[h.member].Name, s.Members[h.member].ID)
}

func (s *Site) cardName(h heldCard) string {
	return fmt.Sprintf("card %d of %s", h.card+1, s.memberName(h))
}

func compareNumbers(a, b rfid.UID) int { return cmp.Compare(a.Hex(), b.Hex()) }
