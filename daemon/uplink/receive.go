package uplink

import (
	"encoding/hex"

	"portillon/wire"
)

// receive is called by the library, which must not be kept waiting: it sorts, and others judge.
func (l *link) receive(topic string, retained bool, payload []byte) {
	if len(payload) == 0 { // the hub has cleared the topic
		return
	}
	m := l.c.Machine
	switch topic {
	case l.topics.Ack(m):
		put(l.acks, payload)
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
func (l *link) believe(data []byte) (progress bool) {
	a, err := wire.OpenAck(data, l.c.Keys, l.c.Site, l.c.Machine)
	if err != nil {
		l.once("an acknowledgement is not believed", "why", err)
		return false
	}
	if n := l.j.Len(); a.Seq > n {
		l.once("the hub holds more records than this journal has: it is not the journal that the hub knows", "hub", a.Seq, "journal", n)
		l.other(data, a.Seq, n)
		return false
	}
	if a.Seq > 0 {
		root, err := l.j.Root(a.Seq)
		if err != nil {
			l.once("the journal cannot be read", "why", err)
			return false
		}
		if hex.EncodeToString(root[:]) != a.Root {
			l.once("the hub holds other records than this journal: it is not the journal that the hub knows", "up to", a.Seq)
			l.other(data, a.Seq, l.j.Len())
			return false
		}
	}
	if a.Seq > l.held.Load() {
		if err := l.j.SetCursor(Sink, a.Seq); err != nil {
			l.once("the cursor cannot be kept: some records will travel again", "why", err)
		}
	}
	if a.Seq != l.held.Swap(a.Seq) && l.h.Acked != nil {
		l.h.Acked(data)
	}
	return l.flow.acked(a.Seq)
}

// other says that the hub's word is about another journal. The acknowledgement is kept: it shows that at the next start too.
func (l *link) other(signed []byte, hub, here uint64) {
	if l.h.Acked != nil {
		l.h.Acked(signed)
	}
	if l.h.Other != nil {
		l.h.Other(hub, here)
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
