package broker

import (
	"encoding/binary"
	"fmt"
	"slices"

	"portillon/wire"
)

// The embedded server acknowledges a forbidden PUBLISH and drops it, as MQTT 3.1.1 permits (section 3.3.5). To make
// denials visible, the proxy checks topics and filters with the same permissions, and logs and counts the denials
// (refuse). In this file the proxy only reports denials, because the embedded server denies the packets.

// Reasons, for the log and the counts, why the table of topics denies a packet.
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

// reportPublish reports a PUBLISH that the account may not send. The caller has read the header of the packet, and the
// next bytes are the topic.
func (u *upward) reportPublish(length int) error {
	if u.a.User == "" { // a broker without accounts permits every packet
		return nil
	}
	// Send the buffered earlier packets now, so that they do not wait until the rest of this packet arrives.
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

// peekTopic returns the topic of a PUBLISH with this remaining length (MQTT 3.1.1, section 3.3.2.1), and leaves the
// topic in the buffer. peekTopic returns false for a topic that does not fit into the packet, which makes the embedded
// server close the connection, and for a topic that does not fit into the buffer, which no permission includes.
func (u *upward) peekTopic(length int) (topic string, whole bool) {
	// the packet is too short for the length of a topic; reading two bytes would wait for the next packet
	if length < 2 {
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

// reportFilters reports the filters of a SUBSCRIBE that the account may not use. The embedded server reports the denial
// to the client in the SUBACK.
func (u *upward) reportFilters(filters []string) {
	for _, f := range filters {
		if u.a.User != "" && !u.a.maySubscribe(f) {
			u.p.refuse(u.a, subscribeDenied, fmt.Sprintf("filter %.256q", f))
		}
	}
}
