package broker

import (
	"encoding/binary"
	"fmt"
	"slices"

	"portillon/wire"
)

// The embedded server acknowledges a PUBLISH that is not allowed and drops it, and MQTT 3.1.1 has no other answer but
// to end the connection (§3.3.5). So that a denial is not silent, the proxy compares topics and filters with the same
// permissions, and logs and counts what the embedded server denies (refuse). It denies nothing itself.

// reasons of a refusal by the table of topics.
const (
	publishDenied   = "publish denied"
	subscribeDenied = "subscription denied"
)

// mayPublish reports whether the table of topics lets the account publish on a topic.
func (a *account) mayPublish(topic string) bool {
	return slices.ContainsFunc(
		a.granted,
		func(p wire.Permission) bool { return p.Publish && wire.Covers(p.Filter, topic) },
	)
}

// maySubscribe reports whether the table of topics lets the account subscribe to all that a filter matches.
func (a *account) maySubscribe(filter string) bool {
	return slices.ContainsFunc(
		a.granted,
		func(p wire.Permission) bool { return p.Subscribe && wire.Covers(p.Filter, filter) },
	)
}

// reportPublish looks at the topic of the PUBLISH whose header was read, and reports it where it is denied.
func (u *upward) reportPublish(length int) error {
	if u.a.User == "" { // a broker without accounts denies nothing
		return nil
	}
	// The packets before must not wait for the rest of this one.
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

// peekTopic reads the topic of a PUBLISH of this remaining length (MQTT 3.1.1 §3.3.2.1), without taking it. It reports
// false for a topic that does not fit in the packet or in the buffer: the embedded server ends such a connection, or no
// permission names such a topic.
func (u *upward) peekTopic(length int) (topic string, whole bool) {
	if length < 2 { // a look beyond the packet would wait for the next one
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

// reportFilters reports the filters of a SUBSCRIBE that are denied. The client is told by the SUBACK.
func (u *upward) reportFilters(filters []string) {
	for _, f := range filters {
		if u.a.User != "" && !u.a.maySubscribe(f) {
			u.p.refuse(u.a, subscribeDenied, fmt.Sprintf("filter %.256q", f))
		}
	}
}
