package keyboard

import "portillon/rfid"

// Spec returns the declaration of the reader kind "keyboard" of machine.yaml.
func Spec() rfid.Spec {
	const kind = "keyboard"
	return rfid.Spec{
		Kind: kind,
		Keys: []rfid.Key{rfid.PortKey(),
			{Name: "format", Type: rfid.Word, Words: []string{"decimal", "hex"}, Default: "decimal"}},
		Parse: func(v rfid.Values) (rfid.Wiring, []rfid.Fault) {
			return rfid.Wiring{}, rfid.PlainPort(kind, v)
		},
		Open:    openSpec,
		Example: "keyboard:/dev/input/by-id/…-event-kbd",

		ShortNumbers: true, // the reader may type only the last ten digits of a longer number
		NoticesLoss:  true, // the kernel removes the device of an unplugged reader, and Read returns ENODEV
		Offers: []rfid.Offer{{Name: "usb", // setup finds the device file and asks for the format
			FR: "USB, qui tape le numéro comme un clavier", EN: "USB, types the number as a keyboard does"}},
	}
}

func openSpec(v rfid.Values, h rfid.Host) (rfid.Reader, error) {
	format := Decimal
	if v["format"] == "hex" {
		format = Hex
	}
	r, err := Open(v[rfid.KeyPort], format)
	if err != nil {
		return nil, err
	}
	r.Unread, r.Heard = h.Unread, h.Heard
	return r, nil
}
