package rfid

import (
	"fmt"
	"math/big"
	"slices"
)

// FormKind says how a form of a card's number was made from the number.
type FormKind uint8

// The kinds of form. A short form has lost bits: cards with different numbers can share it.
const (
	Exact    FormKind = iota // the number itself
	Reversed                 // its bytes in reverse order; nothing is lost
	Low32                    // short: the last four of an EM4100 card's five bytes
	Low24                    // short: the last three bytes
	// Low24Reversed is short: the last three of four bytes after they were reversed.
	Low24Reversed
)

// Short reports whether the form has lost bits of the number.
func (k FormKind) Short() bool { return k >= Low32 }

// String is the kind in words, as "bundle build" and "reader test" print it.
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

// Form is a number that some reader gives for a card.
type Form struct {
	Kind   FormKind
	Number UID
}

// Forms are the numbers that readers give for the card whose number is u: the number itself first, then the number that
// loses nothing, then the short ones. Each number stands once. The zero UID has no forms.
//
// Where the forms come from, each with a card that others published (form_test.go holds these):
//
//   - Four bytes (ISO 14443 single-size UID) are sent in either order. Wiegand 34 gives 7186A61E where an MFRC522 gives
//     1EA68671 (stackoverflow.com/q/70022011); a USB reader types 0563537489, 2196E651, for 51E69621
//     (github.com/OCA/hr issue 619).
//   - Five bytes (EM4100: 8 bits of version or customer, 32 bits of number) are sent whole by an RDM6300. A USB reader
//     types the last four as ten digits, and 26-bit Wiegand carries the last three as facility (8 bits) and number
//     (16 bits): 0801161DD6 is 0018226646 and 022,07638 (Nitgen eNCard-i user guide, page 56). Both are what is printed
//     on such cards.
//   - Of four bytes, 26-bit Wiegand carries the last three, in either order: 23F51B of 1BF52327
//     (stackoverflow.com/q/35491151).
//   - Seven and ten bytes are sent whole, in either order. Readers of four bytes send 88 and the first three bytes of a
//     longer number (github.com/geeksoflondon/hamster, wiki RFID-Scanners), of which the first is the manufacturer's:
//     16 bits are left, too few to tell cards apart. That is no form here.
//   - Three bytes are a facility and a number, whose order H10301 sets: they are not reversed.
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

// Random reports whether a number was made up for this one tap: four bytes that begin with 08 (ISO/IEC 14443-3:2018,
// 6.5.4, table of uid0 (check)). Telephones and some bank cards do this. Only readers that give an ISO 14443 number as
// it is can know: an EM4100 card may begin so too.
func Random(u UID) bool { return u.n == 4 && u.b[0] == 0x08 }

// Decimal is the number as USB readers type it and as it is printed on cards: in decimal, of ten digits or as many as
// it needs.
func (u UID) Decimal() string { return fmt.Sprintf("%010s", new(big.Int).SetBytes(u.b[:u.n])) }

// FacilityNumber is how three bytes (26-bit Wiegand) and four bytes (34-bit) are written as facility and number, each
// in decimal: both have 16 bits for the number. Other lengths have no such form.
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
