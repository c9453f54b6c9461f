package rdm6300

import "portillon/rfid"

// Spec returns the declaration of the reader kind "rdm6300" of machine.yaml.
func Spec() rfid.Spec {
	const kind = "rdm6300"
	return rfid.Spec{
		Kind: kind,
		Keys: []rfid.Key{rfid.PortKey()},
		Parse: func(v rfid.Values) (rfid.Wiring, []rfid.Fault) {
			return rfid.Wiring{Bus: rfid.Serial}, rfid.PlainPort(kind, v)
		},
		Open:    openSpec,
		Example: "rdm6300:/dev/ttyAMA0",
		Offers: []rfid.Offer{{Name: "rdm6300", Values: rfid.Values{rfid.KeyPort: "/dev/ttyAMA0"},
			FR: "RDM6300 (125 kHz, port série, GPIO 15)", EN: "RDM6300 (125 kHz, serial port, GPIO 15)"}},
	}
}

func openSpec(v rfid.Values, h rfid.Host) (rfid.Reader, error) {
	r, err := Open(v[rfid.KeyPort])
	if err != nil {
		return nil, err
	}
	r.Unread, r.Heard = h.Unread, h.Heard
	return r, nil
}
