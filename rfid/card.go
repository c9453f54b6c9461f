package rfid

import (
	"errors"
	"fmt"
	"math/big"
	"strconv"
	"strings"
)

// Card is a card's number as a person writes it.
type Card struct {
	Number UID
	// Part reports whether the written number may be only a part of the card's number: the last 24 or 32 bits, as
	// printed on cards. A reader that delivers the whole number matches a card written in its short form.
	Part bool
}

// CardFormats lists the formats of a card's number, for hints in errors.
const CardFormats = `"04A1B2C3D4" or "hex:…" as readers give it, "dec:0012345678" and "wiegand26:188,24910" ` +
	`as printed on cards, "wiegand34:1234,56789"`

// maxCardText is the largest length of a card's number as text, in characters, with separators. Every valid text of a
// card's number is shorter.
const maxCardText = 64

// ParseCard parses a card's number in one of these formats:
//
//	62E3086CED            hexadecimal, two digits a byte, 1 to 10 bytes; colons, spaces and hyphens between the
//	                      digits are ignored
//	hex:0012345678        the same; needed if all ten characters are digits
//	dec:0012345678        decimal: printed on cards, typed by USB readers. Four bytes, or as many as the number needs
//	wiegand26:188,24910   facility of 8 bits, number of 16 (HID H10301): printed on EM4100 cards after the ten digits
//	wiegand34:1234,56789  facility of 16 bits, number of 16 (HID H10306)
//
// Ten digits without a format, and two numbers without a format, are refused, because both are ambiguous. Only the
// error for ten digits quotes the input, because it shows the number in both readings.
func ParseCard(s string) (Card, error) {
	s = strings.TrimSpace(s)
	if len(s) > maxCardText {
		return Card{}, fmt.Errorf("card's number has %d characters, want at most %d", len(s), maxCardText)
	}
	format, rest, named := strings.Cut(s, ":")
	if named {
		switch rest = strings.TrimSpace(rest); format {
		case "hex":
			u, err := ParseUID(rest)
			return Card{Number: u}, err
		case "dec":
			return parseDecimal(rest)
		case "wiegand26":
			return parseFacility(rest, 8)
		case "wiegand34":
			return parseFacility(rest, 16)
		}
	}
	if strings.Contains(s, ",") {
		return Card{}, errors.New("two numbers with a comma need their format: wiegand26: for a facility of 8 bits, " +
			"wiegand34: for one of 16")
	}
	if len(s) == 10 && isDigits(s) {
		return Card{}, ambiguousError(s)
	}
	u, err := ParseUID(s)
	return Card{Number: u}, err
}

// ambiguousError returns the error for ten digits, which shows both meanings.
func ambiguousError(s string) error {
	dec, errDec := parseDecimal(s)
	hex, errHex := ParseUID(s)
	if err := errors.Join(errDec, errHex); err != nil {
		return err
	}
	return fmt.Errorf("ten digits have two readings: write %q for the decimal number (bytes %s), as printed on cards and "+
		"typed by most "+"USB "+"readers, or %q for the hexadecimal one (bytes %s)", "dec:"+s, dec.Number.Hex(), "hex:"+s,
		hex.Hex())
}

func isDigits(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

func parseDecimal(s string) (Card, error) {
	n, ok := new(big.Int).SetString(s, 10)
	if !ok || !isDigits(s) || n.BitLen() > 8*MaxUID {
		return Card{}, fmt.Errorf("dec: got %d characters, want decimal digits of a number of at most %d bytes",
			len(s), MaxUID)
	}
	u, err := UIDOf(n.FillBytes(make([]byte, max(4, (n.BitLen()+7)/8))))
	return Card{Number: u, Part: len(u.Bytes()) == 4}, err
}

// parseFacility parses facility,number: a facility of the given bits and a number of 16 bits.
func parseFacility(s string, bits int) (Card, error) {
	f, n, ok := strings.Cut(s, ",")
	f, n = strings.TrimSpace(f), strings.TrimSpace(n)
	facility, errF := strconv.ParseUint(f, 10, bits)
	number, errN := strconv.ParseUint(n, 10, 16)
	if !ok || errF != nil || errN != nil || !isDigits(f) || !isDigits(n) {
		return Card{}, fmt.Errorf(
			"wiegand%d: malformed, want facility,number in decimal, as wiegand26:188,24910: "+
				"a facility of at most %d and a number of at most 65535",
			bits+18,
			1<<bits-1,
		)
	}
	b := []byte{byte(facility), byte(number >> 8), byte(number)}
	if bits == 16 {
		b = append([]byte{byte(facility >> 8)}, b...)
	}
	u, err := UIDOf(b)
	return Card{Number: u, Part: true}, err
}
