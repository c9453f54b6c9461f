package hub_test

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors contains, by mutant id, the reason why no test detects a generated mutant.
var survivors = map[string]string{
	"opening.openServices: " +
		"zero: return err": "directory.New fails only without a site and a policy, which it is given",
	"opening.startBroker: " +
		"constant: syscall.EACCES in if err == nil || errors.Is(err, syscall.EADDRINUSE) || " +
		"erro…": "needs a port that may not be listened on: tests may run as root",
	"parser.mqtt: " +
		"zero: return c #2": "equivalent: a file with a fault gives no configuration",
	"Hub.releaseMemory: " +
		"boundary: m.Sys-m.HeapReleased > heldMost(needed) in if m.Sys-m.HeapReleased > " +
		"heldMost(needed)": "equivalent but for one number of bytes",
	"connector.connected: " +
		"drop: return err": "equivalent: the error is returned after the switch",
	"opening.openPages: " +
		"never: err != nil #2": "web.New fails only where its templates do, and its own tests parse them",
	"health.ready: " +
		"never: err != nil #2": "equivalent: the failure for which a change was tried is still noted, and is the answer",
	"adopter.importPolicy: " +
		"never: err != nil #3": "the database would have to fail between two statements",
	"connector.connected: " +
		"constant: inboxSize in l := &link{in: make(chan mqtt.Message, inboxSize), " +
		"cleanups…": "decides only how many messages wait here and how many at the broker",
	"Config.SealKeys: " +
		"without: !ok in if !ok || isExpired(day, now)": "equivalent: without a day, the zero day is expired too",
	"enrolments.announceAll: " +
		"drop: for _, stop := range stops { _ = stop() // sockets close wi…": "needs an announcement on a " +
		"network, and tests stay on loopback",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
