package rfid

import (
	"context"
	"errors"
	"time"
)

// Poller is a chip that looks for a card in its field on request.
type Poller interface {
	// Poll looks for a card once, within MaxPoll. Poll returns false if a card leaves during the reading, if noise
	// disturbs the reading, or if several cards answer at once. An error means that the chip does not work as expected,
	// and that the caller must close it and open it again.
	Poll(ctx context.Context) (UID, bool, error)
	Close() error
}

// Randomised is a Poller that detects random numbers (see Random). If the card in the field has a random number, Poll
// returns no card, and SawRandom, called after Poll, returns true.
type Randomised interface{ SawRandom() bool }

// Channel sends commands to the card that Poll found last (ISO 14443-4): one command, one answer that ends with a
// status word. Exchange takes at most MaxPoll. If Exchange returns an error, the card has left or has sent an invalid
// answer. After such an error the chip may still work.
type Channel interface {
	Exchange(ctx context.Context, command []byte) ([]byte, error)
}

// Prove runs a card's proof of authenticity over the channel. If the proof fails, Prove returns an error with the
// reason.
type Prove func(context.Context, Channel, UID) (Proof, error)

// MaxPoll is the time limit of one Poll and of one Exchange.
const MaxPoll = 500 * time.Millisecond

// Tolerance is how long a card in a slot may stay unread before it counts as removed, so that a disturbance of the
// field does not switch the machine off. Even the slowest reader polls five times within Tolerance, and a person
// needs longer than Tolerance to exchange two cards.
const Tolerance = 1500 * time.Millisecond

// pace is the pause between two polls of a chip. A poll takes about 5 ms with an MFRC522 and about 30 ms with a
// PN532.
const pace = 100 * time.Millisecond

// Polling turns a Poller into a Reader.
type Polling struct {
	Chip  Poller
	Prove Prove // runs a card's proof, and Chip must then be a Channel; nil: card numbers are accepted without proof
	Slot  bool  // the reader has a slot, so the Reader also reports that a card was removed
	// Unread, if set, is called for each poll that finds a random number. Unread must not block.
	Unread func(Unread)
}

// Reader returns a Reader that polls the chip ten times a second.
func (p Polling) Reader() Reader { return &polled{Polling: p, seen: time.Now(), last: time.Now()} }

// polled is the Reader of a Poller.
type polled struct {
	Polling
	once Once
	last time.Time // end of the last poll or proof
	in   UID       // with a slot: the card in the slot; zero: the slot is empty
	seen time.Time // with a slot: time of the last reading of the card, or of the first poll
	told bool      // with a slot: the Reader has reported the empty slot, or has read a card
}

func (p *polled) Close() error { return p.Chip.Close() }

// Read implements Reader.
func (p *polled) Read(ctx context.Context) (Tap, error) {
	for {
		if ctx.Err() != nil {
			return Tap{}, ctx.Err()
		}
		u, found, err := p.Chip.Poll(ctx)
		if err != nil {
			return Tap{}, err
		}
		if r, ok := p.Chip.(Randomised); ok && p.Unread != nil && r.SawRandom() {
			p.Unread(RandomNumber())
		}
		if t, ok := p.interpret(u, found, time.Now()); ok {
			if !t.Away {
				t.Proof, t.Unproven = p.prove(ctx, u)
				p.last = time.Now() // no poll ran during the proof
				p.once.Tap(u, p.last)
			}
			return t, nil
		}
		wait(ctx, pace)
	}
}

// interpret decides what the result of one poll means: a card has arrived, the card in the slot has left, or nothing
// has changed.
func (p *polled) interpret(u UID, found bool, now time.Time) (Tap, bool) {
	// If the process was suspended, the next reading is not a tap, because somebody may have taken the card away and put
	// it back meanwhile.
	unseen := now.Sub(p.last).Abs() >= Gone
	p.last = now
	if !p.Slot {
		return Tap{UID: u, At: now}, found && p.once.Tap(u, now) && !unseen
	}
	switch {
	case p.in == UID{} && found:
		p.in, p.seen, p.told = u, now, true
		return Tap{UID: u, At: now, Slot: true}, true
	case found && u == p.in:
		p.seen = now
	case p.in == UID{} && !p.told && now.Sub(p.seen).Abs() >= Tolerance:
		// Report the empty slot: a card that was in the slot before the reader was reopened has been removed.
		p.told = true
		return Tap{At: now, Away: true}, true
	// another card was read, so the first card was removed
	case p.in != UID{} && (found || now.Sub(p.seen).Abs() >= Tolerance):
		left := p.in
		p.in = UID{}
		return Tap{UID: left, At: now, Away: true}, true
	}
	return Tap{}, false
}

var errMute = errors.New("reader cannot exchange data with cards, so cards can give no proof")

// cardInSlot returns the card in the slot.
func (p *polled) cardInSlot() UID { return p.in }

// prove runs the card's proof, or returns NumberOnly if Prove is nil.
func (p *polled) prove(ctx context.Context, u UID) (Proof, error) {
	if p.Prove == nil {
		return NumberOnly, nil
	}
	c, ok := p.Chip.(Channel)
	if !ok {
		return NumberOnly, errMute
	}
	proof, err := p.Prove(ctx, c, u)
	if err != nil {
		return NumberOnly, err
	}
	return proof, nil
}
