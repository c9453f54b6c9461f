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
// them. To add a kind, write its package and add its import and one line here.
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

// specOf finds a kind of reader. It returns false for noReader and for unknown kinds.
func specOf(kind string) (rfid.Spec, bool) {
	for _, s := range readerSpecs() {
		if s.Kind == kind {
			return s, true
		}
	}
	return rfid.Spec{}, false
}

// ReaderOffers returns the wirings that "portillon setup" proposes, each with its spec.
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

// Section returns the reader section of a machine.yaml with this wiring, in flow style. given holds values that a
// person chose, which replace the defaults. An empty value keeps the default.
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
