package rfid

import (
	"context"
	"errors"
	"time"
)

// Poller is a chip that says, when asked, which card lies in its field.
type Poller interface {
	// Poll looks once, and never longer than MaxPoll. A card that leaves while it is read, noise, and cards that collide
	// are no card this time (false). An error means that the chip is not what it should be: Close it and open another.
	Poll(ctx context.Context) (UID, bool, error)
	Close() error
}

// Randomised is a Poller that recognises numbers made up for one tap (Random). Poll finds no card then, and SawRandom,
// asked after Poll, says why.
type Randomised interface{ SawRandom() bool }

// Channel speaks to the card that Poll found last (ISO 14443-4): one command, one answer, status word last.
// It is bounded like Poll. An error says that the card has left or made no sense; the chip may still be well.
type Channel interface {
	Exchange(ctx context.Context, command []byte) ([]byte, error)
}

// Prove has a card prove what it is. The error says why it could not.
type Prove func(context.Context, Channel, UID) (Proof, error)

// MaxPoll is the longest that one look or one exchange may take.
const MaxPoll = 500 * time.Millisecond

// Tolerance is how long a card that stands in a slot may go unread before it counts as taken away: a glitch of the
// field must cut no power. It is five looks of a reader at its slowest pace and shorter than a person's second thought.
const Tolerance = 1500 * time.Millisecond

// pace is the pause between two looks: an MFRC522 answers in about 5 ms, a PN532 in about 30 ms.
const pace = 100 * time.Millisecond

// Polling makes a Reader of a Poller.
type Polling struct {
	Chip  Poller
	Prove Prove // nil: a card's number is all that counts. Only asked of chips that are a Channel.
	Slot  bool  // the card stands in a slot: its leaving is told too
	// Unread, where it is set, is told of numbers that are made up for one tap, at each look that meets one. It must not
	// block.
	Unread func(Unread)
}

// Reader implements rfid.Reader by looking ten times a second.
func (p Polling) Reader() Reader { return &polled{Polling: p, seen: time.Now(), last: time.Now()} }

// polled is the Reader of a Poller.
type polled struct {
	Polling
	once Once
	last time.Time // when anybody last looked, or a proof ended
	in   UID       // slot: the card that stands in it
	seen time.Time // slot: when it was last read, or when the reader was opened
	told bool      // slot: that it was empty from the start, or a card has been seen
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
		if t, ok := p.look(u, found, time.Now()); ok {
			if !t.Away {
				t.Proof, t.Unproven = p.prove(ctx, u)
				p.last = time.Now() // the proof took time in which the chip was not polled; the card may still be there
				p.once.Tap(u, p.last)
			}
			return t, nil
		}
		wait(ctx, pace)
	}
}

// look says what a look means: a card came, the card in the slot has left, or nothing new.
func (p *polled) look(u UID, found bool, now time.Time) (Tap, bool) {
	// The process stood still. The card may have left meanwhile and come back: that is no tap.
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
		// the card that stood there before the reader was opened anew is gone
		p.told = true
		return Tap{At: now, Away: true}, true
	case p.in != UID{} && (found || now.Sub(p.seen).Abs() >= Tolerance): // another card: the first is gone
		left := p.in
		p.in = UID{}
		return Tap{UID: left, At: now, Away: true}, true
	}
	return Tap{}, false
}

var errMute = errors.New("reader cannot speak to a card, it reads the number only")

// stands is the card in the slot.
func (p *polled) stands() UID { return p.in }

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
