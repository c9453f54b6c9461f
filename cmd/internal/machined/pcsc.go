package machined

import (
	"portillon/rfid"
	"portillon/rfid/pcsc"
)

// openPCSC opens the first PC/SC reader whose name begins with c.Port; an empty one opens the first of all.
func openPCSC(c ReaderConfig) (rfid.Reader, error) {
	d, err := pcsc.Open(c.Port)
	if err != nil {
		return nil, err
	}
	return rfid.Polling{Chip: d, Slot: c.Slot, Prove: c.prove}.Reader(), nil
}
