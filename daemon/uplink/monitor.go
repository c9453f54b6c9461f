package uplink

import (
	"fmt"
	"sync"
	"time"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// monitor stores the uplink's vitals, and computes the health from them. The methods of a monitor are safe for
// concurrent use.
type monitor struct {
	mono func() int64

	mu    sync.Mutex
	v     vitals
	since time.Time // the value of Since that Health returned last
}

// change calls the function apply with the vitals and the present time.
func (w *monitor) change(apply func(v *vitals, now int64)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	apply(&w.v, max(w.mono(), 1))
}

// Health returns the current state of the communication with the hub. Health never waits.
func (u *Uplink) Health() Health {
	w := &u.monitor
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.v.healthAt(max(w.mono(), 1))
	if h.Owed == 0 {
		w.since = time.Time{}
		return h
	}
	w.since = withoutRounding(w.since, u.c.Now().Add(-h.Owed).UTC().Round(0).Truncate(time.Second))
	h.Since = w.since
	return h
}

// noteGrowth records that the journal may have grown. If the hub held all records before, the oldest record that it now
// lacks was written at this moment.
func (u *Uplink) noteGrowth() {
	u.monitor.change(func(v *vitals, now int64) {
		if !v.owes && u.j.Len() > u.hub.held.Load() {
			v.owes, v.oldest = true, now
		}
	})
}

// findOldestOwed searches the journal for the oldest record that the hub has not acknowledged. Only the uplink's own
// goroutine calls findOldestOwed, so that no member waits for the disk.
func (u *Uplink) findOldestOwed() {
	held := u.hub.held.Load()
	oldest, found := int64(0), false
	if b, err := u.j.Batch(held+1, 1); err == nil && len(b.Records) == 1 {
		if r, err := wire.ParseRecord(b.Records[0].Record); err == nil {
			now := moment{boot: u.c.Boot, mono: u.c.Mono(), wall: u.c.Now(), trusted: u.c.Trusted()}
			oldest, found = now.writeTime(r), true
		}
	}
	u.monitor.change(func(v *vitals, now int64) {
		switch {
		case u.j.Len() <= held:
			v.owes = false
		case found:
			v.owes, v.oldest = true, oldest
		case !v.owes: // the record cannot be read from the journal
			v.owes, v.oldest = true, now
		}
	})
}

// noteAnswer records an acknowledgement that the hub has signed. live means that the hub has sent the acknowledgement
// just now. A retained acknowledgement is sent by the broker, so the hub may no longer be running.
func (u *Uplink) noteAnswer(refused *wire.AckRefused, live, progress bool) {
	u.monitor.change(func(v *vitals, now int64) {
		v.refused = refused
		if live {
			v.heard, v.asked = now, 0
		}
		if progress {
			v.progress, v.broker.cuts, v.sent = now, 0, 0
		}
		if refused == nil {
			v.fault, v.detail = "", ""
		}
	})
}

// noteFault records a fault of this computer that prevents acknowledgements.
func (u *Uplink) noteFault(fault Why, detail string) {
	u.monitor.change(func(v *vitals, _ int64) { v.fault, v.detail = fault, wire.OneLine(detail, maxDetail) })
}

// noteAsked records that the machine has sent a state, which the hub answers with an acknowledgement.
func (u *Uplink) noteAsked() {
	u.monitor.change(func(v *vitals, now int64) {
		if v.asked == 0 {
			v.asked = now
		}
	})
}

// noteSent records that records were handed to the broker.
func (u *Uplink) noteSent() {
	u.monitor.change(func(v *vitals, now int64) {
		if v.sent == 0 {
			v.sent = now
		}
	})
}

// noteConnected records that the connection was made.
func (u *Uplink) noteConnected() {
	u.monitor.change(func(v *vitals, now int64) { v.broker.connected, v.broker.changed, v.broker.lost = true, now, "" })
}

// noteDisconnected records that the connection was lost, or could not be made, with the error.
func (u *Uplink) noteDisconnected(err error) {
	u.monitor.change(func(v *vitals, now int64) {
		b := &v.broker
		if b.connected {
			b.changed = now
			if v.sent != 0 {
				b.cuts, b.cutBy = b.cuts+1, wire.OneLine(err.Error(), maxDetail)
			}
		}
		b.connected, b.lost, v.sent = false, wire.OneLine(err.Error(), maxDetail), 0
	})
}

// maxDetail is the largest size of the stored text of an error, in bytes.
const maxDetail = 300

// noteDropped records that a message was dropped because it was too large. If the dropped message is an
// acknowledgement, the drop explains why no acknowledgement has arrived.
func (u *Uplink) noteDropped(d mqtt.Dropped) {
	u.logDropped(d)
	if d.Topic == u.topics.Ack(u.c.Machine) {
		u.noteFault(TooLarge, fmt.Sprintf("a message of %d bytes on %s, at most %d", d.Bytes, d.Topic, wire.MaxPacket))
	}
}
