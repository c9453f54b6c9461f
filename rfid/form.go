package rfid

import (
	"fmt"
	"math/big"
	"slices"
)

// FormKind is the way in which a form of a card's number was derived from the number.
type FormKind uint8

// These are the kinds of form. A short form leaves out some bits of the number, so cards with different numbers can
// have the same short form.
const (
	Exact    FormKind = iota // the number itself
	Reversed                 // the bytes in reverse order; this form loses no bits
	Low32                    // a short form: the last four of an EM4100 card's five bytes
	Low24                    // a short form: the last three bytes of the number
	// Low24Reversed is a short form: the last three bytes of the number with its four bytes in reverse order.
	Low24Reversed
)

// Short reports whether the form leaves out some bits of the number.
func (k FormKind) Short() bool { return k >= Low32 }

// String returns the kind in words, for the output of "bundle build" and "reader test".
func (k FormKind) String() string {
	switch k {
	case Exact:
		return "the number itself"
	case Reversed:
		return "bytes reversed"
	case Low32:
		return "last 32 bits"
	case Low24:
		return "last 24 bits"
	case Low24Reversed:
		return "last 24 bits, bytes reversed"
	}
	return "unknown form"
}

// Form is a number that a kind of reader delivers for a card.
type Form struct {
	Kind   FormKind
	Number UID
}

// Forms returns the numbers that readers can deliver for the card with number u: the number itself, then the form that
// loses no bits, then the short forms. The list contains each number once, even if several forms give the same
// number. The zero UID has no forms, so Forms returns nothing for it.
//
// Sources of the forms, each with a card that others published (form_test.go tests these):
//
//   - Readers send four bytes (ISO 14443 single-size UID) in either order. Wiegand 34 delivers 7186A61E for the card
//     that an MFRC522 reads as 1EA68671 (stackoverflow.com/q/70022011). A USB reader types 0563537489, which is
//     2196E651, for the card 51E69621 (github.com/OCA/hr issue 619).
//   - An RDM6300 sends all five bytes of an EM4100 card (8 bits of version or customer, 32 bits of number). A USB
//     reader types the last four bytes as ten digits. 26-bit Wiegand carries the last three as facility (8 bits) and
//     number (16 bits): 0801161DD6 is 0018226646 and 022,07638 (Nitgen eNCard-i user guide, page 56). Both decimal
//     numbers are printed on such cards.
//   - 26-bit Wiegand carries the last three of a card's four bytes, in either order: 23F51B for 1BF52327
//     (stackoverflow.com/q/35491151).
//   - Seven and ten bytes are sent whole, in either order. Readers limited to four bytes send the byte 88 and the
//     first three bytes of a longer number (github.com/geeksoflondon/hamster, wiki RFID-Scanners). The first of these
//     three bytes is the manufacturer's, so only 16 bits distinguish cards, which is too few. Forms does not return
//     this short form.
//   - Three bytes are a facility and a number in the order that H10301 defines, so they are never reversed.
func Forms(u UID) []Form {
	if u == (UID{}) {
		return nil
	}
	b := u.Bytes()
	back := slices.Clone(b)
	slices.Reverse(back)
	all := []Form{{Exact, u}}
	add := func(k FormKind, b []byte) {
		v, err := UIDOf(b)
		if err == nil && !slices.ContainsFunc(all, func(f Form) bool { return f.Number == v }) {
			all = append(all, Form{k, v})
		}
	}
	if len(b) >= 4 {
		add(Reversed, back)
	}
	switch len(b) {
	case 4:
		add(Low24, b[1:])
		add(Low24Reversed, back[1:])
	case 5:
		add(Low32, b[1:])
		add(Low24, b[2:])
	}
	return all
}

// Random reports whether a card has generated its number at random for this tap: such a number has four bytes and
// begins with 08 (ISO/IEC 14443-3:2018, 6.5.4, table of uid0). Telephones and some bank cards generate such a number
// at each tap. Only readers that deliver an ISO 14443 number unchanged may call Random, because an EM4100 number may
// also begin with 08.
func Random(u UID) bool { return u.n == 4 && u.b[0] == 0x08 }

// Decimal returns the number in decimal, as USB readers type it and as it is printed on cards: ten digits, or more if
// the number needs more.
func (u UID) Decimal() string { return fmt.Sprintf("%010s", new(big.Int).SetBytes(u.b[:u.n])) }

// FacilityNumber returns three bytes (26-bit Wiegand) or four bytes (34-bit) as facility and number, both in decimal.
// The number after the facility has 16 bits. ok is false for a card's number of any other length.
func (u UID) FacilityNumber() (string, bool) {
	b := u.b[:u.n]
	switch u.n {
	case 3:
		return fmt.Sprintf("%d,%05d", b[0], uint(b[1])<<8|uint(b[2])), true
	case 4:
		return fmt.Sprintf("%d,%05d", uint(b[0])<<8|uint(b[1]), uint(b[2])<<8|uint(b[3])), true
	}
	return "", false
}
