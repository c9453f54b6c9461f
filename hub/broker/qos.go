package broker

import "encoding/binary"

// lowerQoS changes a machine's SUBSCRIBE to QoS 0. For each topic filter with QoS 1, the embedded server creates a
// consumer of about 40 KB. It keeps a message until all subscribers have acknowledged it, and checks every consumer at
// every acknowledgement: with 1,000 machines, a million checks for each manifest. A server may grant a lower QoS than
// requested (MQTT 3.1.1, section 3.9.3).
//
// No message is lost. Sessions are clean, so QoS 1 would only repeat a message within the same connection, where TCP
// loses none. Manifest and acknowledgement are retained, so each new connection receives them. The hub also publishes
// them again: the manifest while a machine's state names an older one, the acknowledgement whenever records arrive
// again. The sender of a command waits for the machine's reply.
//
// The body must have been accepted by filtersOf.
func (a *account) lowerQoS(body []byte) {
	if a.As != AsMachine {
		return
	}
	for at := 2; at+2 <= len(body); {
		end := at + 2 + int(binary.BigEndian.Uint16(body[at:]))
		if end >= len(body) {
			return
		}
		if body[end] == 1 {
			body[end] = 0
		}
		at = end + 1
	}
}
