package pcsc

import "portillon/rfid"

// Spec returns the declaration of the reader kind "pcsc" of machine.yaml. The port is the beginning of the reader's
// name. Without a port, the first reader of pcscd is used.
func Spec() rfid.Spec {
	return rfid.Spec{
		Kind: "pcsc",
		Keys: []rfid.Key{{Name: rfid.KeyPort, Type: rfid.Name}, rfid.AESKey(), rfid.ModeKey()},
		// a PC/SC reader is connected by USB, and any port is valid
		Parse: func(rfid.Values) (rfid.Wiring, []rfid.Fault) { return rfid.Wiring{}, nil },
		Open: func(v rfid.Values, h rfid.Host) (rfid.Reader, error) {
			d, err := Open(v[rfid.KeyPort])
			if err != nil {
				return nil, err
			}
			return rfid.Polling{Chip: d, Slot: v.Slot(), Prove: h.Prove, Unread: h.Unread}.Reader(), nil
		},
		Example:     "pcsc:NAME",
		NoticesLoss: true, // Read returns ErrNoReader
	}
}
