package hub

import (
	"errors"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// maxTogether is how many batches that wait are kept in one transaction: a site that comes back after a power cut sends
// many at once, and each commit waits for the disk.
const maxTogether = 16

// handlers are for the topics of machines that the hub subscribes to (wire.Subscribes), but records: receiveWaiting
// takes those together. A message of a machine that the hub does not know changes nothing. An error ends the connection:
// it is the broker's, never the sender's or the database's.
var handlers = map[wire.TopicName]func(*Hub, *link, policy.MachineID, []byte) error{
	wire.TopicState:        (*Hub).state,
	wire.TopicAvailability: (*Hub).availability,
	wire.TopicReply:        func(h *Hub, _ *link, id policy.MachineID, data []byte) error { h.reply(id, data); return nil },
}

// receive handles one message that is no batch.
func (h *Hub) receive(l *link, m mqtt.Message) error {
	if h.isGarbage(m) {
		return h.tidy(l, m.Topic)
	}
	if len(m.Payload) == 0 { // a topic was cleared
		return nil
	}
	topic, id, known := h.topics.Parse(m.Topic)
	handle := handlers[topic.Name]
	if !known || handle == nil {
		return nil
	}
	h.saw(topic, id, m.Retained)
	return handle(h, l, id, m.Payload)
}

// receiveWaiting handles a message, and with it the batches that wait behind it.
func (h *Hub) receiveWaiting(l *link, m mqtt.Message) error {
	var batches []ledger.Batch
	for {
		topic, id, known := h.topics.Parse(m.Topic)
		if !known || topic.Name != wire.TopicRecords || len(m.Payload) == 0 || h.isGarbage(m) {
			return errors.Join(h.records(l, batches), h.receive(l, m))
		}
		h.saw(topic, id, m.Retained)
		if batches = append(batches, ledger.Batch{Machine: id, Data: m.Payload}); len(batches) == maxTogether {
			return h.records(l, batches)
		}
		select {
		case m = <-l.in:
		default:
			return h.records(l, batches)
		}
	}
}

// saw notes when a machine last said anything. What is retained may be old, and availability may be the broker's.
func (h *Hub) saw(topic wire.Topic, id policy.MachineID, retained bool) {
	if !retained && topic.Hub == wire.Subscribes && topic.Name != wire.TopicAvailability {
		h.change(id, func(x *Machine) { x.Seen = h.now() })
	}
}

// availability notes whether a machine is connected to the broker.
func (h *Hub) availability(_ *link, id policy.MachineID, data []byte) error {
	h.change(id, func(x *Machine) {
		was := x.Online
		if x.Online = string(data) == wire.Online; x.Online && !was {
			x.appeared = time.Now()
		}
	})
	return nil
}
