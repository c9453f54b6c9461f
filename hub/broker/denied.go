package broker

import (
	"encoding/binary"
	"fmt"
	"slices"

	"portillon/wire"
)

// The embedded server acknowledges a forbidden PUBLISH and drops it; otherwise MQTT 3.1.1 would only allow it to close
// the connection (section 3.3.5). To make denials visible, the proxy checks topics and filters against the same
// permissions, and logs and counts the denials (refuse). The proxy itself denies nothing here.

// Reasons of a refusal by the table of topics.
const (
	publishDenied   = "publish denied"
	subscribeDenied = "subscription denied"
)

// mayPublish reports whether the table of topics allows the account to publish on a topic.
func (a *account) mayPublish(topic string) bool {
	return slices.ContainsFunc(
		a.granted,
		func(p wire.Permission) bool { return p.Publish && wire.Covers(p.Filter, topic) },
	)
}

// maySubscribe reports whether the table of topics allows the account to subscribe to everything that a filter matches.
func (a *account) maySubscribe(filter string) bool {
	return slices.ContainsFunc(
		a.granted,
		func(p wire.Permission) bool { return p.Subscribe && wire.Covers(p.Filter, filter) },
	)
}

// reportPublish reports a denied PUBLISH. The header of the packet has been read, the topic is next.
func (u *upward) reportPublish(length int) error {
	if u.a.User == "" { // without accounts nothing is denied
		return nil
	}
	// Send earlier packets now: they must not wait until the rest of this packet arrives.
	if length > u.in.Buffered() {
		if err := u.flush(); err != nil {
			return err
		}
	}
	topic, whole := u.peekTopic(length)
	if whole && !u.a.mayPublish(topic) {
		u.p.refuse(u.a, publishDenied, fmt.Sprintf("topic %.256q", topic))
	}
	return nil
}

// peekTopic returns the topic of a PUBLISH with this remaining length (MQTT 3.1.1, section 3.3.2.1), and leaves it in
// the buffer. It returns false for a topic that does not fit into the packet or the buffer: the embedded server closes
// such a connection, or no permission includes such a topic.
func (u *upward) peekTopic(length int) (topic string, whole bool) {
	if length < 2 { // a read beyond the packet would wait for the next packet
		return "", false
	}
	b, err := u.in.Peek(2)
	if err != nil {
		return "", false
	}
	end := 2 + int(binary.BigEndian.Uint16(b))
	if end > min(length, u.in.Size()) {
		return "", false
	}
	if b, err = u.in.Peek(end); err != nil {
		return "", false
	}
	return string(b[2:]), true
}

// reportFilters reports denied filters of a SUBSCRIBE. The client learns of the denial from the SUBACK.
func (u *upward) reportFilters(filters []string) {
	for _, f := range filters {
		if u.a.User != "" && !u.a.maySubscribe(f) {
			u.p.refuse(u.a, subscribeDenied, fmt.Sprintf("filter %.256q", f))
		}
	}
}
