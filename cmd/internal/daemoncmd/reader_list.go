package daemoncmd

import (
	"portillon/rfid"
	"portillon/rfid/keyboard"
	"portillon/rfid/mfrc522"
	"portillon/rfid/pcsc"
	"portillon/rfid/pn532"
	"portillon/rfid/rdm6300"
	"portillon/rfid/wiegand"
)

// readerSpecs lists the kinds of reader that this program supports, in the order in which "portillon setup" proposes
// them. A new kind of reader needs a package, an import and one line in this list.
func readerSpecs() []rfid.Spec {
	return []rfid.Spec{
		keyboard.Spec(),
		mfrc522.Spec(),
		pn532.Spec(),
		rdm6300.Spec(),
		wiegand.Spec(),
		pcsc.Spec(),
	}
}

// noReader is the kind of a machine without a reader.
const noReader = "none"

// specOf returns the Spec of a kind of reader. The second result is false for noReader and for unknown kinds.
func specOf(kind string) (rfid.Spec, bool) {
	for _, s := range readerSpecs() {
		if s.Kind == kind {
			return s, true
		}
	}
	return rfid.Spec{}, false
}

// ReaderOffers returns the wirings that "portillon setup" proposes, each with the Spec of its reader's kind.
func ReaderOffers() (out []ReaderOffer) {
	for _, s := range readerSpecs() {
		for _, o := range s.Offers {
			out = append(out, ReaderOffer{Offer: o, Spec: s})
		}
	}
	return out
}

// ReaderOffer is a wiring that "portillon setup" proposes.
type ReaderOffer struct {
	rfid.Offer
	Spec rfid.Spec
}

// Section returns the reader section of a machine.yaml with this wiring, in flow style. The argument given contains the
// values that a person has chosen. An empty value stands for the default.
func (o ReaderOffer) Section(given rfid.Values) string {
	values := rfid.Values{}
	for _, from := range []rfid.Values{o.Values, given} {
		for _, k := range o.Spec.Keys {
			if v := from[k.Name]; v != "" {
				values[k.Name] = v
			}
		}
	}
	return readerSection(o.Spec, values, doubleQuoted)
}
