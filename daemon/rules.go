package daemon

import (
	"slices"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/rfid"
)

// rules are the current policy and members' list, with the functions that this machine needs from them.
type rules struct {
	cfg    *Config
	roster *roster.Roster // roster of the current bundle; nil until the first bundle is installed
	// typedPart is the card number in the current order "machine tap", if that number may be a part of a card's number.
	typedPart rfid.UID
}

// person returns a member of the current list.
func (r *rules) person(id policy.MemberID) (roster.Person, bool) {
	if r.roster == nil {
		return roster.Person{}, false
	}
	return r.roster.Person(id)
}

// lookup returns the person to whom a card belongs.
func (r *rules) lookup(card rfid.UID) (roster.Person, bool) {
	if r.roster == nil {
		return roster.Person{}, false
	}
	if card == r.typedPart && card != (rfid.UID{}) {
		return r.roster.LookupPart(card)
	}
	return r.roster.Lookup(card)
}

// memberOf returns the member to whom the current bundle assigns a card, or "" if the card belongs to nobody.
func (r *rules) memberOf(card rfid.UID) policy.MemberID {
	p, known := r.lookup(card)
	if !known || p.Member == nil {
		return ""
	}
	return p.Member.ID
}

// settings returns the rules of the machine from its current policy.
func (r *rules) settings() session.Settings {
	s := session.Settings{HasBusy: r.cfg.HasBusy, Ignore: r.cfg.Ignore}
	if r.roster == nil {
		return s
	}
	if mach, ok := r.roster.Policy.Machine(r.cfg.Machine); ok {
		s.Cooldown, s.FinishJob, s.Vouch = mach.Cooldown, mach.WhenIdle == policy.FinishJob, len(mach.Vouch) > 0
	}
	return s
}

func (r *rules) clock() panel.Clock {
	if r.roster == nil {
		return panel.Clock{Zone: time.UTC}
	}
	return panel.Clock{Zone: r.roster.Policy.Zone}
}

// siteTime converts a time to the site's time zone, which the panel uses. Before the first bundle, it uses the time
// zone of this computer.
func (r *rules) siteTime(t time.Time) time.Time {
	if zone := r.clock().Zone; r.roster != nil && zone != nil {
		return t.In(zone)
	}
	return t.Local()
}

// name returns the name by which the panel calls a member, as short as the site chose. The name is empty if the member
// is unknown.
func (r *rules) name(id policy.MemberID) string {
	if id == "" || r.roster == nil {
		return ""
	}
	p, ok := r.roster.Person(id)
	if !ok {
		return string(id)
	}
	return r.roster.Policy.Names.Of(p.Name)
}

// machine returns the entry of this machine in the policy.
func (r *rules) machine() (*policy.Machine, bool) {
	if r.roster == nil {
		return nil, false
	}
	return r.roster.Policy.Machine(r.cfg.Machine)
}

// inSiteLanguage returns a text in the site's language.
func (r *rules) inSiteLanguage(t policy.Text) string {
	if r.roster == nil {
		return t.FR
	}
	return t.In(r.roster.Policy.Language)
}

// refused returns the entry of this card in the site's list of refused cards, or false if that list does not contain
// the card.
func (r *rules) refused(uid rfid.UID) (roster.RefusedCard, bool) {
	if r.roster == nil {
		return roster.RefusedCard{}, false
	}
	return r.roster.Refused(uid)
}

// interventionKinds returns the kinds of interventions that may be logged at this machine: first those that the
// machine's policy names, in its order, then the other kinds that a badge requires.
func (r *rules) interventionKinds(mach *policy.Machine) []panel.Choice {
	var out []panel.Choice
	for _, x := range mach.Interventions {
		out = append(out, panel.Choice{ID: x.ID, Label: x.Name})
	}
	for _, k := range r.roster.Policy.InterventionKinds(r.cfg.Machine) {
		if !has(mach.Interventions, k) {
			out = append(out, panel.Choice{ID: k, Label: mach.KindName(k)})
		}
	}
	return out
}

func has(items []policy.Item, id string) bool {
	return slices.ContainsFunc(items, func(x policy.Item) bool { return x.ID == id })
}
