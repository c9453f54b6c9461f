package daemoncmd

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/store"
	"portillon/internal/testlog"
)

// startHub starts another hub with the same configuration and a separate data folder. The function stops the hub at the
// end of the test.
func startHub(t *testing.T, c hub.Config) *hub.Hub {
	t.Helper()
	h, err := hub.New(c, hub.Options{Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; h.Close() })
	<-h.Hearing()
	return h
}

// In this test, a hub is restored from a backup that is older than the last record that the hub acknowledged. The
// machine sends the missing records again without an administrator. Afterwards the hub's ledger equals the machine's
// journal; the machine has no tag, and the hub rejected or duplicated no record.
func TestMachineSendsMissingRecordsToAHubRestoredFromAnOlderBackup(t *testing.T) {
	f := newMachineFolder(t)
	h, hc := f.withHub(t)
	w := &connectedPair{t: t}
	c := f.copyOf(t)
	c.MQTT.Broker = h.Broker()
	restored := hc
	restored.Data = filepath.Join(t.TempDir(), "restored")
	if err := os.MkdirAll(restored.Data, 0o700); err != nil {
		t.Fatal(err)
	}
	var backedUp, acknowledged uint64
	f.run(t, c, func(d *Daemon) {
		appendAll(t, d, "m-020dc2")
		w.waitUntil("the first acknowledgement", func() bool { return d.uplink.Acked() == d.journal.Len() })
		backedUp = d.uplink.Acked()
		if err := store.BackUp(t.Context(), hc.Database(), restored.Database()); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			appendAll(t, d, "m-020dc2")
		}
		w.waitUntil("the acknowledgement after the backup", func() bool { return d.uplink.Acked() == d.journal.Len() })
		acknowledged = d.uplink.Acked()
	})
	if backedUp >= acknowledged {
		t.Fatalf("the backup has %d records, %d were acknowledged", backedUp, acknowledged)
	}
	h = startHub(t, restored)
	if held := h.Machines()[0].Held; held > acknowledged-6 {
		t.Fatalf("the restored hub holds %d records of %d", held, acknowledged)
	}
	c.MQTT.Broker = h.Broker()
	f.run(t, c, func(d *Daemon) {
		w.waitUntil(
			"the restored hub to hold all",
			func() bool { m := h.Machines()[0]; return m.Held == d.journal.Len() && d.uplink.Acked() == m.Held },
		)
		if m := h.Machines()[0]; m.Trouble != "" {
			t.Error(m.Trouble)
		}
		if s := d.status(t); s.NewJournal != "" || s.JournalDamage != "" ||
			strings.Contains(strings.Join(s.Tags, " "), "journal-") {
			t.Errorf("tags %q, new journal %q, damage %q", s.Tags, s.NewJournal, s.JournalDamage)
		}
		next := uint64(1)
		err := h.Ledger().Records(t.Context(), ledger.Query{Machine: "laser"}, func(e ledger.Entry) error {
			if e.Seq != next {
				t.Errorf("record %d comes after record %d", e.Seq, next-1)
			}
			next++
			return nil
		})
		if err != nil || next-1 < acknowledged {
			t.Errorf("%d records, want at least %d, %v", next-1, acknowledged, err)
		}
		if root, err := d.journal.Root(next - 1); err != nil {
			t.Error(err)
		} else if head, err := h.Ledger().Head("laser"); err != nil || head.Seq == next-1 && head.Root != root {
			t.Errorf("the ledger's root is %v, the journal's %v, %v", head.Root, root, err)
		}
	})
}
