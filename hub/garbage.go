package hub

import (
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/wire"
	"portillon/wire/mqtt"
)

// Dropped is the last message of a machine that was too large for this hub.
type Dropped struct {
	Topic string    `json:"topic"`
	Bytes int       `json:"bytes"`
	Count int       `json:"count"` // since this hub started
	At    time.Time `json:"at"`
}

// maxCleanups bounds how many dropped messages wait to be cleared; those beyond are cleared after the next connect.
const maxCleanups = 64

// dropped notes a message that the guard did not pass on. The library's reader calls it: it does not block.
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

// tidy replaces what is retained on a topic of the hub, or of a machine that is not enrolled. An enrolled machine
// clears its own topics when it connects.
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

// hubNeverRetains reports whether the hub publishes on a topic, and retains nothing there: what is retained is somebody
// else's.
func hubNeverRetains(t wire.Topic) bool { return t.Hub == wire.Publishes && !t.Retained }

// isGarbage reports whether a retained message should not be there.
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

// isManifest reports whether data is a manifest that this site's key signed.
func (ms *messages) isManifest(data []byte) bool {
	_, err := wire.OpenManifest(data, note.VerifierList(ms.core.c.Bundle.Key))
	return err == nil
}
