package broker

import (
	"encoding/binary"

	"portillon/wire"
)

// lowerQoS has a machine's SUBSCRIBE ask for the manifest with QoS 0. The embedded server keeps a message of QoS 1 for
// each subscriber until all have acknowledged it, and looks at every subscriber at every acknowledgement: for 1,000
// machines, a million times for each manifest. A server may grant less than what is asked for (MQTT 3.1.1 §3.9.3).
// Nothing is lost by it: the manifest is retained, each connection gets it, and the hub publishes it again while a
// machine's state names an older one.
//
// body is that of a SUBSCRIBE that filtersOf has accepted.
func (a *account) lowerQoS(body []byte) {
	if a.As != AsMachine {
		return
	}
	bundle := wire.Topics{Site: a.site}.Bundle()
	for at := 2; at+2 <= len(body); {
		end := at + 2 + int(binary.BigEndian.Uint16(body[at:]))
		if end >= len(body) {
			return
		}
		if string(body[at+2:end]) == bundle && body[end] == 1 {
			body[end] = 0
		}
		at = end + 1
	}
}
