package hub_test

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/ledger"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// lockedLog stores the hub's log in memory; a test can read the log while the hub writes to it.
type lockedLog struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func TestTapOfALostCardIsLoggedOnce(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills a ledger, or waits for a process")
	}
	m := ledgertest.New(t, "biklab", "laser")
	m.Append(wire.Refused, "", "m-1", wire.RefusedBody{Reasons: []policy.Code{policy.CardBlocked}})
	m.Append(wire.CardAlert, "", "m-1", wire.CardAlertBody{State: "lost", Since: "2026-11-01"})
	m.Append(wire.CardAlert, "", "m-2", map[string]any{"state": 7})
	c := configure(t, []*ledgertest.Machine{m})
	now := ledgertest.Start().Add(time.Hour)
	alerts := func(h *hub.Hub) []hub.CardAlert { return h.Machines()[0].Alerts }
	serve := func(do func(o *runningHub)) string {
		var log lockedLog
		h, err := hub.New(c, hub.Options{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- h.Run(ctx) }()
		o := &runningHub{Hub: h, t: t, config: c}
		if o.key, err = c.Verifier(); err != nil {
			t.Fatal(err)
		}
		do(o)
		cancel()
		<-done
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		return log.String()
	}
	log := serve(func(o *runningHub) {
		x := dial(t, o.Broker())
		x.subscribe(x.topics.Ack("laser"))
		x.awaitAck(o, m, 0)
		x.publish(x.topics.Records("laser"), m.Data(1, 3))
		x.publish(x.topics.Records("laser"), m.Data(1, 3)) // publish the same records again, as a machine does
		x.awaitAck(o, m, 3)
		if got := alerts(o.Hub); len(got) != 2 || got[0].Member != "m-1" || got[0].State != "lost" ||
			got[0].Since != "2026-11-01" ||
			got[0].Seq != 2 {
			t.Errorf("%+v", got)
		}
	})
	if strings.Count(log, `level=WARN msg="refused card tapped"`) != 2 ||
		!strings.Contains(log, "machine=laser state=lost member=m-1") {
		t.Error(log)
	}
	log = serve(func(o *runningHub) {
		if got := alerts(o.Hub); len(got) != 2 {
			t.Errorf("after a restart: %+v", got)
		}
	})
	if strings.Contains(log, "refused card tapped") {
		t.Errorf("warned again: %s", log)
	}
	now = now.AddDate(0, 0, 31)
	serve(func(o *runningHub) {
		if got := alerts(o.Hub); len(got) != 0 {
			t.Errorf("a month later: %+v", got)
		}
	})
}

func TestHubStoresOnlyTheNewestCardAlertsOfAMachine(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	for range 20 {
		m.Append(wire.CardAlert, "", "m-1", wire.CardAlertBody{State: "blocked"})
	}
	c := configure(t, []*ledgertest.Machine{m})
	l, err := ledger.Open(c.Ledger(), "biklab", c.Keys())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Take("laser", m.Data(1, 20)); err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	h, err := hub.New(c, hub.Options{Now: func() time.Time { return ledgertest.Start() }})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if got := h.Machines()[0].Alerts; len(got) != 8 || got[7].Seq != 20 {
		t.Errorf("%+v", got)
	}
	a := hub.CardAlert{At: time.Date(2026, 11, 23, 10, 0, 0, 0, time.Local), Member: "m-1", State: "blocked"}
	if a.In(policy.French) != "carte bloquée présentée le 2026-11-23 10:00 (membre m-1)" ||
		a.In(policy.English) != "blocked card tapped on 2026-11-23 10:00 (member m-1)" {
		t.Errorf("%q %q", a.In(policy.French), a.In(policy.English))
	}
	if a.State = "later"; a.In(policy.English) != "refused card tapped on 2026-11-23 10:00 (member m-1)" {
		t.Errorf("%q", a.In(policy.English))
	}
}
