package daemon

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
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

// Parts are the rooms and the facts of one machine. All but Uplink, Roster and Logger are required.
type Parts struct {
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

// Machine walks taps through the rooms. Make one with New, and Run it once.
type Machine struct {
	Parts
	state    session.State
	relay    bool
	hub      HubHealth // as followHub saw it last
	bundle   atomic.Pointer[BundleState]
	damage   atomic.Pointer[string]          // what of the journal is damaged; nil: nothing is known to be
	mismatch atomic.Pointer[JournalMismatch] // how the journal differs from what the hub holds; nil: nothing shows that
	unknown  unknownCards                    // that were tapped
	card     policy.CardStrength             // what the card of the state's member proved
	rosters  chan *roster.Roster
	asks     chan ask
	// its monotonic reading is what the next two count from: a clock that is set back feeds no dead loop
	born     time.Time
	beat     atomic.Int64 // nanoseconds from born to the loop's last turn
	disk     atomic.Int64 // and to when a commit began; 0: none is under way
	began    time.Time    // when the step began in which the session under way, or the wait, started
	came     time.Time    // and when the card came that it began with, as its reader says
	hands    []presented  // the cards of those who have the session under way, or wait
	practice map[policy.MemberID]policy.Practice
	owed     map[string]policy.Practice // of sessions that the last daemon left open
	desk     at                         // who tapped last
	slot     bool                       // the session under way began with a card in a slot
	lain     lying                      // the card that is in the slot though its session ended
	forms    []form
	done     work                     // the maintenance that ended last
	begun    []string                 // kinds of maintenance that count from now, and are not on record yet
	today    map[policy.MemberID]bool // who was here
	day      time.Time
	asking   time.Time                 // until then the next card says who reports a problem, and nothing else
	reports  map[reportKey][]time.Time // when each member's last ones were written
	reporter uint64                    // whose card was asked for that, as desk.nth
	counted  time.Time                 // when hours were last kept
	unsigned []unsignedForm            // sent from phones; they wait for their members
	attests  []toAttest                // interventions that wait for their endorsers
	// dangerAt is when a danger was last reported unsigned, droppedAt when a form was dropped that nobody confirmed; zero:
	// never.
	dangerAt, droppedAt time.Time

	screens []panel.Screen // the machine's own screens, as they were last judged

	unread unreadInput // what the reader sent that is no card's number
	// typedPart is the number that «machine tap» gives at this moment, where it may be a part of a card's number.
	typedPart rfid.UID

	// refusals holds when each refusal of a command was last recorded.
	refusals map[string]time.Time

	reported map[rfid.UID]bool // cards of the old card key that the hub was told of, since the bundle in force came
}

// Owed is the end of a session that the last daemon left open, and its member's practice with it; the zero Practice,
// where it is not known how long the session was.
type Owed struct {
	Record   session.Record
	Practice policy.Practice
}

// ask is something that must be done by the loop, and answered.
type ask struct {
	do   func(context.Context) control.Reply
	done chan control.Reply
}

// New makes a machine that is off.
func New(p Parts) *Machine {
	if p.Logger == nil {
		p.Logger = slog.New(slog.DiscardHandler)
	}
	if p.Practice == nil {
		p.Practice = map[policy.MemberID]policy.Practice{}
	}
	if p.RemovedTags == nil {
		p.RemovedTags = map[string]bool{}
	}
	m := &Machine{Parts: p, born: time.Now(), practice: p.Practice, owed: map[string]policy.Practice{},
		rosters: make(chan *roster.Roster), asks: make(chan ask)}
	if p.Done == nil {
		m.Done = map[string]policy.Done{}
	}
	var owed []session.Record
	for _, o := range p.Owed {
		owed, m.owed[o.Record.Session] = append(owed, o.Record), o.Practice
	}
	m.state = session.Restore(p.Tags, owed...)
	m.state.ReaderDown, m.state.Ran = p.Reader, p.Ran
	return m
}

// turned notes that the loop turns.
func (m *Machine) turned() { m.beat.Store(int64(time.Since(m.born))) }

// How long the loop may be silent before it is dead, and how long the disk may take over a commit: SD cards stop for
// seconds while they move blocks, and a job is not cut for that.
const (
	hang     = time.Second
	diskHang = 10 * time.Second
)

// Alive reports whether the loop turns, or waits for the disk alone: the lease on the relay is renewed only then.
func (m *Machine) Alive() bool {
	age := time.Since(m.born)
	if began := m.disk.Load(); began != 0 {
		return age-time.Duration(began) < diskHang
	}
	return age-time.Duration(m.beat.Load()) < hang
}

// Run owns the state until ctx ends; then the relay is off and the session's end is recorded.
func (m *Machine) Run(ctx context.Context, tick time.Duration) error {
	clock := time.NewTicker(tick)
	defer clock.Stop()
	m.renamed()
	m.tagMismatch(ctx)
	m.show()
	for {
		m.turned()
		select {
		case <-ctx.Done():
			m.step(context.WithoutCancel(ctx), session.Shutdown{})
			m.dropUnsigned(func(unsignedForm) bool { return true })
			return ctx.Err()
		case e := <-m.Taps:
			m.readerSays(ctx, e)
		case s := <-m.Signals:
			m.signal(ctx, s)
		case r := <-m.rosters:
			m.take(ctx, r)
		case a := <-m.asks:
			a.done <- a.do(ctx)
		case <-clock.C:
			m.expireUnsigned()
			m.step(ctx, session.Tick{})
			m.upkeep(ctx)
			m.keep()
			m.watchScreens()
			m.tagMismatch(ctx)
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
func (m *Machine) SetBundleState(s BundleState) { m.bundle.Store(&s) }

// verifiesBundle reports whether the first members' list is being verified.
func (m *Machine) verifiesBundle() bool {
	s := m.bundle.Load()
	return s != nil && s.Verifying
}

// damagedBundle is what is damaged; empty: nothing is.
func (m *Machine) damagedBundle() string {
	if s := m.bundle.Load(); s != nil {
		return s.Damage
	}
	return ""
}

// refusedBundle is why a bundle is refused because of its keys; empty: none is.
func (m *Machine) refusedBundle() string {
	if s := m.bundle.Load(); s != nil {
		return s.Refused
	}
	return ""
}

func send[T any](ctx context.Context, c chan<- T, v T) {
	select {
	case c <- v:
	case <-ctx.Done():
	}
}

// within runs do in the loop and waits for its answer.
func (m *Machine) within(ctx context.Context, do func(context.Context) control.Reply) control.Reply {
	a := ask{do, make(chan control.Reply, 1)}
	select {
	case m.asks <- a:
		return <-a.done
	case <-ctx.Done():
		return control.Reply{Error: "the daemon is ending"}
	}
}

func (m *Machine) take(ctx context.Context, r *roster.Roster) {
	m.Roster, m.reported = r, nil
	m.renamed()
	m.step(ctx, session.Tick{})
	m.note(ctx, wire.BundleTaken, wire.BundleBody{Version: r.Version})
	withdrawn := !m.welcome(m.state.Member) || !m.welcome(m.state.Holder()) || m.usesRefusedCard()
	if m.state.Running() && m.state.Phase != session.Finishing && withdrawn {
		m.Logger.Warn("the session ends: the new bundle lacks who answers for it, or blocks their card")
		if m.step(ctx, session.Stop{Finish: true}); !m.state.Running() {
			m.Panel.Flash(panel.AccessWithdrawn(), flash)
		}
	}
	m.show()
}

// welcome reports whether the bundle in force knows a member whose cards it does not refuse.
func (m *Machine) welcome(id policy.MemberID) bool {
	p, known := m.person(id)
	return known && !p.Member.Blocked
}

// Refuse writes down that an offered bundle changed nothing.
func (m *Machine) Refuse(ctx context.Context, version uint64, why error) {
	m.within(ctx, func(ctx context.Context) control.Reply {
		m.note(ctx, wire.BundleKept, wire.BundleBody{Version: version, Why: why.Error()})
		return control.Reply{OK: true}
	})
}

// note records what is no step of the session.
func (m *Machine) note(ctx context.Context, kind wire.Kind, body any) {
	m.carry(ctx, []session.Effect{session.Record{Kind: kind, Body: body}})
}

func (m *Machine) renamed() {
	if m.Roster == nil {
		return
	}
	if mach, ok := m.Roster.Policy.Machine(m.Machine); ok {
		m.Panel.SetMachine(mach.Name, m.Roster.Policy.Language, m.Roster.Policy.Zone, m.Roster.Policy.Look)
		m.Panel.SetWording(mach.Plain)
	}
}

func (m *Machine) signal(ctx context.Context, s Signal) {
	switch {
	case s.What == "busy":
		m.step(ctx, session.Busy{Working: s.On})
	case !s.On && slices.Contains(holds, s.What):
		m.step(ctx, session.Mended{What: s.What})
	case s.What == "contactor":
		m.relay = false
		m.step(ctx, session.Broke{What: s.What, Why: "command and contactor disagree"})
		// a contactor that lied once is not believed again before a maintainer has looked
		m.step(ctx, session.AddTag{Tag: session.Tag{ID: "contactor", Reason: m.speak(disagree)}, Now: true})
	case s.What == "guard-back":
		m.step(ctx, session.Mended{What: "guard-lost"})
	case s.What == "dropped": // the lease was missed: the session is over, the machine is not broken
		m.relay = false
		if m.state.Running() {
			name := m.name(m.state.Member)
			m.step(ctx, session.Broke{What: "lease", Why: why(s.Why)})
			m.step(ctx, session.Mended{What: "lease"})
			m.Panel.Flash(panel.StoppedForSafety(name), time.Minute)
		}
	default:
		m.relay = false
		m.step(ctx, session.Broke{What: s.What, Why: s.Why})
	}
}

// holds are the inputs that hold the relay open.
var holds = []string{"e-stop", "door", "contactor"}

// speak is a text in the site's language.
func (m *Machine) speak(t policy.Text) string {
	if m.Roster == nil {
		return t.FR
	}
	return t.In(m.Roster.Policy.Language)
}

// why is an unasked opening in words: what the guard said is its reason's name.
func why(reason string) string {
	switch reason {
	case "", "lease":
		return "the daemon was silent for too long"
	}
	return "the guard opened the relay: " + reason
}

// holds reports whether it is this card that the session under way hangs on.
func (m *Machine) holds(uid rfid.UID) bool {
	p, known := m.lookup(uid)
	return known && p.Member.ID == m.state.Holder() || m.state.Running() && m.whose(uid) == m.state.Holder()
}

// rests reports whether a card stands in its slot since its session was ended by something else: the machine must not
// start by itself because the reader lost sight of it for a moment.
func (m *Machine) rests(uid rfid.UID) bool {
	p, known := m.lookup(uid)
	if uid != m.lain.card && (!known || p.Member.ID != m.lain.who) {
		m.lain = lying{}
		return false
	}
	if m.lain.when.IsZero() || time.Since(m.lain.when) < takenOut {
		m.lain.when = time.Time{}
		return true
	}
	m.lain = lying{}
	return false
}

// takenOut is how long a card must have left its slot after its session was ended by something else; longer than a
// reader's glitch.
const takenOut = 3 * time.Second

// stale is how old a tap may be that still means something: a member whose card did nothing for so long has walked
// away, or tapped again.
const stale = 3 * time.Second

func (m *Machine) readerSays(ctx context.Context, e rfid.Event) {
	switch {
	case e.Unread.Why != "":
		m.sawUnread(e.Unread)
	case e.Err != nil:
		m.Logger.Warn("the reader does not answer", "why", e.Err)
		m.step(ctx, session.Reader{Why: e.Err.Error()})
	case !e.Alive:
		m.step(ctx, session.Reader{})
	default:
		m.step(ctx, session.Reader{Alive: true})
		if late := time.Since(e.Tap.At); !e.Tap.Away && !e.Tap.At.IsZero() && late > stale {
			m.Logger.Warn("a tap came too late to mean anything", "after", late.Round(time.Millisecond))
			return
		}
		if e.Tap.Unproven != nil {
			m.Logger.Warn("a card did not prove itself", "why", e.Tap.Unproven)
		}
		switch {
		case e.Tap.Away:
			if e.Tap.At.IsZero() || !e.Tap.At.Before(m.came) { // a reader says so once: however late, an empty slot is empty
				m.away(ctx, e.Tap.UID)
			}
		case e.Tap.Slot && m.state.Running() && m.holds(e.Tap.UID):
			// it stood there all the time, and the reader did not see it for a moment
		case e.Tap.Lies && m.state.Running():
			m.away(ctx, rfid.UID{})
		case e.Tap.Lies:
		case e.Tap.UID != (rfid.UID{}):
			if e.Tap.Slot && m.state.Running() {
				m.away(ctx, rfid.UID{})
			}
			if e.Tap.Slot && m.rests(e.Tap.UID) {
				m.Logger.Info("a card that was left in its slot starts nothing: it must leave it first")
				return
			}
			m.slot = e.Tap.Slot
			before := m.began
			if m.tap(ctx, e.Tap.UID, strength(e.Tap.Proof)); m.began != before && !e.Tap.At.IsZero() {
				m.came = e.Tap.At // the loop may have been late: what the reader said after the tap is news all the same
			}
		}
	}
}
