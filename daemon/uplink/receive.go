package uplink

import (
	"encoding/hex"
	"errors"
	"fmt"

	"portillon/wire"
)

// ack is an acknowledgement as it arrived.
type ack struct {
	data []byte
	live bool // the hub sent it now; a retained one is the broker's
}

// receive is called by the library, which must not be kept waiting: it sorts, and others judge.
func (l *link) receive(topic string, retained bool, payload []byte) {
	if len(payload) == 0 { // the hub has cleared the topic
		return
	}
	m := l.c.Machine
	switch topic {
	case l.topics.Ack(m):
		put(l.acks, ack{payload, !retained})
	case l.topics.Bundle():
		put(l.bundles, payload)
	case l.topics.Command(m):
		if retained {
			l.log.Warn("a retained command is refused: a broker has kept it, it is not for now")
			return
		}
		select {
		case l.orders <- payload:
		default:
			l.log.Warn("a command is dropped: too many are waiting")
		}
	default:
		l.log.Debug("a message on a topic that was not asked for", "topic", topic)
	}
}

// believe takes an acknowledgement if it is the hub's and fits this journal, and reports whether it is progress.
func (l *link) believe(m ack) (progress bool) {
	a, err := wire.OpenAck(m.data, l.c.Keys, l.c.Site, l.c.Machine)
	if err != nil {
		l.once("an acknowledgement is not believed", "why", err)
		if errors.Is(err, wire.ErrBadSignature) {
			l.found(OtherHubKey, err.Error())
		}
		return false
	}
	l.live = l.live || m.live
	l.answered(a.Refused, m.live, false)
	if a.Refused != nil {
		l.once("the hub refuses the records", "code", a.Refused.Code, "why", a.Refused.Detail)
	}
	if own := l.j.Generation(); a.Generation != own {
		l.otherGeneration(m.data, a, own)
		return false
	}
	if n := l.j.Len(); a.Seq > n {
		l.found(OtherJournal, fmt.Sprintf("the hub holds %d records, this journal has %d", a.Seq, n))
		l.once("the hub holds more records than this journal has: it is not the journal that the hub knows", "hub", a.Seq, "journal", n)
		l.other(m.data, Other{Hub: a.Seq, Here: n})
		return false
	}
	if a.Seq > 0 {
		root, err := l.j.Root(a.Seq)
		if err != nil {
			l.once("the journal cannot be read", "why", err)
			return false
		}
		if hex.EncodeToString(root[:]) != a.Root {
			l.found(OtherJournal, fmt.Sprintf("the first %d records of the hub are not those of this journal", a.Seq))
			l.once("the hub holds other records than this journal: it is not the journal that the hub knows", "up to", a.Seq)
			l.other(m.data, Other{Hub: a.Seq, Here: l.j.Len()})
			return false
		}
		if l.h.Fits != nil {
			l.h.Fits()
		}
	}
	if a.Seq > l.held.Load() {
		if err := l.j.SetCursor(Sink, a.Seq); err != nil {
			l.once("the cursor cannot be kept: some records will travel again", "why", err)
		}
	}
	before := l.held.Swap(a.Seq)
	if a.Seq != before {
		l.owe()
	}
	if (a.Seq != before || a.Seal != l.seal) && l.h.Acked != nil {
		l.h.Acked(m.data)
	}
	l.seal = a.Seal
	if a.Refused != nil && a.Seq == l.flow.held {
		return false // to send the same again at once would be refused again
	}
	if progress = l.flow.acked(a.Seq); progress {
		l.answered(a.Refused, m.live, true)
	}
	return progress
}

// otherGeneration judges an acknowledgement of another generation of this machine's journal.
func (l *link) otherGeneration(signed []byte, a wire.Ack, own wire.Generation) {
	if a.Seq == 0 { // a hub that holds nothing does not know the generation yet
		return
	}
	l.found(OtherJournal, fmt.Sprintf("the hub holds the generation %q of this machine's journal, this is %q", a.Generation, own))
	l.once("the hub acknowledges another generation of this machine's journal", "hub", a.Generation, "journal", own)
	if l.h.Former == nil || !l.h.Former(a.Generation) {
		l.other(signed, Other{Hub: a.Seq, Here: l.j.Len(), New: true})
	}
}

// other says that the hub's word is about another journal. The acknowledgement is kept: it shows that at the next start
// too.
func (l *link) other(signed []byte, o Other) {
	if l.h.Acked != nil {
		l.h.Acked(signed)
	}
	if l.h.Other != nil {
		l.h.Other(o)
	}
}

// once logs a complaint once for each connection: a broker can repeat without end what is wrong.
func (l *link) once(what string, more ...any) {
	if l.told[what] {
		l.log.Debug(what, more...)
		return
	}
	l.told[what] = true
	l.log.Error(what, more...)
}
