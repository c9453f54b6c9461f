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
var handlers = map[wire.TopicName]func(*messages, *link, policy.MachineID, []byte) error{
	wire.TopicState:        (*messages).state,
	wire.TopicAvailability: (*messages).availability,
	wire.TopicReply: func(ms *messages, _ *link, id policy.MachineID, data []byte) error {
		ms.commands.reply(id, data)
		return nil
	},
}

// receive handles one message that is no batch.
func (ms *messages) receive(l *link, m mqtt.Message) error {
	if ms.isGarbage(m) {
		return ms.tidy(l, m.Topic)
	}
	if len(m.Payload) == 0 { // a topic was cleared
		return nil
	}
	topic, id, known := ms.core.topics.Parse(m.Topic)
	handle := handlers[topic.Name]
	if !known || handle == nil {
		return nil
	}
	ms.saw(topic, id, m.Retained)
	return handle(ms, l, id, m.Payload)
}

// receiveWaiting handles a message, and with it the batches that wait behind it.
func (ms *messages) receiveWaiting(l *link, m mqtt.Message) error {
	var batches []ledger.Batch
	for {
		topic, id, known := ms.core.topics.Parse(m.Topic)
		if !known || topic.Name != wire.TopicRecords || len(m.Payload) == 0 || ms.isGarbage(m) {
			return errors.Join(ms.records(l, batches), ms.receive(l, m))
		}
		ms.saw(topic, id, m.Retained)
		if batches = append(batches, ledger.Batch{Machine: id, Data: m.Payload}); len(batches) == maxTogether {
			return ms.records(l, batches)
		}
		select {
		case m = <-l.in:
		default:
			return ms.records(l, batches)
		}
	}
}

// saw notes when a machine last said anything. What is retained may be old, and availability may be the broker's.
func (ms *messages) saw(topic wire.Topic, id policy.MachineID, retained bool) {
	if !retained && topic.Hub == wire.Subscribes && topic.Name != wire.TopicAvailability {
		ms.fleet.change(id, func(x *Machine) { x.Seen = ms.core.now() })
	}
}

// availability notes whether a machine is connected to the broker.
func (ms *messages) availability(_ *link, id policy.MachineID, data []byte) error {
	ms.fleet.change(id, func(x *Machine) {
		was := x.Online
		if x.Online = string(data) == wire.Online; x.Online && !was {
			x.notes.appeared = time.Now()
		}
	})
	return nil
}
