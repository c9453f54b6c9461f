// Package uplink sends the journal to the hub over MQTT, and receives the hub's messages: acknowledgements, commands,
// and the manifests of new bundles.
//
// The broker between them may lose, repeat, delay, truncate and invent any message. Only two sources are trusted:
// messages signed with the hub's key, and the journal. The cursor moves only by an acknowledgement that the hub has
// signed, and that contains a length of the journal and the root of the journal's tree at that length. The records past
// the cursor are sent, and sent again if no acknowledgement arrives. The hub is idempotent on (machine, seq). A
// broker's PUBACK does not move the cursor.
//
// Health reports whether the hub acknowledges, how long an acknowledgement has been overdue, and why. A connection to
// the broker shows nothing about the hub: a broker acknowledges a publish that its access list denies, and retains the
// hub's last acknowledgement when the hub is gone. Therefore an idle machine publishes its state again every few
// minutes, and the hub answers with an acknowledgement that is not retained.
//
// The client library (paho.mqtt.golang) is used in the only mode that was reliable in tests: no automatic reconnect,
// clean sessions, no store, a write timeout, and a new client for each connection. Data from the broker is checked
// before the library reads it (guard.go), because the library panics on a SUBACK that is longer than the SUBSCRIBE, and
// would read 256 MB if a header announced that length.
//
// No member waits for this package. SetState and Notify never block; Append waits at most for the reading of one batch.
//
// A command with the retained flag is refused: a broker has stored it, so it may be old. A message of more than
// wire.MaxPacket bytes is dropped and logged with its topic. The connection remains open. At each connection, messages
// that others retained on this machine's topics are replaced or cleared. The handlers check whether a command or a
// manifest is genuine.
package uplink
