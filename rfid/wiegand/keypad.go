package wiegand

import "time"

const (
	// keyPause is the shortest pause that separates two bursts of keys. Keypads forget an unfinished PIN after 5 s
	// without a key (Rosslare AYC-Q series manual, 4.2.3.8).
	keyPause = 5 * time.Second
	// keyReport is the shortest time between two reported bursts, so that random key presses do not fill the log.
	keyReport = time.Minute
)

// isKey reports whether a frame is a key press: 4 bits that hold the key's value (Rosslare AYC-Qx4 manual, 4.2.3.9),
// or 8 bits that hold the complement of the value and then the value (Rosslare AYC-Ex5/T65 programming manual, page
// 21, option 3).
func isKey(bits uint64, n int) bool {
	return n == 4 || n == 8 && bits>>4 == ^bits&0xF
}

// Key reports whether a person has pressed a key since the last call of Key.
func (d *Decoder) Key() bool {
	pressed := d.key
	d.key = false
	return pressed
}

// keyBursts decides which key press begins a burst that Reader.Keys must report.
type keyBursts struct{ last, told time.Time }

// press records a key press and reports whether the Reader must call Reader.Keys.
func (p *keyBursts) press(now time.Time) bool {
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
