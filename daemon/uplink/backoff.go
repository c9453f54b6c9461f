package uplink

import "time"

const (
	// backoffMax is the longest pause between two attempts to connect. After an outage of an hour, the hub has all
	// machines back within 30 s: one pause, and a connection attempt of at most 10 s. 1,000 machines without a hub make 70
	// attempts a second together, which is a negligible load for a network.
	backoffMax = 20 * time.Second
	// heldFor is the duration after which a connection counts as stable, even without an acknowledgement. An idle machine
	// receives no acknowledgement that would show this.
	heldFor = time.Minute
)

// firstWait reports whether, after the loss of a connection, the next pause is the shortest one again.
func firstWait(progress bool, lasted time.Duration) bool { return progress || lasted >= heldFor }
