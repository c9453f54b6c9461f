package hub

import (
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// Dropped describes the last message of a machine that the hub dropped because the message was too large.
type Dropped struct {
	Topic string    `json:"topic"`
	Bytes int       `json:"bytes"`
	Count int       `json:"count"` // number of dropped messages of the machine since this start of the hub
	At    time.Time `json:"at"`
}

// maxCleanups is the largest number of dropped messages that wait to be cleared. The hub clears further messages
// after its next connection, when the broker sends them again.
const maxCleanups = 64

// dropped records a message that the size limit rejected. The MQTT library calls dropped on the goroutine that reads
// messages, so dropped must not block.
func (ms *messages) dropped(l *link, d mqtt.Dropped) {
	ms.logDropped(d)
	if _, id, _ := ms.core.topics.Parse(d.Topic); id != "" {
		ms.fleet.change(id, func(m *Machine) {
			n := 1
			if m.Dropped != nil {
				n += m.Dropped.Count
			}
			m.Dropped = &Dropped{Topic: d.Topic, Bytes: d.Bytes, Count: n, At: ms.core.now()}
		})
	}
	if d.Retained {
		select {
		case l.cleanups <- d.Topic:
		default:
		}
	}
}

// tidy removes a retained message from a topic of the hub, or from a topic of a machine that is not enrolled. On the
// topic of the bundle, tidy publishes the manifest instead of the removed message. An enrolled machine clears its own
// topics when it connects.
func (ms *messages) tidy(l *link, topic string) error {
	if topic == ms.core.topics.Bundle() {
		if manifest, _ := ms.bundles.current(); manifest != nil {
			return l.publish(topic, true, manifest)
		}
		return l.publish(topic, true, nil)
	}
	name, id, _ := ms.core.topics.Parse(topic)
	switch enrolled := ms.fleet.has(id); {
	case id == "":
		return nil
	case !enrolled, hubNeverRetains(name):
		ms.core.log.Info("retained message cleared", "topic", topic)
		return l.publish(topic, true, nil)
	case name.Name == wire.TopicAck:
		return ms.acknowledge(l, id)
	}
	return nil
}

// hubNeverRetains reports whether the hub publishes messages on a topic but retains none. If such a topic has a
// retained message, another client has published it.
func hubNeverRetains(t wire.Topic) bool { return t.Hub == wire.Publishes && !t.Retained }

// isGarbage reports whether the hub must remove a retained message.
func (ms *messages) isGarbage(m mqtt.Message) bool {
	if !m.Retained || len(m.Payload) == 0 {
		return false
	}
	if m.Topic == ms.core.topics.Bundle() {
		return ms.core.c.Bundle.Key == nil || !ms.isManifest(m.Payload)
	}
	topic, id, _ := ms.core.topics.Parse(m.Topic)
	return id != "" && (hubNeverRetains(topic) || !ms.fleet.has(id))
}

// isManifest reports whether data is a manifest signed with this site's key.
func (ms *messages) isManifest(data []byte) bool {
	_, err := wire.OpenManifest(data, note.VerifierList(ms.core.c.Bundle.Key))
	return err == nil
}
