package hub

import (
	"strings"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqttguard"
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
func (h *Hub) dropped(l *link, d mqttguard.Dropped) {
	h.logDropped(d)
	if id, _ := h.topicOwner(d.Topic); id != "" {
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

// topicOwner reads the machine and the kind of a topic that belongs to one machine.
func (h *Hub) topicOwner(topic string) (policy.MachineID, string) {
	rest, ok := strings.CutPrefix(topic, "portillon/"+string(h.c.Site)+"/")
	if !ok {
		return "", ""
	}
	first, second, ok := strings.Cut(rest, "/")
	switch {
	case !ok || first == "" || second == "" || strings.ContainsAny(rest, "+#"):
		return "", ""
	case first == "ack":
		return policy.MachineID(second), "ack"
	}
	return policy.MachineID(first), second
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
	id, kind := h.topicOwner(topic)
	switch enrolled := h.change(id, func(*Machine) {}); {
	case id == "":
		return nil
	case !enrolled, kind == "command":
		h.log.Info("retained message cleared", "topic", topic)
		return l.publish(topic, true, nil)
	case kind == "ack":
		return h.acknowledge(l, id)
	}
	return nil
}

// isGarbage reports whether a retained message should not be there.
func (h *Hub) isGarbage(m mqtt.Message) bool {
	if !m.Retained() || len(m.Payload()) == 0 {
		return false
	}
	if m.Topic() == h.topics.Bundle() {
		return h.c.Bundle.Key == nil || !h.isManifest(m.Payload())
	}
	id, kind := h.topicOwner(m.Topic())
	return id != "" && (kind == "command" || !h.change(id, func(*Machine) {}))
}

func (h *Hub) isManifest(data []byte) bool {
	_, err := wire.OpenManifest(data, note.VerifierList(h.c.Bundle.Key))
	return err == nil
}
