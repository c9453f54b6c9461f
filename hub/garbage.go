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
func (h *Hub) dropped(l *link, d mqtt.Dropped) {
	h.logDropped(d)
	if _, id, _ := h.topics.Parse(d.Topic); id != "" {
		h.change(id, func(m *Machine) {
			n := 1
			if m.Dropped != nil {
				n += m.Dropped.Count
			}
			m.Dropped = &Dropped{Topic: d.Topic, Bytes: d.Bytes, Count: n, At: h.now()}
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
func (h *Hub) tidy(l *link, topic string) error {
	if topic == h.topics.Bundle() {
		if manifest, _ := h.current(); manifest != nil {
			return l.publish(topic, true, manifest)
		}
		return l.publish(topic, true, nil)
	}
	name, id, _ := h.topics.Parse(topic)
	switch enrolled := h.change(id, func(*Machine) {}); {
	case id == "":
		return nil
	case !enrolled, hubNeverRetains(name):
		h.log.Info("retained message cleared", "topic", topic)
		return l.publish(topic, true, nil)
	case name.Name == wire.TopicAck:
		return h.acknowledge(l, id)
	}
	return nil
}

// hubNeverRetains reports whether the hub publishes on a topic, and retains nothing there: what is retained is somebody
// else's.
func hubNeverRetains(t wire.Topic) bool { return t.Hub == wire.Publishes && !t.Retained }

// isGarbage reports whether a retained message should not be there.
func (h *Hub) isGarbage(m mqtt.Message) bool {
	if !m.Retained || len(m.Payload) == 0 {
		return false
	}
	if m.Topic == h.topics.Bundle() {
		return h.c.Bundle.Key == nil || !h.isManifest(m.Payload)
	}
	topic, id, _ := h.topics.Parse(m.Topic)
	return id != "" && (hubNeverRetains(topic) || !h.change(id, func(*Machine) {}))
}

func (h *Hub) isManifest(data []byte) bool {
	_, err := wire.OpenManifest(data, note.VerifierList(h.c.Bundle.Key))
	return err == nil
}
