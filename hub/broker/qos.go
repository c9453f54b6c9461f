package broker

import "encoding/binary"

// lowerQoS changes a machine's SUBSCRIBE to QoS 0. For each topic filter with QoS 1, the embedded server creates a
// consumer of about 40 KB. The server checks every consumer at every acknowledgement of a message, so that one manifest
// for 1,000 machines needs a million checks. A server may grant a lower QoS than requested (MQTT 3.1.1, section 3.9.3).
//
// No message is lost. All clients start clean sessions. With QoS 1 the server would therefore repeat a message only
// within the same connection, where TCP loses no message. The manifest and acknowledgements are retained, so that each
// new connection receives these messages. The hub also publishes the manifest again while a machine's state names an
// older manifest, and an acknowledgement again when the same records arrive again. The sender of a command waits for
// the machine's reply, and so notices a lost command.
//
// The caller has already checked the body with filtersOf.
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
