package uplink

import "time"

const (
	// backoffMax is the longest pause between two attempts to connect. After an outage of an hour, all machines are
	// connected again within 30 s: one pause, and a connection attempt of at most 10 s. Without a hub, 1,000 machines
	// together make 70 attempts a second. This is a negligible load for a network.
	backoffMax = 20 * time.Second
	// heldFor is the duration after which a connection counts as stable, even without an acknowledgement. An idle
	// machine receives no acknowledgement from which it could see that the connection works.
	heldFor = time.Minute
)

// firstWait reports whether, after the loss of a connection, the next pause is the shortest pause again.
func firstWait(progress bool, lasted time.Duration) bool { return progress || lasted >= heldFor }
