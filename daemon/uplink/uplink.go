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

// Sink is the name under which the journal stores the hub's cursor.
const Sink = "hub"

// Config contains the hub's address and the machine's identity. Broker, Site, Machine and Keys are required.
type Config struct {
	Broker   string // address of the broker, such as tcp://host:1883 or ssl://host:8883
	Username string
	// File of the password, which is read at each connection; one newline at its end is removed.
	PasswordFile string
	TLS          *tls.Config // TLS settings for ssl://; nil: use the system's certificate authorities
	// Function that maps the broker's address to the address to dial; nil: the same address.
	Resolve func(hostport string) string

	Site      policy.SiteID
	Machine   policy.MachineID
	Keys      note.Verifiers // the hub's keys, which verify acknowledgements
	Discovery Message        // message that is published as retained at each connection; zero: none
	Logger    *slog.Logger   // nil: no log

	// Each of the following fields has a default, which its comment states. Only tests set these fields.
	Batch      int           // largest number of records in a message; default: wire.MaxBatchRecords
	BatchBytes int           // largest number of bytes of a message with records; default: wire.MaxBatch
	Timeout    time.Duration // time limit for each step of a connection and for each write; default: 10 s
	// Stall is how long the hub may be silent before records are sent again. Default: 10 s, doubled after each time.
	Stall    time.Duration
	StallMax time.Duration // longest pause before records are sent again; default: 5 min
	// Pause between two connections; default: 500 ms, doubled after each time.
	Backoff    time.Duration
	BackoffMax time.Duration                        // longest pause between two connections; default: 20 s
	After      func(time.Duration) <-chan time.Time // timer function: time.After
	// Function that returns a random number in [0, 1) for the jitter, so that machines do not all reconnect at once.
	Random func() float64
	// Probe is the time without an answer after which the machine asks the hub for an answer. Default: 3 min. The machine
	// asks because an idle machine sends no records that the hub could acknowledge. If the hub does not answer, the
	// machine asks again after Stall, which doubles each time, up to ProbeMax. Default: 1 min.
	Probe, ProbeMax time.Duration
	Mono            func() int64     // milliseconds since the computer's start; default: journal.Uptime
	Boot            string           // id of the kernel's present boot; default: journal.BootID
	Now             func() time.Time // wall clock of the machine; default: time.Now
	Trusted         func() bool      // whether Now can be trusted; default: never
}

// Message is a topic and a payload.
type Message struct {
	Topic   string
	Payload []byte
}

// Handlers are the functions that the uplink calls for incoming messages. The uplink calls Bundle and Command one at a
// time, each in a goroutine of its own, so that they never delay the uplink. They must return when their context ends.
// If a function is nil, it is not called.
type Handlers struct {
	// Bundle receives a manifest whose signature is not verified yet. The same manifest arrives again at each connection,
	// and whenever the hub sees that this machine uses another bundle. If an installation is running, only the newest
	// manifest waits for its end.
	Bundle func(ctx context.Context, manifest []byte)
	// Command receives an order whose signature is not verified yet, and returns the reply to publish; nil: no reply.
	Command func(ctx context.Context, order []byte) []byte
	// Online is called with true when the broker is connected, and with false when the connection is lost. Online must
	// not block.
	Online func(bool)
	// Acked receives an acknowledgement that fits the journal, with the hub's signature, if its number of records or its
	// seal key is new. Acked must not block.
	Acked func(signed []byte)
	// Other is called when the hub has acknowledged records that are not the first records of this journal. This journal
	// is then an older copy, or a different journal. Other must not block.
	Other func(Other)
	// Fits is called when the hub has acknowledged at least one record, and the acknowledged records are the first ones of
	// this journal. Fits must not block.
	Fits func()
	// Former reports whether this journal is known to have replaced the journal of generation g. An acknowledgement of
	// such a generation is a replay, or the hub works with an old copy of its ledger. In both cases no records of this
	// journal are missing. Former must not block.
	Former func(wire.Generation) bool
}

// Other describes how the journal that the hub holds differs from this machine's journal.
type Other struct {
	Hub, Here uint64 // numbers of records
	New       bool   // the generations differ
}

// Uplink is the machine's communication with the hub. Create it with New, and call Run once.
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
	news   chan struct{} // signals that the journal has new records or that the state has changed
	queues queues
}

// acknowledged is the content of the last acknowledgement of the hub that fitted the journal.
type acknowledged struct {
	held atomic.Uint64 // number of records that the hub holds
	seal string        // the hub's seal key; only the goroutine of Run uses this field
}

// New checks the configuration and reads the cursor, but does not connect.
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

// SetState sets the content of the machine's state topic. SetState never blocks. Only the newest state is sent.
func (u *Uplink) SetState(s wire.State) {
	u.state.Store(&s)
	u.Notify()
}

// Notify reports that the journal has new records. Notify never blocks, and is safe for concurrent use.
func (u *Uplink) Notify() {
	u.noteGrowth()
	select {
	case u.news <- struct{}{}:
	default: // a signal is already waiting, and it covers these records too
	}
}

// Acked returns the number of records that the hub holds, by its last acknowledgement.
func (u *Uplink) Acked() uint64 { return u.hub.held.Load() }

// Run maintains a connection to the broker until ctx ends, then publishes that the machine is offline. Run returns when
// all its goroutines have ended.
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
		u.c.Logger.Info("cannot connect to the broker", "broker", u.broker.Redacted(), "why", err, "next try in", pause)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-u.c.After(pause):
		}
		wait = min(2*wait, u.c.BackoffMax)
	}
}

// runCommands calls the handler for each command, one at a time.
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

// runInstalls calls the handler for each manifest, one at a time.
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

// replaceOldest sends without blocking: if the channel is full, it drops the oldest value.
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
