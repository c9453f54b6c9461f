package file

import (
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// tables contains the tables of all mappings of a policy file. To add a key, add a row to the table of its mapping, and
// add the key to testdata/every-key.yaml.
type tables struct {
	policy     table[policy.Model]
	membership table[policy.Membership]
	panel      table[policy.Model]
	name       table[policy.Text]
	issuer     table[policy.Issuer]
	badge      table[policy.Badge]
	accept     table[policy.Accept]
	evidence   table[policy.EvidenceRule]

	defaults table[policy.Machine]
	machine  table[policy.Machine]
	clock    table[policy.Machine]
	bundle   table[policy.Machine]
	booking  table[policy.Booking]
	upkeep   table[policy.Upkeep]
	grant    table[policy.Grant]
	quota    table[policy.Quota]
	session  table[policy.Limits]
	// A need has two forms.
	badgeNeed, severalNeeds table[policy.Need]

	test  table[policy.Test]
	held  table[heldBadge]
	used  table[policy.Quota]
	never table[policy.Invariant]
}

func newTables() *tables {
	return &tables{
		policy: policyTable(), membership: membershipTable(), panel: panelTable(), name: nameTable(),
		issuer: issuerTable(), badge: badgeTable(), accept: acceptTable(), evidence: evidenceTable(),
		defaults: defaultsTable(), machine: machineTable(), clock: clockTable(), bundle: bundleTable(),
		booking: bookingTable(), upkeep: upkeepTable(), grant: grantTable(), quota: quotaTable(),
		session: sessionTable(), badgeNeed: badgeNeedTable(), severalNeeds: severalNeedsTable(),
		test: testTable(), held: heldTable(), used: usedTable(), never: neverTable(),
	}
}

// mappings returns the tables by name, without their types.
func (t *tables) mappings() map[string]mapping {
	out := map[string]mapping{}
	for _, m := range []mapping{
		t.policy.mapping(), t.membership.mapping(), t.panel.mapping(), t.name.mapping(),
		t.issuer.mapping(), t.badge.mapping(), t.accept.mapping(), t.evidence.mapping(),
		t.defaults.mapping(), t.machine.mapping(), t.clock.mapping(), t.bundle.mapping(),
		t.booking.mapping(), t.upkeep.mapping(), t.grant.mapping(), t.quota.mapping(),
		t.session.mapping(), t.badgeNeed.mapping(), t.severalNeeds.mapping(),
		t.test.mapping(), t.held.mapping(), t.used.mapping(), t.never.mapping(),
	} {
		out[m.name] = m
	}
	// Both forms of a need occur in the same places, but never in one mapping. Therefore the keys of the two forms need no
	// common order.
	out["need"] = mapping{name: "need", keys: append(out["badge-need"].keys, out["several-needs"].keys...)}
	return out
}

// policyTable describes the whole file: the site's name and settings, the rules, and the examples.
func policyTable() table[policy.Model] {
	type model = policy.Model
	return newTable("policy", nil,
		keyWith("portillon", form{schema: thing{"const": 1}}, "the version of the file's form",
			func(_ *reader, n yamlfile.Node, _ *model) { checkVersion(n) }).must(),
		keyOf("site", slugValue(), "the id of the site, in lower-case letters",
			func(m *model, s string) { m.Site = policy.SiteID(s) }).must(),
		keyOf("language", choice("fr", "en"), "the language that badge names are quoted in",
			func(m *model, s string) { m.Language = map[string]policy.Language{"en": policy.English}[s] }),
		keyOf("timezone", value[*time.Location]{textForm(), zone},
			"a name of the IANA list, as Europe/Paris: all hours are read in it",
			func(m *model, z *time.Location) { m.Zone = z }).must(),
		keyOf("bindings", choice("signed", "unsigned"),
			"signed: a policy key that machines pin apart also signs members' addresses, cards and restrictions",
			func(m *model, s string) { m.SignedBindings = s == "signed" }),
		keyOf("status-grace", durationValue(),
			"how long a badge counts whose issuer cannot be asked whether it was withdrawn",
			func(m *model, d time.Duration) { m.StatusGrace = d }),
		keyWith("membership", inline(membershipTable()),
			"how the end of a membership counts, which members.yaml has as until:",
			func(r *reader, n yamlfile.Node, m *model) { fill(r, n, r.tables.membership, &m.Membership) }),
		keyOf("holidays", value[*policy.Holidays]{listForm(patternForm(holidayForm), 0, maxHolidays), holidays},
			"what PH means in hours: 2026-12-25, or 12-25 for every year",
			func(m *model, h *policy.Holidays) { m.Holidays = h }),
		keyWith("panel", inline(panelTable()), "what the screens beside the machines show",
			func(r *reader, n yamlfile.Node, m *model) { fill(r, n, r.tables.panel, m) }),
		keyWith("issuers", byID("issuer"), "whose badges count, and their keys: a signature by any other key is nobody's",
			func(r *reader, n yamlfile.Node, m *model) { m.Issuers = r.issuers(n) }).must(),
		keyWith("badges", byID("badge"), "the badges that this file names, exactly as issued",
			(*reader).badges).must(),
		keyWith("roles", listForm(defined("role"), 1, len(policy.Roles())),
			"the roles that the site uses, least powerful first",
			func(r *reader, _ yamlfile.Node, _ *model) { r.siteRoles() }),
		keyWith("defaults", inline(defaultsTable()), "what holds wherever a machine or a grant says nothing else",
			func(r *reader, n yamlfile.Node, _ *model) { fill(r, n, r.tables.defaults, &r.defaults) }),
		keyWith("machines", byID("machine"), "the machines, and who may do what at each",
			(*reader).machines).must(),
		keyWith("evidence", byID("evidence"), "what earns the next badge, by work that the machines have recorded",
			(*reader).evidence),
		keyWith("tests", listForm(mappingForm("test"), 0, 0), "examples that must hold: portillon policy test runs them",
			(*reader).tests),
		keyWith("never", listForm(mappingForm("never"), 0, 0),
			"what must never be, whoever holds what: portillon policy test looks for a case against each",
			(*reader).never),
	)
}

// membershipTable describes the rule about the end of a membership.
func membershipTable() table[policy.Membership] {
	type membership = policy.Membership
	return newTable("membership", nil,
		keyOf("grace", daysValue(),
			"how many days after the last day of a membership nothing is refused yet; without it, none",
			func(m *membership, d time.Duration) { m.Grace = d }),
		keyOf("warn", daysValue(),
			"how many days before the last day the panel begins to tell the member; without it, it does not",
			func(m *membership, d time.Duration) { m.Warn = d }),
		keyOf("after", siteRolesValue(), "the roles that a member keeps whose membership has ended; without it, none",
			func(m *membership, roles []policy.Role) { m.After = roles }),
	)
}

// panelTable describes the settings of the panels, such as { names: initial, look: dark }.
func panelTable() table[policy.Model] {
	type model = policy.Model
	return newTable("panel", nil,
		keyOf("names", choice("first", "initial", "full", "letters"),
			"what they call members: first (Léa), initial (Léa M.), full, or letters (L. M.)",
			func(m *model, s string) { m.Names, _ = policy.ParseNames(s) }), // choice has reported an unknown word
		keyOf("look", choice("auto", "light", "dark"), "ink on paper, or paper on ink",
			func(m *model, s string) { m.Look, _ = policy.ParseLook(s) }),
	)
}

// nameTable describes a name in two languages. A name in one language is a plain value.
func nameTable() table[policy.Text] {
	return newTable("name", thing{"minProperties": 1},
		keyOf("fr", lineValue(), "in French", func(t *policy.Text, s string) { t.FR = s }),
		keyOf("en", lineValue(), "in English", func(t *policy.Text, s string) { t.EN = s }),
	)
}

// issuerTable describes an issuer with the issuer's keys.
func issuerTable() table[policy.Issuer] {
	type issuer = policy.Issuer
	return newTable("issuer", nil,
		keyOf("name", lineValue(), "whose it is, for those who read this file",
			func(i *issuer, s string) { i.Name = s }),
		keyOf("id", value[string]{textForm(), profile},
			"issuer.id as it stands in the badges, where it is not the DID of the key",
			func(i *issuer, s string) { i.Profile = s }),
		keyOf("keys", value[[]string]{listForm(textForm(), 1, maxKeys), (*reader).issuerKeys},
			"only these count: did:key, did:web, the https address of a profile or a JWKS, or a public key in PEM",
			func(i *issuer, keys []string) { i.Keys = keys }).must(),
		keyWith("status-issuers", listForm(defined("slug"), 0, maxNamed),
			"who may sign the status lists of its badges, besides itself: ids of issuers; without it, nobody else",
			(*reader).statusIssuers),
	)
}

// badgeTable describes a badge of the policy.
func badgeTable() table[policy.Badge] {
	type badge = policy.Badge
	return newTable("badge", nil,
		keyOf("name", nameValue(), "as it is quoted to members",
			func(b *badge, t policy.Text) { b.Name = t }).must(),
		keyOf("issuer", issuerRef(), "who issues it: an id of issuers",
			func(b *badge, id policy.IssuerID) { b.Issuer = id }).must(),
		keyOf("achievement", urlValue(), "achievement.id, matched on the path; a query is ignored",
			func(b *badge, s string) { b.Achievement = s }).must(),
		keyWith("accepts", listForm(mappingForm("accept"), 1, maxAccepts),
			"badges of other issuers that count as this one, for learners, users and hosts unless roles: says otherwise",
			(*reader).accepts),
	)
}

// acceptTable describes an entry under a badge's accepts:.
func acceptTable() table[policy.Accept] {
	type accept = policy.Accept
	return newTable("accept", nil,
		keyOf("issuer", issuerRef(), "who issues it: an id of issuers, whose keys stand there",
			func(a *accept, id policy.IssuerID) { a.Issuer = id }).must(),
		keyOf("achievement", urlValue(), "achievement.id of that issuer's badge, matched on the path",
			func(a *accept, s string) { a.Achievement = s }).must(),
		keyOf("with", badgeRef(), "it counts only with this badge of ours besides: an id of badges",
			func(a *accept, id policy.BadgeID) { a.With = id }),
		keyOf("roles", value[[]policy.Role]{oneOrList(defined("role"), len(policy.Roles())), (*reader).acceptRoles},
			"the roles of grants in which it counts, and mentor for whoever answers for a session; "+
				"without it: learner, user, host",
			func(a *accept, roles []policy.Role) { a.Roles = roles }),
	)
}

// evidenceTable describes a rule about the interventions that earn a badge.
func evidenceTable() table[policy.EvidenceRule] {
	type rule = policy.EvidenceRule
	return newTable("evidence", thing{"dependentRequired": thing{"endorsed": []string{"endorsed-by"}}},
		keyOf("interventions", wholeValue(1, maxInterventions), "how many the member has logged",
			func(e *rule, n int) { e.Interventions = n }).must(),
		keyOf("kinds", value[[]string]{listForm(defined("slug"), 1, maxKinds), kinds}, "the interventions that count",
			func(e *rule, all []string) { e.Kinds = all }).must(),
		keyOf("within", durationValue(), "logged at most so long ago",
			func(e *rule, d time.Duration) { e.Within = d }),
		keyOf("spread", wholeValue(1, maxInterventions), "on how many different days, at the site",
			func(e *rule, n int) { e.Spread = n }),
		keyOf("endorsed-by", badgeRef(), "the badge of whoever confirms the work",
			func(e *rule, id policy.BadgeID) { e.EndorsedBy = id }),
		keyOf("endorsed", choice("at-the-time"),
			"at-the-time asks them to confirm each intervention at the machine, with their card and a touch",
			func(e *rule, s string) { e.Endorsed, _ = policy.ParseEndorsed(s) }), // choice has reported an unknown word
	)
}
