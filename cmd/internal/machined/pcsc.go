//go:build pcsc

package machined

import (
	"portillon/rfid"
	"portillon/rfid/pcsc"
)

func init() {
	readers["pcsc"] = kind{keys: []string{"mode", "aes-key"}, slot: true, open: func(c ReaderConfig) (rfid.Reader, error) {
		d, err := pcsc.Open(c.Port)
		if err != nil {
			return nil, err
		}
		return rfid.Polling{Chip: d, Slot: c.Slot, Prove: c.prove}.Reader(), nil
	}}
}

// OpenPCSC opens a PC/SC reader by the beginning of its name.
func OpenPCSC(name string) (Talker, error) { return pcsc.Open(name) }
