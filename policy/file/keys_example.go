package file

import (
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// testTable describes an example: a question to the policy and the expected answer.
func testTable() table[policy.Test] {
	type test = policy.Test
	return newTable("test", nil,
		keyOf("name", lineValue(), "what the example is about",
			func(t *test, s string) {
				if s != "" {
					t.Name = s
				}
			}),
		keyOf("at", momentValue(), `when, at the site: "2026-11-23T10:00"`,
			func(t *test, at time.Time) { t.Question.At = at }).must(),
		keyOf("machine", machineRef(), "where: an id of machines",
			func(t *test, id policy.MachineID) { t.Question.Machine = id }).must(),
		keyOf("member", slugValue(), "the member's id, where a booking matters",
			func(t *test, s string) { t.Question.Member.ID = policy.MemberID(s) }),
		keyOf("until", value[policy.Date]{patternForm(lastDayForm), lastDay},
			"the last day of the member's membership; without it, it has no end",
			func(t *test, d policy.Date) { t.Question.Member.Until = d }),
		keyOf("card", cardValue(), "what the card proves",
			func(t *test, c policy.CardStrength) { t.Question.Card = c }),
		keyOf("card-state", choice("active", "lost", "blocked", "replaced"), "what the site says of the card",
			func(t *test, s string) { t.Question.CardState, _ = policy.ParseCardState(s) }), // choice has reported other words
		keyWith("holds", listForm(mappingForm("held"), 0, maxHolds), "the badges of whoever taps",
			func(r *reader, n yamlfile.Node, t *test) {
				t.Question.Member.Holdings = r.holds(n, t.Question.At)
			}).must(),
		keyWith("supervisor-holds", listForm(mappingForm("held"), 0, maxHolds), "the badges of the mentor who has tapped in",
			func(r *reader, n yamlfile.Node, t *test) {
				t.Question.Supervisor = &policy.Member{ID: "supervisor", Holdings: r.holds(n, t.Question.At)}
			}),
		keyOf("last-used", momentValue(), "when the member was last at this machine",
			func(t *test, at time.Time) { practice(t).Last = at }),
		keyOf("logged", wholeValue(0, maxRunning), "hours of the member at this machine so far",
			func(t *test, n int) { practice(t).Logged = time.Duration(n) * time.Hour }),
		keyWith("used", inline(usedTable()), "time and sessions at this machine so far, for quotas", (*reader).used),
		keyOf("answering", wholeValue(0, maxLearners), "how many learners the mentor answers for already",
			func(t *test, n int) { t.Question.Answering = n }),
		keyOf("clock", choice("trusted", "untrusted"), "whether the machine's clock is set",
			func(t *test, s string) {
				if s == "untrusted" {
					t.Question.Clock = policy.Untrusted
				}
			}),
		keyOf("bundle-age", lengthValue(), "how old the machine's last news are",
			func(t *test, d time.Duration) { t.Question.Issued = t.Question.At.Add(-d) }),
		keyOf("tagged", flagValue(), "somebody has tagged the machine out",
			func(t *test, b bool) { t.Question.Tagged = b }),
		keyOf("fault", flagValue(), "the machine reports a fault",
			func(t *test, b bool) { t.Question.Fault = b }),
		keyOf("as", roleValue(), "the role that the member has chosen at the panel",
			func(t *test, r policy.Role) { t.Question.As = r }),
		keyOf("expect", choice("allow", "deny", "await"), "the answer; await: a second card is wanted",
			func(t *test, s string) { t.Expect, _ = policy.ParseVerdict(s) }).must(), // choice has reported an unknown word
		keyOf("role", roleValue(), "the role that the answer gives", func(t *test, r policy.Role) { t.Role = r }),
		keyWith("because", form{schema: oneOf(codeWords()...)}, "a reason that the answer gives",
			func(_ *reader, n yamlfile.Node, t *test) { t.Because = because(n, t.Expect) }),
	)
}

// heldBadge is a badge that a member of an example holds. otherIssuer, if it is present, names the issuer of an
// accepted badge that is held instead.
type heldBadge struct {
	policy.Holding
	otherIssuer yamlfile.Node
}

// heldTable describes a heldBadge.
func heldTable() table[heldBadge] {
	return newTable("held", nil,
		keyOf("badge", badgeRef(), "an id of badges", func(h *heldBadge, id policy.BadgeID) { h.Badge = id }).must(),
		keyWith("issuer", defined("slug"), "it is this issuer's badge that is held, which badge: accepts",
			func(_ *reader, n yamlfile.Node, h *heldBadge) { h.otherIssuer = n }),
		keyOf("issued", momentValue(), "when; without it, at the moment of the question",
			func(h *heldBadge, t time.Time) { h.From = t }),
		keyOf("expires", momentValue(), "when it ends; without it, never",
			func(h *heldBadge, t time.Time) { h.Until = t }),
		keyOf("revoked", flagValue(), "its issuer has withdrawn it",
			func(h *heldBadge, b bool) {
				if b {
					h.Standing = policy.Revoked
				}
			}),
	)
}

// usedTable is how long and how often a member has used a machine.
func usedTable() table[policy.Quota] {
	return newTable("used", nil,
		keyOf("day", lengthValue(), "used today", func(q *policy.Quota, d time.Duration) { q.Day = d }),
		keyOf("week", lengthValue(), "used this week", func(q *policy.Quota, d time.Duration) { q.Week = d }),
		keyOf("sessions", wholeValue(0, maxSessions), "sessions begun today, without the one that is asked for",
			func(q *policy.Quota, n int) { q.Sessions = n }),
	)
}

// neverTable describes a rule under never:, which must be true for every set of badges of a member.
func neverTable() table[policy.Invariant] {
	type never = policy.Invariant
	return newTable("never", oneIsRequired("without", "at"),
		keyOf("name", lineValue(), "what the rule is about",
			func(v *never, s string) {
				if s != "" {
					v.Name = s
				}
			}),
		keyOf("role", value[[]policy.Role]{oneOrList(defined("role"), len(policy.Roles())), neverRoles},
			"nobody may have this role, or one of these",
			func(v *never, roles []policy.Role) { v.Roles = roles }).must(),
		keyOf("without", oneOrMore(badgeRef(), "name at least one badge, or remove the key"),
			"without this badge, or all of these",
			func(v *never, ids []policy.BadgeID) { v.Without = ids }),
		keyOf("at", hoursValue(), `at these hours, as "Mo-Su 23:00-07:00"`,
			func(v *never, h *policy.Hours) { v.At = h }),
		keyOf("on", oneOrMore(machineRef(), "name at least one machine, or remove the key"),
			"at this machine, or at these; without it, at all",
			func(v *never, ids []policy.MachineID) { v.On = ids }),
		keyOf("alone", flagValue(), "only where no mentor answers for the session",
			func(v *never, b bool) { v.Alone = b }),
	)
}

// oneOrMore reads one value or a list of values. hint is shown for an empty list, which would look like "all".
func oneOrMore[V any](one value[V], hint string) value[[]V] {
	return value[[]V]{
		oneOrList(one.form, maxNamed),
		func(r *reader, n yamlfile.Node) (out []V) {
			for _, x := range listOrOne(n, maxNamed, hint, "an empty list") {
				out = append(out, one.read(r, x))
			}
			return out
		},
	}
}
