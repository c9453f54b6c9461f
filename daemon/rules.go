package daemon

import (
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// rules are the policy and the members' list in force, as this machine sees them.
type rules struct {
	cfg    *Config
	roster *roster.Roster // nil until the first bundle
	// typedPart is the number that «machine tap» gives at this moment, where it may be a part of a card's number.
	typedPart rfid.UID
}

// person is a member of the list in force.
func (m *rules) person(id policy.MemberID) (roster.Person, bool) {
	if m.roster == nil {
		return roster.Person{}, false
	}
	return m.roster.Person(id)
}

// lookup is whose card this is.
func (m *rules) lookup(card rfid.UID) (roster.Person, bool) {
	if m.roster == nil {
		return roster.Person{}, false
	}
	if card == m.typedPart && card != (rfid.UID{}) {
		return m.roster.LookupPart(card)
	}
	return m.roster.Lookup(card)
}

// memberOf is whose card this is by the bundle in force; empty: nobody's.
func (m *rules) memberOf(card rfid.UID) policy.MemberID {
	p, known := m.lookup(card)
	if !known || p.Member == nil {
		return ""
	}
	return p.Member.ID
}

// settings are the machine's own rules, as its policy gives them now.
func (m *rules) settings() session.Settings {
	s := session.Settings{HasBusy: m.cfg.HasBusy, Ignore: m.cfg.Ignore}
	if m.roster == nil {
		return s
	}
	if mach, ok := m.roster.Policy.Machine(m.cfg.Machine); ok {
		s.Cooldown, s.FinishJob, s.Vouch = mach.Cooldown, mach.WhenIdle == policy.FinishJob, len(mach.Vouch) > 0
	}
	return s
}
