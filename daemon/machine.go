package daemon

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
	"portillon/wire"
)

// Journal commits records. Append returns when the record is on the disk, or with the reason why it is not; Keep does
// the same with facts alone.
type Journal interface {
	Append(r session.Record, facts map[string][]byte) error
	Keep(facts map[string][]byte) error
	Len() uint64
	Generation() wire.Generation
}

// Switch is the relay as the guard holds it. Set returns when the guard has confirmed, or with an error, and then the
// relay is off.
type Switch interface {
	Set(ctx context.Context, r session.Relay) error
}

// Uplink is told what is new; neither method blocks.
type Uplink interface {
	SetState(wire.State)
	Kick()
}

// Signal is what the guard reports by itself: what the machine's inputs say, and its own end.
type Signal struct {
	What string // busy, e-stop, door, contactor, dropped, guard-lost, guard-back
	On   bool   // busy: it works; e-stop, door: it is open; contactor: it does not follow
	Why  string
}

// Config is what one machine works with. All but Uplink, Roster and Logger are required.
type Config struct {
	Site    policy.SiteID
	Machine policy.MachineID
	Now     func() time.Time
	Trusted func() bool // the clock can be believed
	// LastTrusted is when the journal last took a record with a trusted clock; zero: never. nil: nobody knows.
	LastTrusted func() time.Time
	NewID       func() string
	Program     string // the version of this program
	HasBusy     bool
	Ignore      time.Duration // how long after a start the busy input means nothing
	Reader      bool          // there is one: until it has answered, it does not

	Journal Journal
	Switch  Switch
	Panel   *panel.Panel
	Uplink  Uplink
	Roster  *roster.Roster // nil until the first bundle
	Logger  *slog.Logger

	Taps    <-chan rfid.Event
	Signals <-chan Signal

	Tags []session.Tag // from the journal's facts
	// RemovedTags holds the ids of tags that were taken off, from the journal's facts. A command cannot add one of them
	// again.
	RemovedTags map[string]bool
	// Awaits says that the journal began anew and has not been compared with what the hub holds of the ones before;
	// Restored that it has been.
	Awaits, Restored bool
	Practice         map[policy.MemberID]policy.Practice // likewise
	Done             map[string]policy.Done              // likewise: when each kind of maintenance was last done
	Ran              session.Hours                       // likewise
	// what happened before and the journal has not taken: nothing starts until it does
	Owed  []Owed
	Acked func() uint64 // records that the hub holds
	// how the way to the hub stands; it does not block; nil: there is no hub
	HubHealth func() HubHealth
	// SealKey is the hub's key of the day for sealed cards (wire.Ack); empty: none is known. It does not block; nil: there
	// is no hub.
	SealKey func() string
	// Keys are the keys that the machine works with, and the room of its disk, for its state. It does not block for long;
	// nil: the state says nothing of them.
	Keys func() wire.StateKeys
	// RestartScreen asks for the restart of the browser at this computer's own screen. nil: nothing can restart it.
	RestartScreen func() error
}

// Machine is one machine of the site. Make one with New, and Run it once.
type Machine struct {
	cfg      *Config
	engine   *engine
	periodic *periodic
	actions  *PanelActions
	operator *operator
	restorer *restorer
	loop     loop
	rosters  chan *roster.Roster
}

// Owed is the end of a session that the last daemon left open, and its member's practice with it; the zero Practice,
// where it is not known how long the session was.
type Owed struct {
	Record   session.Record
	Practice policy.Practice
}

// New makes a machine that is off.
func New(c Config) *Machine {
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	cfg := &c
	e := newEngine(cfg)
	p := &periodic{cfg: cfg, engine: e}
	l := loop{asks: make(chan ask)}
	return &Machine{
		cfg: cfg, engine: e, periodic: p, loop: l, rosters: make(chan *roster.Roster),
		actions:  &PanelActions{cfg: cfg, engine: e, periodic: p, loop: l},
		operator: &operator{cfg: cfg, engine: e, periodic: p, refusals: map[string]time.Time{}},
		restorer: &restorer{cfg: cfg, engine: e},
	}
}

// Alive reports whether the loop turns, or waits for the disk alone: the lease on the relay is renewed only then.
func (m *Machine) Alive() bool { return m.engine.live.alive() }

// Actions are what people at the panel may do. It implements panel.Actions.
func (m *Machine) Actions() *PanelActions { return m.actions }

// Run owns the state until ctx ends; then the relay is off and the session's end is recorded.
func (m *Machine) Run(ctx context.Context, tick time.Duration) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	m.engine.applyPolicyToPanel()
	m.periodic.tagMismatch(ctx)
	m.engine.show()
	for {
		m.engine.live.turned()
		select {
		case <-ctx.Done():
			m.engine.apply(context.WithoutCancel(ctx), session.Shutdown{})
			m.engine.model.forms.drop(func(unsignedForm) bool { return true })
			return ctx.Err()
		case e := <-m.cfg.Taps:
			m.engine.readerEvent(ctx, e)
		case s := <-m.cfg.Signals:
			m.signal(ctx, s)
		case r := <-m.rosters:
			m.take(ctx, r)
		case a := <-m.loop.asks:
			a.done <- a.do(ctx)
		case <-clock.C:
			m.engine.model.forms.expire()
			m.engine.apply(ctx, session.Tick{})
			m.periodic.upkeep(ctx)
			m.periodic.keep()
			m.periodic.watchScreens()
			m.periodic.tagMismatch(ctx)
		}
	}
}

// SetRoster hands the machine a new bundle. It blocks until the loop has it, or ctx ends.
func (m *Machine) SetRoster(ctx context.Context, r *roster.Roster) { send(ctx, m.rosters, r) }

// BundleState is how the machine's copy of the bundle stands on its disk. The zero value is an undamaged one.
type BundleState struct {
	Version uint64 // the version that should be in force; 0: not known
	Damage  string // what is damaged, for an operator; empty: nothing is
	Refused string // why a bundle is refused because of its keys, for an operator; empty: none is
	// Verifying says that the machine has no members' list yet because it verifies the badges of thousands of members,
	// which it has not seen before.
	Verifying bool
}

// SetBundleState says how the bundle stands on the disk. It does not block.
func (m *Machine) SetBundleState(s BundleState) { m.engine.model.links.bundle.Store(&s) }

// verifiesBundle reports whether the first members' list is being verified.
func (l *links) verifiesBundle() bool {
	s := l.bundle.Load()
	return s != nil && s.Verifying
}

// damagedBundle is what is damaged; empty: nothing is.
func (l *links) damagedBundle() string {
	if s := l.bundle.Load(); s != nil {
		return s.Damage
	}
	return ""
}

// refusedBundle is why a bundle is refused because of its keys; empty: none is.
func (l *links) refusedBundle() string {
	if s := l.bundle.Load(); s != nil {
		return s.Refused
	}
	return ""
}

func (m *Machine) take(ctx context.Context, r *roster.Roster) {
	m.engine.model.rules.roster, m.engine.reported = r, nil
	m.engine.applyPolicyToPanel()
	m.engine.apply(ctx, session.Tick{})
	m.engine.recordAlone(ctx, wire.BundleTaken, wire.BundleBody{Version: r.Version})
	withdrawn := !m.engine.model.isStillAuthorized(m.engine.model.state.Current.Member) || !m.engine.model.isStillAuthorized(m.engine.model.state.Holder()) || m.engine.model.usesRefusedCard()
	if m.engine.model.state.Running() && m.engine.model.state.Phase != session.Finishing && withdrawn {
		m.cfg.Logger.Warn("the session ends: the new bundle lacks who answers for it, or blocks their card")
		if m.engine.apply(ctx, session.Stop{Finish: true}); !m.engine.model.state.Running() {
			m.cfg.Panel.Flash(panel.AccessWithdrawn(), flash)
		}
	}
	m.engine.show()
}

// isStillAuthorized reports whether the bundle in force knows a member whose cards it does not refuse.
func (m *model) isStillAuthorized(id policy.MemberID) bool {
	p, known := m.rules.person(id)
	return known && !p.Member.Blocked
}

// Refuse writes down that an offered bundle changed nothing.
func (m *Machine) Refuse(ctx context.Context, version uint64, why error) {
	m.loop.within(ctx, func(ctx context.Context) control.Reply {
		m.engine.recordAlone(ctx, wire.BundleKept, wire.BundleBody{Version: version, Why: why.Error()})
		return control.Reply{OK: true}
	})
}

// recordAlone records what is no step of the session.
func (m *engine) recordAlone(ctx context.Context, kind wire.Kind, body any) {
	m.execute(ctx, []session.Effect{session.Record{Kind: kind, Body: body}}, time.Now())
}

func (m *engine) applyPolicyToPanel() {
	if m.model.rules.roster == nil {
		return
	}
	if mach, ok := m.model.rules.roster.Policy.Machine(m.cfg.Machine); ok {
		m.cfg.Panel.SetMachine(mach.Name, m.model.rules.roster.Policy.Language, m.model.rules.roster.Policy.Zone, m.model.rules.roster.Policy.Look)
		m.cfg.Panel.SetWording(mach.Plain)
	}
}

func (m *Machine) signal(ctx context.Context, s Signal) {
	switch {
	case s.What == "busy":
		m.engine.apply(ctx, session.Busy{Working: s.On})
	case !s.On && slices.Contains(holds, session.FaultKind(s.What)):
		m.engine.apply(ctx, session.FaultCleared{What: session.FaultKind(s.What)})
	case s.What == "contactor":
		m.engine.model.relay = false
		m.engine.apply(ctx, session.FaultRaised{What: session.Contactor, Why: "command and contactor disagree"})
		// a contactor that lied once is not believed again before a maintainer has looked
		m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: "contactor", Reason: m.engine.model.rules.inSiteLanguage(disagree)}, Now: true})
	case s.What == "guard-back":
		m.engine.apply(ctx, session.FaultCleared{What: session.GuardLost})
	case s.What == "dropped": // the lease was missed: the session is over, the machine is not broken
		m.engine.model.relay = false
		if m.engine.model.state.Running() {
			name := m.engine.model.rules.name(m.engine.model.state.Current.Member)
			m.engine.apply(ctx, session.FaultRaised{What: session.Lease, Why: why(s.Why)})
			m.engine.apply(ctx, session.FaultCleared{What: session.Lease})
			m.cfg.Panel.Flash(panel.StoppedForSafety(name), time.Minute)
		}
	default:
		m.engine.model.relay = false
		m.engine.apply(ctx, session.FaultRaised{What: session.FaultKind(s.What), Why: s.Why})
	}
}

// holds are the inputs that hold the relay open.
var holds = []session.FaultKind{session.EStop, session.Door, session.Contactor}

// inSiteLanguage is a text in the site's language.
func (m *rules) inSiteLanguage(t policy.Text) string {
	if m.roster == nil {
		return t.FR
	}
	return t.In(m.roster.Policy.Language)
}

// why is an unasked opening in words: what the guard said is its reason's name.
func why(reason string) string {
	switch reason {
	case "", "lease":
		return "the daemon was silent for too long"
	}
	return "the guard opened the relay: " + reason
}

// stale is how old a tap may be that still means something: a member whose card did nothing for so long has walked
// away, or tapped again.
const stale = 3 * time.Second

func (m *engine) readerEvent(ctx context.Context, e rfid.Event) {
	switch {
	case e.Unread.Why != "":
		m.unreadInput(e.Unread)
	case e.Err != nil:
		m.cfg.Logger.Warn("the reader does not answer", "why", e.Err)
		m.apply(ctx, session.Reader{Why: e.Err.Error()})
	case !e.Alive:
		m.apply(ctx, session.Reader{})
	default:
		m.apply(ctx, session.Reader{Alive: true})
		m.cardEvent(ctx, e.Tap)
	}
}

// cardEvent takes what a reader says of a card: it was presented, put into the reader's slot, or taken out of it.
func (m *engine) cardEvent(ctx context.Context, x rfid.Tap) {
	if late := time.Since(x.At); !x.Away && !x.At.IsZero() && late > stale {
		m.cfg.Logger.Warn("a tap came too late to mean anything", "after", late.Round(time.Millisecond))
		return
	}
	if x.Unproven != nil {
		m.cfg.Logger.Warn("a card did not prove itself", "why", x.Unproven)
	}
	if x.Away { // a reader says so once: however late, an empty slot is empty
		m.apply(ctx, session.Removed{Card: x.UID, Member: m.model.rules.memberOf(x.UID), At: x.At})
		return
	}
	if x.UID == (rfid.UID{}) {
		return
	}
	if x.Slot || x.Lies {
		m.apply(ctx, session.Inserted{Card: x.UID, Member: m.model.rules.memberOf(x.UID), At: x.At, WasThere: x.Lies})
		if !m.model.state.Cards.AsksPolicy() {
			return
		}
	}
	m.tap(ctx, x)
}

// memberOf is whose card this is by the bundle in force; empty: nobody's.
func (m *rules) memberOf(card rfid.UID) policy.MemberID {
	p, _ := m.lookup(card)
	if p.Member == nil {
		return ""
	}
	return p.Member.ID
}
