package wiegand

import "time"

const (
	// keyPause ends a burst of keys: keypads forget a PIN that is begun after 5 s without a key (Rosslare AYC-Q
	// series manual, 4.2.3.8).
	keyPause = 5 * time.Second
	// keyReport is how long no other burst is reported after one: a child at the keypad must not fill the log.
	keyReport = time.Minute
)

// isKey reports whether a whole frame is a key press: 4 bits, the key's value (Rosslare AYC-Qx4 manual, 4.2.3.9), or
// 8 bits, the value after its complement (Rosslare AYC-Ex5/T65 programming manual, page 21, option 3).
func isKey(bits uint64, n int) bool {
	return n == 4 || n == 8 && bits>>4 == ^bits&0xF
}

// Key reports whether a key was pressed since it was last called.
func (d *Decoder) Key() bool {
	pressed := d.key
	d.key = false
	return pressed
}

// typing knows which key begins a burst that is to be reported.
type typing struct{ last, told time.Time }

// press takes a key and reports whether somebody should be told of it.
func (p *typing) press(now time.Time) bool {
	begins := p.last.IsZero() || now.Sub(p.last) >= keyPause
	p.last = now
	if !begins || !p.told.IsZero() && now.Sub(p.told) < keyReport {
		return false
	}
	p.told = now
	return true
}

func (r *Reader) reportKeys() {
	if r.dec.Key() && r.typed.press(time.Now()) && r.Keys != nil {
		r.Keys()
	}
}
