package uplink

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/journal"
	"portillon/policy"
	"portillon/wire"
	"portillon/wire/mqtt"
)

// Sink is the name of the hub's cursor in the journal.
const Sink = "hub"

// Config says where to, and as whom. Broker, Site, Machine and Keys are required.
type Config struct {
	Broker       string // tcp://host:1883 or ssl://host:8883
	Username     string
	PasswordFile string                       // read at each connection; one trailing newline is not part of it
	TLS          *tls.Config                  // for ssl://; nil: the system's authorities
	Resolve      func(hostport string) string // where to dial for the broker's address; nil: there

	Site      policy.SiteID
	Machine   policy.MachineID
	Keys      note.Verifiers // who may acknowledge: the hub
	Discovery Message        // published retained at each connection; zero: none
	Logger    *slog.Logger   // nil: silent

	// All below have defaults; tests bring their own.
	Batch      int           // records in a message at most: wire.MaxBatchRecords
	BatchBytes int           // bytes of a message with records at most: wire.MaxBatch
	Timeout    time.Duration // for each step of a connection, and each write: 10 s
	// how long the hub may be silent before records are sent again: 10 s, doubled each time
	Stall      time.Duration
	StallMax   time.Duration                        // 5 min
	Backoff    time.Duration                        // between connections: 500 ms, doubled each time
	BackoffMax time.Duration                        // 20 s
	After      func(time.Duration) <-chan time.Time // time.After
	Random     func() float64                       // in [0, 1): jitter, so that twenty machines do not come back as one
	// Probe is after how long without an answer the hub is asked whether it is there: 3 min. A machine that nobody uses
	// has no records that would show it. An unanswered question is repeated after Stall, doubled each time, up to
	// ProbeMax: 1 min.
	Probe, ProbeMax time.Duration
	Mono            func() int64     // milliseconds since the computer's start: journal.Uptime
	Boot            string           // the kernel's boot id: journal.BootID
	Now             func() time.Time // the machine's clock: time.Now
	Trusted         func() bool      // whether Now can be believed: never
}

// Message is a topic and a payload.
type Message struct {
	Topic   string
	Payload []byte
}

// Handlers are told what comes. Bundle and Command run one at a time each, beside the uplink, which they never hold up;
// they end when their context does. A nil one is not called.
type Handlers struct {
	// Bundle is given a manifest as it arrived. The same one comes again at each connection, and whenever the hub sees
	// that this machine works from another; while one is being installed only the newest waits.
	Bundle func(ctx context.Context, manifest []byte)
	// Command is given an order as it arrived, and returns what to publish as the reply; nil: nothing.
	Command func(ctx context.Context, order []byte) []byte
	// Online is told when the broker is reached and when it is lost. It must not block.
	Online func(bool)
	// Acked is given each acknowledgement, as the hub signed it, that fits the journal and is new, in what it covers or in
	// its seal key. It must not block.
	Acked func(signed []byte)
	// Other is told that the hub has acknowledged records that are not the first of this journal: it is an older copy, or
	// another journal. It must not block.
	Other func(Other)
	// Fits is told that the hub has acknowledged the first records of this journal, at least one. It must not block.
	Fits func()
	// Former reports whether this journal is known to have taken the place of the machine's journal of that generation. An
	// acknowledgement of it is an old one that somebody replays, or comes from a hub whose ledger is an old copy: nothing
	// is missing here. It must not block.
	Former func(wire.Generation) bool
}

// Other is how another journal, which the hub holds, differs from this one.
type Other struct {
	Hub, Here uint64 // records
	New       bool   // it is of another generation
}

// Uplink is the way to the hub. Make one with New, and Run it once.
type Uplink struct {
	c      Config
	h      Handlers
	j      *journal.Journal
	topics wire.Topics
	broker *url.URL

	logDropped func(mqtt.Dropped)
	monitor    monitor

	hub    acknowledged
	state  atomic.Pointer[wire.State]
	news   chan struct{} // holds one: the journal has new records, or the state changed
	queues queues
}

// acknowledged is what the hub's last acknowledgement that fitted the journal said.
type acknowledged struct {
	held atomic.Uint64 // records that the hub has
	seal string        // its seal key; the goroutine of Run alone uses it
}

// New checks the configuration and finds the cursor; it does not connect.
func New(c Config, j *journal.Journal, h Handlers) (*Uplink, error) {
	broker, err := mqtt.ParseBroker(c.Broker)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	if c.Site == "" || c.Machine == "" || c.Keys == nil {
		return nil, errors.New("uplink: site, machine and the hub's key are required")
	}
	held, err := j.Cursor(Sink)
	if err != nil {
		return nil, fmt.Errorf("uplink: %w", err)
	}
	u := &Uplink{c: defaults(c), h: h, j: j, topics: wire.Topics{Site: c.Site}, broker: broker,
		news: make(chan struct{}, 1), queues: newQueues()}
	u.logDropped = mqtt.LogDropped(u.c.Logger, time.Now)
	u.hub.held.Store(held)
	u.monitor.mono = u.c.Mono
	u.monitor.change(func(v *vitals, now int64) { v.broker.changed = now })
	u.findOldestOwed()
	return u, nil
}

func defaults(c Config) Config {
	set := func(d *time.Duration, v time.Duration) {
		if *d <= 0 {
			*d = v
		}
	}
	set(&c.Timeout, 10*time.Second)
	set(&c.Stall, 10*time.Second)
	set(&c.StallMax, 5*time.Minute)
	set(&c.Backoff, 500*time.Millisecond)
	set(&c.BackoffMax, backoffMax)
	set(&c.Probe, 3*time.Minute)
	set(&c.ProbeMax, time.Minute)
	if c.Batch <= 0 {
		c.Batch = wire.MaxBatchRecords
	}
	if c.BatchBytes <= 0 {
		c.BatchBytes = wire.MaxBatch
	}
	if c.After == nil {
		c.After = time.After
	}
	if c.Boot == "" {
		c.Boot = journal.BootID()
	}
	if c.Mono == nil {
		c.Mono = journal.Uptime
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Trusted == nil {
		c.Trusted = func() bool { return false }
	}
	if c.Random == nil {
		c.Random = rand.Float64
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	return c
}

// SetState is what the machine's state topic says from now on. It never blocks; only the newest state is sent.
func (u *Uplink) SetState(s wire.State) {
	u.state.Store(&s)
	u.Notify()
}

// Notify says that the journal has new records. It never blocks, and is safe for concurrent use.
func (u *Uplink) Notify() {
	u.noteGrowth()
	select {
	case u.news <- struct{}{}:
	default: // one is pending: it will see this too
	}
}

// Acked is how many records the hub holds, by its own last word.
func (u *Uplink) Acked() uint64 { return u.hub.held.Load() }

// Run keeps a connection until ctx ends, then says goodbye. It returns when all that it started has ended.
func (u *Uplink) Run(ctx context.Context) error {
	var workers sync.WaitGroup
	defer workers.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	workers.Go(func() { u.runCommands(ctx) })
	workers.Go(func() { u.runInstalls(ctx) })
	wait := u.c.Backoff
	for {
		began := u.c.Mono()
		progress, err := u.runConnection(ctx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		u.noteDisconnected(err)
		if firstWait(progress, time.Duration(u.c.Mono()-began)*time.Millisecond) {
			wait = u.c.Backoff
		}
		pause := time.Duration(float64(wait) * (0.5 + 0.5*u.c.Random()))
		u.c.Logger.Info("no connection to the broker", "broker", u.broker.Redacted(), "why", err, "next try in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.c.After(pause):
		}
		wait = min(2*wait, u.c.BackoffMax)
	}
}

// runCommands hands commands to their handler, one after the other.
func (u *Uplink) runCommands(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case order := <-u.queues.orders:
			if u.h.Command == nil {
				continue
			}
			if reply := u.h.Command(ctx, order); reply != nil {
				replaceOldest(u.queues.replies, reply)
			}
		}
	}
}

// runInstalls hands manifests to their handler, one after the other.
func (u *Uplink) runInstalls(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-u.queues.bundles:
			if u.h.Bundle != nil {
				u.h.Bundle(ctx, m)
			}
		}
	}
}

// replaceOldest is a send that never blocks: a full channel drops what has waited longest.
func replaceOldest[T any](c chan T, v T) {
	for {
		select {
		case c <- v:
			return
		default:
		}
		select {
		case <-c:
		default:
		}
	}
}
