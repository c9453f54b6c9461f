package file

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// ruleKeys returns the keys that a machine and defaults have in common, in canonical order. ruleKeys leaves out the
// keys clock and bundle, because a machine and defaults have them in different order.
func ruleKeys() []key[policy.Machine] {
	type machine = policy.Machine
	return []key[policy.Machine]{
		keyOf("when-idle", choice("off", "finish-job"),
			"off stops with the session; finish-job ends what has begun, then stops",
			func(m *machine, s string) {
				if s != "" {
					m.WhenIdle = map[string]policy.WhenIdle{"finish-job": policy.FinishJob}[s]
				}
			}),
		keyOf("cooldown", lengthValue(), "how long the extraction runs on after the session; 0s for not at all",
			func(m *machine, d time.Duration) { m.Cooldown = d }),
		keyOf("mode", choice("enforce", "warn"),
			"warn lets every member in, and records what enforcement would have answered",
			func(m *machine, s string) {
				if s != "" {
					m.Mode = map[string]policy.Mode{"warn": policy.Warn}[s]
				}
			}),
		keyOf("card", cardValue(), "what a card must prove: its number can be copied, an aes card proves a key",
			func(m *machine, c policy.CardStrength) { m.Card = c }),
	}
}

// clockKey describes the key clock, which lists the rules that are ignored while the clock is not trusted.
func clockKey() key[policy.Machine] {
	return keyWith("clock", inline(clockTable()), "what holds after a power cut, before the clock is set",
		func(r *reader, n yamlfile.Node, m *policy.Machine) {
			m.Pass = 0
			fill(r, n, r.tables.clock, m)
		})
}

// clockTable describes a mapping such as { pass: [hours, ages, ends] }.
func clockTable() table[policy.Machine] {
	rules := listForm(form{schema: oneOf("hours", "ages", "ends")}, 0, len(clockWords))
	return newTable("clock", nil,
		keyOf("pass", value[policy.ClockPass]{rules, clockPass},
			"the rules that are passed over: hours, ages of badges, their ends",
			func(m *policy.Machine, p policy.ClockPass) { m.Pass = p }).must(),
	)
}

// bundleKey describes the key bundle, whose value is the word any or the mapping of bundleTable.
func bundleKey() key[policy.Machine] {
	f := inline(bundleTable())
	f.schema = thing{"anyOf": []any{thing{"const": "any"}, f.schema}}
	return keyWith("bundle", f,
		"what holds at a machine without news of the site, or any for as if it had them",
		func(r *reader, n yamlfile.Node, m *policy.Machine) {
			m.Fresh, m.Stale = 0, nil
			if n.IsScalar() {
				n.OneOf("any")
				return
			}
			fill(r, n, r.tables.bundle, m)
		})
}

// bundleTable describes a mapping such as { fresh: 7d, then: [maintainer] }.
func bundleTable() table[policy.Machine] {
	return newTable("bundle", nil,
		keyOf("fresh", durationValue(), "how long after the last news all roles hold",
			func(m *policy.Machine, d time.Duration) { m.Fresh = d }).must(),
		keyOf("then", siteRolesValue(), "the roles that still hold afterwards: those who look after the machine",
			func(m *policy.Machine, roles []policy.Role) { m.Stale = roles }).must(),
	)
}

// defaultsTable describes the values for machines and grants without values of their own.
func defaultsTable() table[policy.Machine] {
	session := keyWith("session", mappingForm("session"), "what holds for a session",
		func(r *reader, n yamlfile.Node, _ *policy.Machine) { r.session = r.limits(n, policy.Limits{}) })
	return newTable("defaults", nil, slices.Concat([]key[policy.Machine]{session}, ruleKeys(),
		[]key[policy.Machine]{bundleKey(), clockKey()})...)
}

// machineTable describes a machine.
func machineTable() table[policy.Machine] {
	type machine = policy.Machine
	own := []key[machine]{
		keyOf("name", nameValue(), "as panels and people call it",
			func(m *machine, t policy.Text) { m.Name = t }).must(),
		keyWith("grants", listForm(mappingForm("grant"), 1, 0), "who may do what, and with which badges",
			(*reader).grants).must(),
		keyWith("bookings", listForm(mappingForm("booking"), 0, 0),
			"when the machine is a member's, in the order of time; a booking system may write them",
			(*reader).bookings),
		keyWith("interventions", itemsForm(), "what is logged at the machine, in the order of the panel's buttons",
			func(r *reader, n yamlfile.Node, m *machine) { m.Interventions = r.items(n, &r.kinds) }),
		keyWith("maintenance", listForm(mappingForm("upkeep"), 0, maxUpkeep),
			"what is due after so much running or so many days",
			(*reader).maintenance),
		keyWith("vouch", itemsForm(), "what a mentor may say, after a session, that the learner did well",
			func(r *reader, n yamlfile.Node, m *machine) { m.Vouch = r.items(n, &names{}) }),
	}
	return newTable("machine", nil, slices.Concat(own, ruleKeys(), []key[machine]{clockKey(), bundleKey()})...)
}

// bookingTable describes a booking of a machine.
func bookingTable() table[policy.Booking] {
	type booking = policy.Booking
	return newTable("booking", nil,
		keyOf("from", minuteValue(), `when it begins: "2026-11-24T14:00"`,
			func(b *booking, t time.Time) { b.From = t }).must(),
		keyOf("to", minuteValue(), "when it ends", func(b *booking, t time.Time) { b.To = t }).must(),
		keyOf("for", slugValue(), "the member's id",
			func(b *booking, s string) { b.For = policy.MemberID(s) }).must(),
	)
}

// upkeepTable describes recurring maintenance.
func upkeepTable() table[policy.Upkeep] {
	type upkeep = policy.Upkeep
	return newTable("upkeep", oneIsRequired("hours", "days"),
		keyOf("kind", slugValue(), "an id of interventions", func(u *upkeep, s string) { u.Kind = s }).must(),
		keyOf("hours", wholeValue(1, maxRunning), "of running, after which it is due",
			func(u *upkeep, n int) { u.Hours = time.Duration(n) * time.Hour }),
		keyOf("days", wholeValue(1, maxDays), "after which it is due",
			func(u *upkeep, n int) { u.Every = time.Duration(n) * 24 * time.Hour }),
		keyOf("block", flagValue(), "the machine is tagged out once it is due, until it is done",
			func(u *upkeep, b bool) { u.Block = b }),
	)
}

// grantTable describes a grant.
func grantTable() table[policy.Grant] {
	type grant = policy.Grant
	return newTable("grant", thing{"dependentRequired": thing{"learners": []string{"supervisor"}}},
		keyOf("role", siteRoleValue(), "what it gives", func(g *grant, r policy.Role) { g.Role = r }).must(),
		keyWith("needs", mappingForm("need"), "the badge that it asks for, or all: or any: of several",
			func(r *reader, n yamlfile.Node, g *grant) { g.Needs = r.need(n) }).must(),
		keyWith("supervisor", mappingForm("need"), "what the mentor holds who taps in and answers for the session",
			func(r *reader, n yamlfile.Node, g *grant) {
				need := r.need(n)
				g.Supervisor = &need
			}),
		keyOf("hours", hoursValue(),
			`when it holds, as OpenStreetMap writes it: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`,
			func(g *grant, h *policy.Hours) { g.Hours = h }),
		keyOf("booked", flagValue(), "only for the member who has booked the machine at that time",
			func(g *grant, b bool) { g.Booked = b }),
		keyOf("learners", wholeValue(1, maxLearners),
			"how many sessions one mentor answers for at most; each machine counts for itself, and has one",
			func(g *grant, n int) { g.Learners = n }),
		keyWith("quota", inline(quotaTable()), "how long and how often a member may use the machine",
			func(r *reader, n yamlfile.Node, g *grant) { g.Quota = r.quota(n) }),
		keyWith("session", mappingForm("session"), "the limits of a session; what it does not say is as under defaults",
			func(r *reader, n yamlfile.Node, g *grant) { g.Session = r.limits(n, r.session) }),
	)
}

// badgeNeedTable describes a badge that must be held, with conditions. A badge without conditions is a plain value.
func badgeNeedTable() table[policy.Need] {
	type need = policy.Need
	return newTable("badge-need", nil,
		keyOf("badge", badgeRef(), "an id of badges", func(n *need, id policy.BadgeID) { n.Badge = id }).must(),
		keyOf("within", durationValue(), "issued at most so long ago",
			func(n *need, d time.Duration) { n.Within = d }),
		keyOf("used-within", durationValue(), "the member was at this machine at most so long ago",
			func(n *need, d time.Duration) { n.UsedWithin = d }),
		keyOf("hours", wholeValue(1, maxNeedHours), "hours at this machine so far",
			func(n *need, h int) { n.Hours = time.Duration(h) * time.Hour }),
		keyOf("assurance", choice("signed", "hosted", "attested"), "the weakest that counts",
			func(n *need, s string) { _ = n.Assurance.UnmarshalText([]byte(s)) }), // choice has reported an unknown word
	)
}

// severalNeedsTable describes a mapping with either all: […] or any: […].
func severalNeedsTable() table[policy.Need] {
	list := listForm(mappingForm("need"), 1, 0)
	return newTable("several-needs", nil,
		keyWith("all", list, "each of these is needed",
			func(r *reader, n yamlfile.Node, to *policy.Need) { to.All = r.listOfNeeds(n) }),
		keyWith("any", list, "one of these is needed",
			func(r *reader, n yamlfile.Node, to *policy.Need) { to.Any = r.listOfNeeds(n) }),
	)
}

// quotaTable is how long and how often a member may use a machine.
func quotaTable() table[policy.Quota] {
	return newTable("quota", thing{"minProperties": 1},
		keyOf("day", durationValue(), "in a day, at most 24h", func(q *policy.Quota, d time.Duration) { q.Day = d }),
		keyOf("week", durationValue(), "in a week", func(q *policy.Quota, d time.Duration) { q.Week = d }),
		keyOf("sessions", wholeValue(1, maxSessions), "how many sessions in a day",
			func(q *policy.Quota, n int) { q.Sessions = n }),
	)
}

// sessionTable describes the limits of a session.
func sessionTable() table[policy.Limits] {
	type limits = policy.Limits
	return newTable("session", nil,
		keyOf("max", limitValue(), "the longest session, or none for no limit",
			func(l *limits, d time.Duration) { l.Max = d }),
		keyOf("idle", limitValue(), "it ends when the machine has done nothing for so long",
			func(l *limits, d time.Duration) { l.Idle = d }),
		keyOf("warn", limitValue(), "so long before the end the panel warns",
			func(l *limits, d time.Duration) { l.Warn = d }),
		keyOf("extend", limitValue(), "how much more the panel offers before the end",
			func(l *limits, d time.Duration) { l.Extend = d }),
	)
}
