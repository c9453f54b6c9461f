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
func (ms *messages) dropped(l *link, d mqttguard.Dropped) {
	ms.logDropped(d)
	if id, _ := ms.topicOwner(d.Topic); id != "" {
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

// topicOwner reads the machine and the kind of a topic that belongs to one machine.
func (ms *messages) topicOwner(topic string) (policy.MachineID, string) {
	rest, ok := strings.CutPrefix(topic, "portillon/"+string(ms.core.c.Site)+"/")
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
func (ms *messages) tidy(l *link, topic string) error {
	if topic == ms.core.topics.Bundle() {
		if manifest, _ := ms.bundles.current(); manifest != nil {
			return l.publish(topic, true, manifest)
		}
		return l.publish(topic, true, nil)
	}
	id, kind := ms.topicOwner(topic)
	switch enrolled := ms.fleet.has(id); {
	case id == "":
		return nil
	case !enrolled, kind == "command":
		ms.core.log.Info("retained message cleared", "topic", topic)
		return l.publish(topic, true, nil)
	case kind == "ack":
		return ms.acknowledge(l, id)
	}
	return nil
}

// isGarbage reports whether a retained message should not be there.
func (ms *messages) isGarbage(m mqtt.Message) bool {
	if !m.Retained() || len(m.Payload()) == 0 {
		return false
	}
	if m.Topic() == ms.core.topics.Bundle() {
		return ms.core.c.Bundle.Key == nil || !ms.isManifest(m.Payload())
	}
	id, kind := ms.topicOwner(m.Topic())
	return id != "" && (kind == "command" || !ms.fleet.has(id))
}

func (ms *messages) isManifest(data []byte) bool {
	_, err := wire.OpenManifest(data, note.VerifierList(ms.core.c.Bundle.Key))
	return err == nil
}
