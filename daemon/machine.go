package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/relay"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/wire"
)

// Machine is one machine of the site. Create it with New, and call Run once.
type Machine struct {
	cfg      *Config
	model    *model
	engine   *engine
	periodic *periodic
	actions  *PanelActions
	operator *operator
	restorer *restorer
	loop     loop
	rosters  chan *roster.Roster
}

// New returns a machine that is off.
func New(c Config) *Machine {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	cfg := &c
	e := newEngine(cfg)
	p := &periodic{cfg: cfg, model: e.model, engine: e}
	l := loop{asks: make(chan loopCall)}
	return &Machine{
		cfg: cfg, model: e.model, engine: e, periodic: p, loop: l, rosters: make(chan *roster.Roster),
		actions:  &PanelActions{cfg: cfg, model: e.model, engine: e, periodic: p, loop: l},
		operator: &operator{cfg: cfg, model: e.model, engine: e, periodic: p, refusals: map[string]time.Time{}},
		restorer: &restorer{cfg: cfg, model: e.model, engine: e},
	}
}

// Alive reports whether the loop runs, or only waits for the disk. The lease on the relay is renewed only while Alive
// returns true.
func (m *Machine) Alive() bool { return m.engine.live.alive() }

// Actions returns the actions that people at the panel may perform, which implement panel.Actions.
func (m *Machine) Actions() *PanelActions { return m.actions }

// Run owns the machine's state until ctx ends. When Run returns, the relay is off and the end of the session is
// recorded.
func (m *Machine) Run(ctx context.Context, tick time.Duration) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	m.engine.applyPolicyToPanel()
	m.periodic.tagMismatch(ctx)
	m.engine.show()
	for {
		m.engine.live.markIteration()
		select {
		case <-ctx.Done():
			m.engine.apply(context.WithoutCancel(ctx), session.Shutdown{})
			m.model.forms.drop(func(unsignedForm) bool { return true })
			return ctx.Err()
		case e := <-m.cfg.Taps:
			m.engine.readerEvent(ctx, e)
		case s := <-m.cfg.Signals:
			m.signal(ctx, s)
		case r := <-m.rosters:
			m.setRoster(ctx, r)
		case a := <-m.loop.asks:
			a.done <- a.do(ctx)
		case <-clock.C:
			m.model.forms.expire()
			m.engine.apply(ctx, session.Tick{})
			m.periodic.upkeep(ctx)
			m.periodic.storeRunningHours()
			m.periodic.watchScreens()
			m.periodic.tagMismatch(ctx)
		}
	}
}

// SetRoster passes a new bundle to the machine. SetRoster blocks until the loop uses the bundle, or ctx ends.
func (m *Machine) SetRoster(ctx context.Context, r *roster.Roster) { send(ctx, m.rosters, r) }

// SetBundleState sets the state of the bundle on the disk. SetBundleState does not block.
func (m *Machine) SetBundleState(s BundleState) { m.model.links.bundle.Store(&s) }

// SetJournalMismatch sets how the journal differs from the hub's copy. SetJournalMismatch does not block.
func (m *Machine) SetJournalMismatch(x JournalMismatch) {
	if old := m.model.journal.mismatch.Load(); old == nil || old.Hub != x.Hub || old.New != x.New {
		m.model.journal.mismatch.Store(&x)
	}
}

// JournalFits records that the hub holds the first records of this journal. JournalFits does not block.
func (m *Machine) JournalFits() { m.model.journal.mismatch.Store(nil) }

// SetJournalDamage sets the description of the journal's damage. SetJournalDamage does not block.
func (m *Machine) SetJournalDamage(what string) { m.model.journal.damage.Store(&what) }

// Do answers an operator at the control socket. Everyone who may open the socket may send orders. A tap that is sent
// there has the same effect as a tap at the reader.
func (m *Machine) Do(ctx context.Context, r control.Request) control.Reply {
	return m.loop.within(ctx, func(ctx context.Context) control.Reply { return m.operator.order(ctx, r, "") })
}

// Obey executes a command that was signed for this machine, and records the result. A tag that the machine already has
// is not added again, and neither is a removed tag, so a repeated command has no effect. Tags can be removed only at
// the machine.
func (m *Machine) Obey(ctx context.Context, c wire.Command) error {
	rep := m.loop.within(ctx, func(ctx context.Context) control.Reply { return m.operator.obey(ctx, c) })
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return nil
}

// Restore adds the hub's data from earlier journals to this journal. done holds the kinds of maintenance that a record
// of this journal shows as done. A journal accepts one restore, and a second call has no effect. Restore removes only
// the tag of the new journal, and does not affect a running session.
func (m *Machine) Restore(ctx context.Context, r wire.Restore, sha string, done map[string]bool) error {
	rep := m.loop.within(ctx, func(ctx context.Context) control.Reply {
		if err := m.restorer.restore(ctx, r, sha, done); err != nil {
			return control.Reply{Error: err.Error()}
		}
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return nil
}

// Refuse records that an offered bundle was refused.
func (m *Machine) Refuse(ctx context.Context, version uint64, why error) {
	m.loop.within(ctx, func(ctx context.Context) control.Reply {
		m.engine.recordAlone(ctx, wire.BundleKept, wire.BundleBody{Version: version, Why: why.Error()})
		return control.Reply{OK: true}
	})
}

// setRoster starts to use a new bundle. setRoster ends the current session if the bundle removes or blocks one of its
// members, or refuses one of its cards.
func (m *Machine) setRoster(ctx context.Context, r *roster.Roster) {
	e := m.engine
	e.model.rules.roster, e.reported = r, nil
	e.applyPolicyToPanel()
	e.apply(ctx, session.Tick{})
	e.recordAlone(ctx, wire.BundleTaken, wire.BundleBody{Version: r.Version})
	s := &e.model.state
	if !s.Running() || s.Phase == session.Finishing || e.model.isSessionAuthorized() {
		e.show()
		return
	}
	m.cfg.Logger.Warn("session ended by the new bundle", "member", s.Current.Member)
	if e.apply(ctx, session.Stop{Finish: true}); !s.Running() {
		m.cfg.Panel.Flash(panel.AccessWithdrawn(), flash)
	}
	e.show()
}

// signal handles a report of the guard.
func (m *Machine) signal(ctx context.Context, s Signal) {
	e, fault := m.engine, session.FaultKind(s.What)
	switch {
	case s.What == relay.Busy:
		e.apply(ctx, session.Busy{Working: s.On})
		return
	case s.What == GuardBack:
		e.apply(ctx, session.FaultCleared{What: session.GuardLost})
		return
	case !s.On && slices.Contains(blockingInputs, fault):
		e.apply(ctx, session.FaultCleared{What: fault})
		return
	}
	// All signals other than those handled above mean that the relay is open.
	e.model.relay = false
	switch s.What {
	case relay.Contactor:
		e.apply(ctx, session.FaultRaised{What: session.Contactor, Why: "command and contactor disagree"})
		// After a contactor has differed from the order once, keep the machine out of service until a maintainer has
		// checked it.
		tag := session.Tag{ID: contactorTag, Reason: e.model.rules.inSiteLanguage(disagree)}
		e.apply(ctx, session.AddTag{Tag: tag, Now: true})
	case relay.Dropped: // the lease was not renewed in time: the session is over, but the machine is not faulty
		if !e.model.state.Running() {
			return
		}
		name := e.model.rules.name(e.model.state.Current.Member)
		e.apply(ctx, session.FaultRaised{What: session.Lease, Why: openReasonText(s.Why)})
		e.apply(ctx, session.FaultCleared{What: session.Lease})
		m.cfg.Panel.Flash(panel.StoppedForSafety(name), time.Minute)
	default:
		e.apply(ctx, session.FaultRaised{What: fault, Why: s.Why})
	}
}

// blockingInputs are the inputs that force the relay to stay open.
var blockingInputs = []session.FaultKind{session.EStop, session.Door, session.Contactor}

// openReasonText returns a text that says why the guard opened the relay. reason is the guard's code.
func openReasonText(reason string) string {
	switch reason {
	case "", "lease":
		return "the daemon was silent for too long"
	}
	return "the guard opened the relay: " + reason
}
