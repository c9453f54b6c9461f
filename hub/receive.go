package hub

import (
	"errors"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// maxTogether is the largest number of waiting batches that the hub stores in one transaction. After a power cut, the
// machines of a site send many batches at once, and each commit waits for the disk.
const maxTogether = 16

// handlers handle messages on the machines' topics to which the hub subscribes (wire.Subscribes), except records:
// receiveWaiting handles records in groups. A message of an unknown machine has no effect. A handler's error ends the
// connection, so a handler must return only errors of the broker, not of the sender or the database.
var handlers = map[wire.TopicName]func(*messages, *link, policy.MachineID, []byte) error{
	wire.TopicState:        (*messages).state,
	wire.TopicAvailability: (*messages).availability,
	wire.TopicReply: func(ms *messages, _ *link, id policy.MachineID, data []byte) error {
		ms.commands.reply(id, data)
		return nil
	},
}

// receive handles one message that is not a batch of records.
func (ms *messages) receive(l *link, m mqtt.Message) error {
	if ms.isGarbage(m) {
		return ms.tidy(l, m.Topic)
	}
	if len(m.Payload) == 0 { // an empty message means that a client cleared the topic
		return nil
	}
	topic, id, known := ms.core.topics.Parse(m.Topic)
	handle := handlers[topic.Name]
	if !known || handle == nil {
		return nil
	}
	ms.storeLastSeen(topic, id, m.Retained)
	return handle(ms, l, id, m.Payload)
}

// receiveWaiting handles a message. If the message is a batch of records, receiveWaiting also handles the batches
// that wait in the inbox.
func (ms *messages) receiveWaiting(l *link, m mqtt.Message) error {
	var batches []ledger.Batch
	for {
		topic, id, known := ms.core.topics.Parse(m.Topic)
		if !known || topic.Name != wire.TopicRecords || len(m.Payload) == 0 || ms.isGarbage(m) {
			return errors.Join(ms.records(l, batches), ms.receive(l, m))
		}
		ms.storeLastSeen(topic, id, m.Retained)
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

// storeLastSeen stores when a machine last sent a message. storeLastSeen ignores retained messages, which may be old,
// and availability, which the broker may have sent.
func (ms *messages) storeLastSeen(topic wire.Topic, id policy.MachineID, retained bool) {
	if !retained && topic.Hub == wire.Subscribes && topic.Name != wire.TopicAvailability {
		ms.fleet.change(id, func(x *Machine) { x.Seen = ms.core.now() })
	}
}

// availability stores whether a machine is connected to the broker.
func (ms *messages) availability(_ *link, id policy.MachineID, data []byte) error {
	ms.fleet.change(id, func(x *Machine) {
		was := x.Online
		if x.Online = string(data) == wire.Online; x.Online && !was {
			x.notes.appeared = ms.core.now()
		}
	})
	return nil
}
