package uplink

import "time"

const (
	// backoffMax is the longest pause between two attempts to connect. After an outage of an hour, all machines are
	// connected again within 30 s: at most one pause of 20 s and one attempt to connect of 10 s. If the hub is away, 1,000
	// machines together make 70 attempts a second. A network carries this load without difficulty.
	backoffMax = 20 * time.Second
	// heldFor is the duration after which a connection counts as stable, even without an acknowledgement. An idle
	// machine receives no acknowledgement from which it could see that the connection works.
	heldFor = time.Minute
)

// firstWait reports whether, after the loss of a connection, the pauses start again with the shortest pause.
func firstWait(progress bool, lasted time.Duration) bool { return progress || lasted >= heldFor }
