// Package uplink sends the journal to the hub over MQTT, and receives the hub's messages: acknowledgements, commands,
// and the manifests of new bundles.
//
// The broker between the machine and the hub may lose, repeat, delay, truncate and invent any message. The machine
// trusts only two sources: messages that are signed with the hub's key, and its own journal. The cursor moves only when
// the hub has signed an acknowledgement that contains a length of the journal and the root of the journal's tree at
// that length. The uplink sends the records past the cursor, and sends them again if no acknowledgement arrives. If the
// hub receives a record twice, with the same machine and seq, it stores the record once. A broker's PUBACK does not
// move the cursor.
//
// Health reports whether the hub acknowledges, how long an acknowledgement has been overdue, and why. A connection to
// the broker proves nothing about the hub: a broker acknowledges a publish that its access list denies, and retains the
// hub's last acknowledgement after the hub has gone. Therefore an idle machine publishes its state every few minutes,
// and the hub answers with an acknowledgement that the broker does not retain.
//
// The client library (paho.mqtt.golang) is used in the only mode that was reliable in tests: no automatic reconnect,
// clean sessions, no store, a write timeout, and a new client for each connection. The guard (guard.go) checks data
// from the broker before the library reads the data, because the library panics on a SUBACK that is longer than the
// SUBSCRIBE, and would read 256 MB if a header announced that length.
//
// No member waits for this package. SetState and Notify never block; Append waits at most for the reading of one batch.
//
// A command with the retained flag is refused: the broker has stored that command, so it may be old. A message of more
// than wire.MaxPacket bytes is dropped, and its topic is logged. The connection stays open after such a message. After
// each connection, the machine replaces or clears the messages that others have retained on its topics. The handlers
// check whether a command or a manifest is genuine.
package uplink
