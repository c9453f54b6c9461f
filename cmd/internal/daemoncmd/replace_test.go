package daemoncmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/session"
	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/internal/testlog"
	"portillon/policy"
	"portillon/wire"
)

// withHub starts the hub of the machine's site, and stops the hub at the end of the test.
func (f *machineFolder) withHub(t *testing.T) (*hub.Hub, hub.Config) {
	t.Helper()
	text := fmt.Sprintf("portillon: 1\nsite: biklab\ndata: %q\nkey: hub.key\nmachines:\n  laser: { key: %q }\nmqtt: { "+
		"listen: "+"\"127.0.0.1:0\" }\n", t.TempDir(), f.public)
	path := filepath.Join(f.dir, "hub.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	hc, err := hub.ReadConfig(path)
	if err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(hc, hub.Options{Log: testlog.New(t)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done; h.Close() })
	<-h.Hearing()
	return h, hc
}

func (d *Daemon) status(t *testing.T) control.Status {
	return *d.answerOrDo(t, control.Request{Do: "status"}).Status
}

// The machine of this test has a new, empty memory card. The machine is out of service until an administrator runs one
// command that makes the hub accept the new journal. After that command, the machine has the tag, the practice and the
// hours of the old journal again, and no other tag.
func TestMachineWithANewMemoryCardIsRestoredByOneCommand(t *testing.T) {
	f := newMachineFolder(t)
	h, hc := f.withHub(t)
	w := &connectedPair{t: t}
	c := f.copyOf(t)
	c.MQTT.Broker = h.Broker()
	f.run(t, c, func(d *Daemon) {
		appendAll(t, d, "m-020dc2")
		w.waitUntil("the acknowledgement of the old journal", func() bool { return d.uplink.Acked() == d.journal.Len() })
	})
	old, err := os.ReadFile(c.ackFile()) // any client of the broker can publish such a copy of the machine's state
	if err != nil {
		t.Fatal(err)
	}
	c.Data = filepath.Join(t.TempDir(), "new")
	w.waitUntil("the hub sees it leave", func() bool { m := h.Machines()[0]; return !m.Online })
	f.run(t, c, func(d *Daemon) {
		w.waitUntil("the tag of the new journal", func() bool {
			s := d.status(t)
			return s.NewJournal == string(d.journal.Generation()) &&
				slices.ContainsFunc(s.Tags, func(x string) bool { return strings.HasPrefix(x, "journal-new-") })
		})
		w.waitUntil("the refusal at the hub",
			func() bool { m := h.Machines()[0]; return strings.HasPrefix(m.Trouble, "other-generation") })
		l, err := ledger.Open(hc.Ledger(), hc.Site, hc.Keys())
		if err != nil {
			t.Fatal(err)
		}
		err = l.Replace(ledger.Replacement{Machine: "laser", Generation: d.journal.Generation(), By: "ines", At: time.Now()})
		if err := errors.Join(err, l.Close()); err != nil {
			t.Fatal(err)
		}
		w.waitUntil("the restore", func() bool { s := d.status(t); return s.NewJournal == "" && len(s.Tags) == 1 })
		if s := d.status(t); s.Tags[0] != "t1 belt" || s.JournalDamage != "" {
			t.Errorf("tags %q, %q", s.Tags, s.JournalDamage)
		}
		w.waitUntil("the hub's word that it is restored", func() bool {
			m := h.Machines()[0]
			return m.Trouble == "" && len(m.Journals) == 2 && m.Journals[1].Restored && m.Held == d.journal.Len()
		})
	})
	if err := os.WriteFile(c.ackFile(), old, 0o600); err != nil {
		t.Fatal(err)
	}
	f.run(t, c, func(d *Daemon) {
		if d.older != nil {
			t.Errorf("an acknowledgement of the journal before is taken for the hub's newest: %+v", d.older)
		}
		if s := d.status(t); len(s.Tags) != 1 || s.Tags[0] != "t1 belt" || s.JournalDamage != "" {
			t.Errorf("after a restart: tags %q, %q", s.Tags, s.JournalDamage)
		}
		was, err := d.local.readFacts()
		if err != nil || was.practice["m-020dc2"].Logged != 10*time.Minute || was.ran.Relay != time.Hour {
			t.Errorf("practice %+v, hours %+v, %v", was.practice["m-020dc2"], was.ran, err)
		}
		n := 0
		if err := d.journal.Walk(t.Context(), func(r wire.Record) {
			if r.Kind == wire.Restored {
				n++
				var b wire.RestoredBody
				if json.Unmarshal(r.Body, &b) != nil || len(b.From) != 1 || b.Tags != 1 || len(b.SHA256) != 64 {
					t.Errorf("%s", r.Body)
				}
			}
		}, func() {}); err != nil || n != 1 {
			t.Errorf("%d records say that it was restored, %v", n, err)
		}
	})
}

// appendAll appends a session of ten minutes to the journal, and one hour of relay time.
func appendAll(t *testing.T, d *Daemon, m policy.MemberID) {
	t.Helper()
	r := diskJournal{d.journal}
	for _, x := range []struct {
		kind wire.Kind
		body any
	}{{wire.SessionEnd, wire.EndBody{Cause: wire.CauseTap, Seconds: 600}},
		{wire.Reported, wire.ReportBody{What: wire.Noise, Ran: wire.Ran{RanSeconds: 3600, RanBy: wire.RanByRelay}}}} {
		if err := r.Append(session.Record{Kind: x.kind, Member: m, Body: x.body}, nil); err != nil {
			t.Fatal(err)
		}
	}
	d.uplink.Notify()
}
