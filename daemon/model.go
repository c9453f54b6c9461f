package daemon

import (
	"slices"
	"sync/atomic"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// model is the complete state of the machine. Only the loop uses a model, except for its atomic fields.
type model struct {
	cfg      *Config
	rules    *rules
	state    session.State
	relay    bool // closed, as last confirmed by the guard
	presence presence
	forms    forms
	attests  attestations
	upkeep   upkeep
	practice practice
	journal  journalState
	links    links
	unknown  unknownCards // unknown cards that were tapped
}

// links holds the states of the bundle on the disk, of the communication with the hub, and of the machine's screens.
type links struct {
	hub     HubHealth // as followHub last read it
	bundle  atomic.Pointer[BundleState]
	screens []panel.Screen // the machine's own screens, as last evaluated
}

// journalState compares the journal with the hub's copy.
type journalState struct {
	damage   atomic.Pointer[string]          // description of the journal's damage; nil: none known
	mismatch atomic.Pointer[JournalMismatch] // difference between the journal and the hub's copy; nil: none known
	// awaits means that the journal is new and has not yet been compared with the hub's copy of earlier journals.
	// restored means that the journal has been compared with that copy.
	awaits, restored bool
	removedTags      map[string]bool // removed tags, which a command cannot add again
	counted          time.Time       // when the running hours were last stored
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

// believedTime returns now, in the site's zone and in whole seconds; zero if the clock is not trusted.
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

// isVerifyingBundle reports whether the first members' list is being verified.
func (l *links) isVerifyingBundle() bool {
	s := l.bundle.Load()
	return s != nil && s.Verifying
}

// bundleDamage returns the description of the damage to the bundle on the disk; empty: none.
func (l *links) bundleDamage() string {
	if s := l.bundle.Load(); s != nil {
		return s.Damage
	}
	return ""
}

// bundleRefusal returns why a bundle is refused because of its keys; empty: none is refused.
func (l *links) bundleRefusal() string {
	if s := l.bundle.Load(); s != nil {
		return s.Refused
	}
	return ""
}

// currentMember returns the member at the machine; empty: none.
func (m *model) currentMember() policy.MemberID { return m.presence.member(m.cfg.Now()) }

// noteArrival records which member is at the machine now. A card that is blocked, or that proved less than this machine
// requires, counts as nobody, and ends the presence of the previous member.
func (m *model) noteArrival(id policy.MemberID, card policy.CardStrength, d policy.Decision) {
	mach, ok := m.rules.machine()
	if !ok || card < mach.Card || slices.Contains(d.Codes(), policy.CardBlocked) {
		m.presence.leave()
		return
	}
	m.presence.arrive(id, m.cfg.Now(), m.rules.roster.Policy.Zone)
}

// isTagged reports whether the machine has a tag with this id.
func (m *model) isTagged(id string) bool {
	return slices.ContainsFunc(m.state.Holds.Tags, func(t session.Tag) bool { return t.ID == id })
}

// newJournalTag returns the id of the tag for a new journal.
func (m *model) newJournalTag() string {
	g := string(m.cfg.Journal.Generation())
	return tagNew + g[:min(len(g), tagNewDigits)]
}

// isTagWithoutHub reports whether tag is the tag of a new journal and no hub is configured to compare the journal with.
func (m *model) isTagWithoutHub(tag string) bool {
	return m.cfg.Uplink == nil && m.journal.awaits && tag == m.newJournalTag()
}

// toWallTime converts a moment to the machine's present wall time. Moments of this process have a monotonic reading, so
// a change of the clock does not affect them. If the clock was set since, the time to show must be computed again. A
// difference of less than a second does not count as a change of the clock.
func (m *model) toWallTime(t time.Time) time.Time {
	now := m.cfg.Now()
	if t.IsZero() {
		return t
	}
	if anew := now.Add(t.Sub(now)).Round(0); anew.Sub(t.Round(0)).Abs() >= time.Second {
		return anew
	}
	return t
}

// isSessionAuthorized reports whether the current bundle still contains every member of the current session, and
// refuses none of their cards.
func (m *model) isSessionAuthorized() bool {
	return m.isStillAuthorized(m.state.Current.Member) && m.isStillAuthorized(m.state.Holder()) && !m.usesRefusedCard()
}

// isStillAuthorized reports whether the current bundle contains the member and does not refuse their cards.
func (m *model) isStillAuthorized(id policy.MemberID) bool {
	p, known := m.rules.person(id)
	return known && !p.Member.Blocked
}

// usesRefusedCard reports whether one of the cards of the current session was reported lost or blocked since its tap.
func (m *model) usesRefusedCard() bool {
	return slices.ContainsFunc(m.state.CardsInUse(), func(card rfid.UID) bool {
		c, refused := m.rules.refused(card)
		return refused && c.State.Alerts()
	})
}
