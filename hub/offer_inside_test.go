package hub

import (
	"log/slog"
	"testing"
	"time"

	"portillon/policy"
)

// One publication of the manifest reaches all machines with an older bundle. The hub repeats the publication only after
// a machine has reported an older bundle again.
func TestManifestIsRepublishedOnceForAllOutdatedMachines(t *testing.T) {
	now := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	h := newParts(&core{now: func() time.Time { return now }, log: slog.New(slog.DiscardHandler)})
	h.fleet.machines = map[policy.MachineID]*Machine{
		"a": {ID: "a", notes: machineNotes{lags: true}}, "b": {ID: "b"}, "c": {ID: "c", notes: machineNotes{lags: true}}}
	if !h.fleet.markLagging() {
		t.Error("two machines lag, and nothing is published")
	}
	for id, m := range h.fleet.machines {
		if offered := !m.notes.offered.IsZero(); m.notes.lags || offered != (id != "b") {
			t.Errorf("%s: lags %v, offered %v", id, m.notes.lags, m.notes.offered)
		}
	}
	if h.fleet.markLagging() {
		t.Error("the manifest is published again for the same states")
	}
}

// A machine that has just received the manifest may still be fetching the bundle.
func TestManifestIsNotPublishedAgainAtOnce(t *testing.T) {
	h := newParts(&core{now: time.Now, log: slog.New(slog.DiscardHandler)})
	h.bundles.manifest = []byte("signed")
	h.fleet.machines = map[policy.MachineID]*Machine{"a": {ID: "a", notes: machineNotes{lags: true}}}
	l := &link{offered: time.Now()} // the link has no client, so a publication would return an error
	if err := h.connector.messages.republishManifest(l); err != nil || !h.fleet.machines["a"].notes.lags {
		t.Errorf("%v; the machine lags: %v", err, h.fleet.machines["a"].notes.lags)
	}
}
