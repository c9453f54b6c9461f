package hub_test

import (
	"testing"

	"portillon/internal/mutate"
)

// survivors explains the generated mutants that no test catches, by id.
var survivors = map[string]string{
	"opening.openServices: " +
		"zero: return err": "needs a database that fails between two services",
	"restores.bringRestore: " +
		"drop: return fmt.Errorf(\"%s " +
		"answers: %s\", m, reply.Why)": "no test in this package: needs a machine that refuses what it is given back",
	"opening.startBroker: " +
		"constant: syscall.EACCES in if err == nil || errors.Is(err, " +
		"syscall.EADDRINUSE) || erro…": "tests may run as root, which may listen on any port",
	"enrolments.takePolicy: " +
		"negate: p == nil": "no test in this package: needs a machine that gives its policy back",
	"enrolments.takePolicy: " +
		"no case: en.core.c.Bundle.Policy == nil": "no test in this package: needs a machine that gives its policy back",
	"Config.SealKeys: " +
		"never: err != nil": "no test yet: a seal key that cannot be read",
	"pagesServer.startTLS: " +
		"no case: w.Cert == OwnCert": "no test in this package: pages with the hub's own certificate",
	"opening.openJoin: " +
		"drop: o.ReturnedManifest, o.ReturnedPolicy = " +
		"op.hub.enrolments.ta…": "no test in this package: needs a machine that gives its bundle back",
	"Bundles.isDue: " +
		"without: h.bundles.readAll.IsZero() in due := h.bundles.readAll.IsZero() || " +
		"now.Sub(h.bundles.read…": "no test yet: the first reading of all bundles",
	"machineLog.take: " +
		"boundary: b.MaxSeconds > 0 " +
		"in if b.MaxSeconds > 0": "no test yet: a session without a limit",
	"cards.rebind: " +
		"negate: err == nil": "no test in this package: a card that was bound under the old card key",
}

func TestGeneratedMutantsAreCaught(t *testing.T) {
	mutate.Generated(t, 100, survivors)
}
