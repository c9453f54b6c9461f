package file

import "slices"

// shape is how a mapping is written: its keys in their order, and what stands below them. A list has the shape of its
// entries.
type shape struct {
	keys  []string
	below map[string]*shape
	each  *shape // of every value, where the keys are names: names stay in the order in which they stand
}

func keys(words ...string) *shape { return &shape{keys: words} }

func (s *shape) under(key string) *shape {
	switch {
	case s == nil:
		return nil
	case s.each != nil:
		return s.each
	}
	return s.below[key]
}

// place sorts a known key; what is not known stays behind the rest.
func (s *shape) place(key string) int {
	if s == nil || s.keys == nil {
		return 0
	}
	if i := slices.Index(s.keys, key); i >= 0 {
		return i
	}
	return len(s.keys)
}

// top is the order of a whole file. It is the one in which people tell it: what it is called, when it holds, what it
// says, why.
func top() *shape {
	name, holds := keys("fr", "en"), keys("badge", "issuer", "issued", "expires", "revoked")
	session, bundle, clock := keys("max", "idle", "warn", "extend"), keys("fresh", "then"), keys("pass")
	amounts := keys("day", "week")
	need := keys("badge", "all", "any", "within", "used-within", "hours", "assurance")
	need.below = map[string]*shape{"all": need, "any": need}
	grant := keys("role", "needs", "supervisor", "hours", "booked", "learners", "quota", "session")
	grant.below = map[string]*shape{"needs": need, "supervisor": need, "quota": amounts, "session": session}
	machine := keys("name", "grants", "bookings", "interventions", "maintenance", "vouch", "when-idle", "cooldown", "mode", "card", "clock", "bundle")
	machine.below = map[string]*shape{"name": name, "grants": grant, "bookings": keys("from", "to", "for"), "interventions": {each: name},
		"maintenance": keys("kind", "hours", "days", "block"), "vouch": {each: name}, "clock": clock, "bundle": bundle}
	defaults := keys("session", "when-idle", "cooldown", "mode", "card", "bundle", "clock")
	defaults.below = map[string]*shape{"session": session, "clock": clock, "bundle": bundle}
	test := keys("name", "at", "machine", "member", "until", "card", "card-state", "holds", "supervisor-holds", "last-used", "logged", "used", "answering", "clock", "bundle-age", "tagged", "fault", "as",
		"expect", "role", "because")
	test.below = map[string]*shape{"holds": holds, "supervisor-holds": holds, "used": amounts}
	badge := keys("name", "issuer", "achievement", "accepts")
	badge.below = map[string]*shape{"name": name, "accepts": keys("issuer", "achievement", "with", "roles")}

	file := keys("portillon", "site", "language", "timezone", "bindings", "status-grace", "membership", "holidays", "panel", "issuers", "badges", "roles", "defaults", "machines", "evidence", "tests", "never")
	file.below = map[string]*shape{"membership": keys("grace", "warn", "after"), "panel": keys("names", "look"), "issuers": {each: keys("name", "id", "keys", "status-issuers")}, "badges": {each: badge}, "defaults": defaults,
		"machines": {each: machine}, "evidence": {each: keys("interventions", "kinds", "within", "spread", "endorsed-by", "endorsed")}, "tests": test,
		"never": keys("name", "role", "without", "at", "on", "alone")}
	return file
}
