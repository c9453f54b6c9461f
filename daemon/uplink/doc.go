// Package uplink carries the journal to the hub over MQTT, and brings back what the hub sends: acknowledgements,
// commands, and the manifest of a new bundle.
//
// The broker between may lose, repeat, delay, cut and invent anything. Two things are believed: what is signed with the
// hub's key, and the journal. The cursor moves only by the hub's signed acknowledgement of a length that the journal
// has, with the root that its tree had then. Whatever lies past the cursor is sent, and sent again when nothing comes
// back: the hub is idempotent on (machine, seq). A broker's PUBACK proves nothing and moves nothing.
//
// Health says whether the hub acknowledges, since when it has owed an acknowledgement, and why. A connection to the
// broker says none of that: a broker acknowledges a publish that its access list denies, and retains the hub's last
// acknowledgement when the hub is gone. So an idle machine publishes its state anew every few minutes, and a hub
// answers it with an acknowledgement that is not retained.
//
// The client library (paho.mqtt.golang) is used in the one mode that was measured to be honest: no reconnect of its
// own, clean sessions, no store, a write timeout, and a fresh client for each connection. What a broker may send it is
// checked first (guard.go): it panics on a SUBACK that is longer than the SUBSCRIBE was, and would read 256 MB because
// a header says so.
//
// Nothing that a member waits for runs here. SetState and Notify never block; Append is only ever kept waiting for the
// time of reading one batch.
//
// Refused: a command that arrives with the retained flag (a broker has kept it: it is not for now). A message of more
// than wire.MaxPacket bytes is dropped and logged with its topic; the connection goes on. What somebody retained on a
// topic of this machine is replaced or cleared at each connection. Whether a command or a manifest is genuine is judged
// by whoever handles it.
package uplink
