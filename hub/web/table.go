package web

import (
	"portillon/hub/actor"
)

// route is one page or form. route has a pattern, such as "GET /members/{id}", and a handler.
type route struct {
	pattern string
	do      func(*request) error
}

// entry is an entry of the navigation.
type entry struct {
	Key   string // nav.KEY is the message; pages name the key as their section in request.render
	Path  string
	shown func(actor.Actor) bool // function that reports whether the navigation of a user contains the entry
}

// family is a group of pages that one type serves.
type family struct {
	on      bool // true: the hub has the service that these pages call
	routes  []route
	entries []entry
}

// table returns all families of pages, in the order of the navigation. To add a family, add a file with a type, routes,
// handlers and template data; a template; a line in this function; messages in messages.txt, in both languages; and the
// answers for each role in hub/testdata/authorisation-pages.txt. testdata/recipes/hub-page.patch is an example. The
// services that the handlers call check the user's permissions.
func (p *Pages) table() []family {
	o := p.o
	machines := &machinePages{directory: o.Directory, machines: o.Machines, codes: o.Codes, orders: o.Orders,
		machineName:    p.machineName,
		policyMachines: o.PolicyMachines}
	today := &todayPages{directory: o.Directory, now: o.Now, version: o.Version, machines: o.Machines,
		naming: machines}
	members := &memberPages{directory: o.Directory}
	own := &ownPages{directory: o.Directory, reports: o.Reports, audit: o.Accounts.Audit, badges: o.OwnBadges,
		waiting: o.Waiting, now: o.Now, zone: p.zone}
	records := &recordPages{directory: o.Directory, accounts: o.Accounts, members: members}
	imports := &importPages{directory: o.Directory}
	keys := &cardKeyPages{keys: o.CardKeys}
	awards := &awardPages{issuing: o.Issuing, directory: o.Directory, zone: p.zone}
	waits := &waitingPages{o.Waiting}
	trained := &trainingPages{trainings: o.Trainings, waiting: o.Waiting,
		machineName: p.machineName, badgeName: p.badgeName}
	ownBadges := &ownBadgePages{own: o.OwnBadges, members: o.Directory.Members}
	cards := &cardPages{directory: o.Directory, members: members}
	policies := &policyPages{policies: o.Policies, drafts: o.Drafts, bundles: o.Bundles}
	trials := &trialPages{drafts: o.Drafts, members: o.Directory.Members, zone: p.zone}
	forms := &policyForms{drafts: o.Drafts, pages: policies}
	reports := &reportPages{reports: o.Reports, machines: o.Machines, now: o.Now, zone: p.zone}
	upkeep := &maintenancePages{maintenance: o.Maintenance, machineName: p.machineName}
	settings := &settingPages{accounts: o.Accounts, now: o.Now, zone: p.zone, version: o.Version}
	finds := &searchPages{search: o.Search, words: p.words, menu: p.menu}
	visitors := &visitorPages{visitors: o.Visitors, members: o.Directory.Members, taps: o.Directory.Taps, now: o.Now}
	arrivals := &arrivalPages{arrivals: o.Visitors.Arrivals}
	shown := &displayPages{display: o.Display}
	accounts := &accountPages{accounts: o.Accounts, machines: o.Machines, now: o.Now}
	sign := &signPages{accounts: o.Accounts, address: o.Address}
	return []family{
		{true, today.routes(), []entry{{"today", "/today", anybody}}},
		{o.Directory != (Directory{}), members.routes(), []entry{
			{"me", "/me", isMember}, {"members", "/members", may(actor.ReadMembers)}}},
		{o.Directory != (Directory{}), records.routes(), nil},
		{o.Directory != (Directory{}), imports.routes(), nil},
		{o.Machines != nil, machines.routes(), []entry{{"machines", "/machines", anybody}}},
		{o.CardKeys != nil, keys.routes(), nil},
		{o.Directory != (Directory{}), own.routes(), nil},
		{o.OwnBadges != nil && o.Directory != (Directory{}), ownBadges.routes(), nil},
		{o.Directory != (Directory{}), cards.routes(), []entry{{"cards", "/cards", may(actor.ReadMembers)}}},
		{o.Visitors != (Visitors{}) && o.Directory != (Directory{}), append(visitors.routes(), arrivals.routes()...),
			[]entry{{"visitors", "/visitors", may(actor.WriteMembers)}}},
		{o.Issuing != nil && o.Directory != (Directory{}), awards.routes(), []entry{
			{"awards", "/awards", may(actor.AwardBadges)}}},
		{o.Trainings != nil, trained.routes(), []entry{{"trainings", "/trainings", mayTrain}}},
		{o.Waiting != nil, waits.routes(), nil},
		{o.Policies != nil, policies.routes(), []entry{{"policy", "/policy", may(actor.ReadPolicy)}}},
		{o.Policies != nil, append(trials.routes(), forms.routes()...), nil},
		{o.Reports != nil, reports.routes(), []entry{{"reports", "/reports", may(actor.ReadReports)}}},
		{o.Maintenance != nil, upkeep.routes(), []entry{{"maintenance", "/maintenance", mayMaintain}}},
		{o.Accounts != (Accounts{}), settings.routes(), []entry{{"settings", "/settings", anybody}}},
		{o.Search != nil, finds.routes(), nil},
		{o.Display != (Display{}), shown.routes(), nil},
		{o.Accounts != (Accounts{}), accounts.routes(), nil},
		{o.Accounts != (Accounts{}), sign.routes(), nil},
	}
}

// anybody returns true for every user.
func anybody(actor.Actor) bool { return true }

// isMember returns true for users who are members of the site.
func isMember(a actor.Actor) bool { return a.Member != "" }

// may returns a function that is true for users with a permission for the whole site.
func may(act actor.Act) func(actor.Actor) bool {
	return func(a actor.Actor) bool { return a.May(act, actor.Target{}) == nil }
}

// menu returns the entries of a signed-in user's navigation.
func (p *Pages) menu(a actor.Actor) (out []entry) {
	for _, f := range p.families {
		for _, e := range f.entries {
			if e.shown(a) {
				out = append(out, e)
			}
		}
	}
	return out
}

// routes returns the routes of all pages.
func (p *Pages) routes() (out []route) {
	for _, f := range p.families {
		out = append(out, f.routes...)
	}
	return out
}

// Routes returns the patterns of all pages and forms, such as "GET /members/{id}".
func (p *Pages) Routes() (out []string) {
	for _, r := range append(p.routes(), p.publicRoutes()...) {
		out = append(out, r.pattern)
	}
	return out
}
