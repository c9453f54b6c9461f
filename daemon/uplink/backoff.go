package uplink

import "time"

const (
	// backoffMax is the longest pause between two tries to connect. A hub that was away for an hour has all its machines
	// back within 30 s: a pause, and a connection of at most 10 s. 1,000 machines that find no hub try 70 times a second
	// together, which costs a network nothing.
	backoffMax = 20 * time.Second
	// heldFor is after how long a connection has shown that the broker does not end it at once. A machine that nobody uses
	// has no acknowledgement to show for it.
	heldFor = time.Minute
)

// firstWait reports whether the next pause is the shortest again, after a connection that was lost.
func firstWait(progress bool, lasted time.Duration) bool { return progress || lasted >= heldFor }
