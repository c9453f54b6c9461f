package daemon

import (
	"sync/atomic"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/rfid"
)

// rules are the policy and the members' list in force, as this machine sees them.
type rules struct {
	cfg    *Config
	roster *roster.Roster // nil until the first bundle
	// typedPart is the number that «machine tap» gives at this moment, where it may be a part of a card's number.
	typedPart rfid.UID
}

// model is all that is known of the machine. The loop alone uses it, but for the atomic fields below it.
type model struct {
	cfg      *Config
	rules    *rules
	state    session.State
	relay    bool // it is closed, as the guard confirmed last
	presence presence
	forms    forms
	attests  attestations
	upkeep   upkeep
	practice practice
	journal  journalState
	links    links
	unknown  unknownCards // that were tapped
}

// links is how the machine's copy of the bundle, the way to the hub and the machine's screens stand.
type links struct {
	hub     HubHealth // as followHub saw it last
	bundle  atomic.Pointer[BundleState]
	screens []panel.Screen // the machine's own screens, as they were last judged
}

// journalState is how the journal stands beside what the hub holds.
type journalState struct {
	damage   atomic.Pointer[string]          // what of the journal is damaged; nil: nothing is known to be
	mismatch atomic.Pointer[JournalMismatch] // how the journal differs from what the hub holds; nil: nothing shows that
	// awaits says that the journal began anew and has not been compared with what the hub holds of the ones before;
	// restored that it has been.
	awaits, restored bool
	removedTags      map[string]bool // tags that were taken off: a command cannot add one of them again
	counted          time.Time       // when the running hours were last kept
}

func newModel(c *Config) *model {
	m := &model{
		cfg: c, rules: &rules{cfg: c, roster: c.Roster},
		forms: forms{cfg: c}, attests: attestations{cfg: c},
	}
	m.practice = newPractice(c.Practice, c.Owed)
	m.journal.awaits, m.journal.restored, m.journal.removedTags = c.Awaits, c.Restored, c.RemovedTags
	if m.journal.removedTags == nil {
		m.journal.removedTags = map[string]bool{}
	}
	m.upkeep = newUpkeep(c.Done)
	var owed []session.Record
	for _, o := range c.Owed {
		owed = append(owed, o.Record)
	}
	m.state = session.Restore(c.Tags, owed...)
	m.state.Holds.ReaderDown, m.state.Runtime.Ran = c.Reader, c.Ran
	return m
}

// believedTime is now, in the site's zone and without parts of a second; zero where the clock cannot be believed.
func (m *model) believedTime() time.Time {
	if !m.cfg.Trusted() {
		return time.Time{}
	}
	zone := time.UTC
	if m.rules.roster != nil {
		zone = m.rules.roster.Policy.Zone
	}
	return m.cfg.Now().Round(time.Second).In(zone)
}

// expireAttests drops the interventions that nobody endorsed in time.
func (m *model) expireAttests() {
	running := ""
	if m.state.Running() {
		running = m.state.Current.Session
	}
	m.attests.expire(running)
}

// views are what the panel, the hub and an operator read of the machine. They change nothing.
type views struct {
	cfg     *Config
	model   *model
	decider *decider
}

// engine applies events to the machine, and carries out what follows.
type engine struct {
	cfg      *Config
	model    *model
	decider  *decider
	views    *views
	live     *liveness
	unread   unreadInput       // what the reader sent that is no card's number
	reported map[rfid.UID]bool // cards of the old card key that the hub was told of, since the bundle in force came
}

func newEngine(c *Config) *engine {
	m := newModel(c)
	d := &decider{cfg: c, model: m}
	return &engine{cfg: c, model: m, decider: d, views: &views{cfg: c, model: m, decider: d}, live: newLiveness()}
}

// periodic is what the machine does by itself as time passes.
type periodic struct {
	cfg    *Config
	engine *engine
}

// operator answers the control socket, and carries out the hub's commands.
type operator struct {
	cfg      *Config
	engine   *engine
	periodic *periodic
	refusals map[string]time.Time // when each refusal of a command was last recorded
}

// restorer takes what the hub knows from the journals before this one.
type restorer struct {
	cfg    *Config
	engine *engine
}
