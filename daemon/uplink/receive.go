package uplink

import (
	"encoding/hex"
	"errors"
	"fmt"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// signedAck is a signed acknowledgement whose signature is not verified yet.
type signedAck struct {
	data []byte
	live bool // true if the hub has sent it just now; false if the broker had retained it
}

// queues contain received messages until a goroutine processes them. The queues are needed because the client library
// must not wait.
type queues struct {
	acks    chan signedAck // newest acknowledgement
	bundles chan []byte    // newest manifest
	orders  chan []byte
	replies chan []byte
}

func newQueues() queues {
	return queues{acks: make(chan signedAck, 1), bundles: make(chan []byte, 1),
		orders: make(chan []byte, 8), replies: make(chan []byte, 8)}
}

// handlers has one function for each topic that a machine subscribes to (wire.Subscribes). The client library calls
// these functions, so they must not wait. Therefore each function only queues the message, and other goroutines check
// and process it.
var handlers = map[wire.TopicName]func(*Uplink, mqtt.Message){
	wire.TopicAck:     func(u *Uplink, m mqtt.Message) { replaceOldest(u.queues.acks, signedAck{m.Payload, !m.Retained}) },
	wire.TopicBundle:  func(u *Uplink, m mqtt.Message) { replaceOldest(u.queues.bundles, m.Payload) },
	wire.TopicCommand: (*Uplink).queueCommand,
}

// receive passes a message to the handler of its topic.
func (l *link) receive(m mqtt.Message) {
	if len(m.Payload) == 0 { // the hub has cleared the topic
		return
	}
	topic, machine, known := l.u.topics.Parse(m.Topic)
	handle := handlers[topic.Name]
	if !known || handle == nil || topic.OfMachine() && machine != l.u.c.Machine {
		l.u.c.Logger.Debug("ignored a message on a topic without a subscription", "topic", m.Topic)
		return
	}
	handle(l.u, m)
}

func (u *Uplink) queueCommand(m mqtt.Message) {
	if m.Retained {
		u.c.Logger.Warn("refused a retained command: the broker has stored it, so it may be old")
		return
	}
	select {
	case u.queues.orders <- m.Payload:
	default:
		u.c.Logger.Warn("dropped a command: too many commands are waiting")
	}
}

// handleAck checks that the hub signed the acknowledgement and that it fits this journal, and then moves the cursor.
func (l *link) handleAck(m signedAck) (progress bool) {
	u := l.u
	a, err := wire.OpenAck(m.data, u.c.Keys, u.c.Site, u.c.Machine)
	if err != nil {
		l.logOnce("an acknowledgement is not believed", "why", err)
		if errors.Is(err, wire.ErrBadSignature) {
			u.noteFault(OtherHubKey, err.Error())
		}
		return false
	}
	l.hub.live = l.hub.live || m.live
	u.noteAnswer(a.Refused, m.live, false)
	if a.Refused != nil {
		l.logOnce("the hub refuses the records", "code", a.Refused.Code, "why", a.Refused.Detail)
	}
	if !l.fitsJournal(m.data, a) {
		return false
	}
	l.moveCursor(m.data, a)
	if a.Refused != nil && a.Seq == l.flow.held {
		return false // the hub would refuse the same records again, so do not send them again
	}
	if progress = l.flow.handleAck(a.Seq); progress {
		u.noteAnswer(a.Refused, m.live, true)
	}
	return progress
}

// fitsJournal reports whether an acknowledgement belongs to this journal: both have the same generation, the journal
// has at least as many records, and their root is the same.
func (l *link) fitsJournal(signed []byte, a wire.Ack) bool {
	u := l.u
	if own := u.j.Generation(); a.Generation != own {
		l.otherGeneration(signed, a, own)
		return false
	}
	if n := u.j.Len(); a.Seq > n {
		u.noteFault(OtherJournal, fmt.Sprintf("the hub holds %d records, this journal has %d", a.Seq, n))
		l.logOnce("the hub holds more records than this journal has: it is not the journal that the hub knows",
			"hub", a.Seq, "journal", n)
		u.reportOther(signed, Other{Hub: a.Seq, Here: n})
		return false
	}
	if a.Seq == 0 { // the hub has no records, so any journal fits
		return true
	}
	root, err := u.j.Root(a.Seq)
	if err != nil {
		l.logOnce("the journal cannot be read", "why", err)
		return false
	}
	if hex.EncodeToString(root[:]) != a.Root {
		u.noteFault(OtherJournal, fmt.Sprintf("the first %d records of the hub are not those of this journal", a.Seq))
		l.logOnce("the hub holds other records than this journal: it is not the journal that the hub knows", "up to", a.Seq)
		u.reportOther(signed, Other{Hub: a.Seq, Here: u.j.Len()})
		return false
	}
	if u.h.Fits != nil {
		u.h.Fits()
	}
	return true
}

// moveCursor stores how many records the hub holds. If the acknowledgement contains new data, moveCursor also calls
// Handlers.Acked.
func (l *link) moveCursor(signed []byte, a wire.Ack) {
	u := l.u
	if a.Seq > u.hub.held.Load() {
		if err := u.j.SetCursor(Sink, a.Seq); err != nil {
			l.logOnce("the cursor cannot be kept: some records will travel again", "why", err)
		}
	}
	before := u.hub.held.Swap(a.Seq)
	if a.Seq != before {
		u.findOldestOwed()
	}
	if (a.Seq != before || a.Seal != u.hub.seal) && u.h.Acked != nil {
		u.h.Acked(signed)
	}
	u.hub.seal = a.Seal
}

// otherGeneration handles an acknowledgement whose generation is not that of this journal.
func (l *link) otherGeneration(signed []byte, a wire.Ack, own wire.Generation) {
	if a.Seq == 0 { // a hub that holds no records does not know the generation yet
		return
	}
	l.u.noteFault(OtherJournal, fmt.Sprintf("the hub holds the generation %q of this machine's journal, this is %q",
		a.Generation, own))
	l.logOnce("the hub acknowledges another generation of this machine's journal", "hub", a.Generation, "journal", own)
	if l.u.h.Former == nil || !l.u.h.Former(a.Generation) {
		l.u.reportOther(signed, Other{Hub: a.Seq, Here: l.u.j.Len(), New: true})
	}
}

// reportOther reports that the records that the hub has acknowledged are not those of this journal. The acknowledgement
// is stored, so that the next start of the daemon reports the difference too.
func (u *Uplink) reportOther(signed []byte, o Other) {
	if u.h.Acked != nil {
		u.h.Acked(signed)
	}
	if u.h.Other != nil {
		u.h.Other(o)
	}
}

// logOnce logs a message at most once for each connection, because a broker can repeat an error without end.
func (l *link) logOnce(what string, more ...any) {
	if l.logged[what] {
		l.u.c.Logger.Debug(what, more...)
		return
	}
	l.logged[what] = true
	l.u.c.Logger.Error(what, more...)
}
