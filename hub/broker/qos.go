package broker

import "encoding/binary"

// lowerQoS has a machine's SUBSCRIBE ask for QoS 0. The embedded server makes a consumer of about 40 KB for each topic
// filter of QoS 1, keeps a message for each subscriber until all have acknowledged it, and looks at every consumer at
// every acknowledgement: for 1,000 machines, a million times for each manifest. A server may grant less than what is
// asked for (MQTT 3.1.1 §3.9.3).
//
// Nothing is lost by it. Sessions are clean, so QoS 1 would repeat a message within one connection alone, where TCP
// loses none. Manifest and acknowledgement are retained, each connection gets them, and the hub publishes both again:
// the manifest while a machine's state names an older one, the acknowledgement whenever records come again. Whoever
// gives a command waits for the machine's reply.
//
// body is that of a SUBSCRIBE that filtersOf has accepted.
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
