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

// currentMember is who stands at the machine; empty: nobody.
func (m *model) currentMember() policy.MemberID { return m.presence.member(m.cfg.Now()) }

// arrived notes who stands there now. Whose card is blocked, or proved less than this machine asks for, is nobody; and
// whoever stood there before does not any more.
func (m *model) arrived(id policy.MemberID, card policy.CardStrength, d policy.Decision) {
	mach, ok := m.rules.machine()
	if !ok || card < mach.Card || slices.Contains(d.Codes(), policy.CardBlocked) {
		m.presence.leave()
		return
	}
	m.presence.arrive(id, m.cfg.Now(), m.rules.roster.Policy.Zone)
}

// isTagged reports whether a tag hangs on the machine.
func (m *model) isTagged(id string) bool {
	return slices.ContainsFunc(m.state.Holds.Tags, func(t session.Tag) bool { return t.ID == id })
}

// newJournalTag is the id of the tag of a machine with a journal that began anew.
func (m *model) newJournalTag() string {
	g := string(m.cfg.Journal.Generation())
	return tagNew + g[:min(len(g), tagNewDigits)]
}

// alone reports whether a tag that is taken off says that the journal is new, and there is no hub to compare it with.
func (m *model) alone(tag string) bool {
	return m.cfg.Uplink == nil && m.journal.awaits && tag == m.newJournalTag()
}

// wall is a moment as the machine's clock has it now. Moments of this life carry the time that passes (session),
// whatever the clock is set to; where it was set since, what is shown must be counted anew. Less than a second is no
// clock that was set.
func (m *model) wall(t time.Time) time.Time {
	now := m.cfg.Now()
	if t.IsZero() {
		return t
	}
	if anew := now.Add(t.Sub(now)).Round(0); anew.Sub(t.Round(0)).Abs() >= time.Second {
		return anew
	}
	return t
}

// isSessionAuthorized reports whether the bundle in force still knows everyone whom the session under way rests on, and
// refuses none of their cards.
func (m *model) isSessionAuthorized() bool {
	return m.isStillAuthorized(m.state.Current.Member) && m.isStillAuthorized(m.state.Holder()) && !m.usesRefusedCard()
}

// isStillAuthorized reports whether the bundle in force knows a member whose cards it does not refuse.
func (m *model) isStillAuthorized(id policy.MemberID) bool {
	p, known := m.rules.person(id)
	return known && !p.Member.Blocked
}

// usesRefusedCard reports whether one of the cards that the session under way rests on has been lost or blocked
// since.
func (m *model) usesRefusedCard() bool {
	return slices.ContainsFunc(m.state.CardsInUse(), func(card rfid.UID) bool {
		c, refused := m.rules.refused(card)
		return refused && c.State.Alerts()
	})
}
