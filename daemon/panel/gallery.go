package panel

import (
	"time"

	"portillon/policy"
)

// Example is a named view.
type Example struct {
	Name string
	View View
}

// Gallery returns one view of each state of a panel, named after the state's sign, and then further variants. Tests,
// pictures and readers of the texts use the gallery.
func Gallery(now time.Time) []Example {
	c := Clock{time.UTC}
	var out []Example
	for _, s := range states {
		out = append(out, Example{s.sign.name(), s.example(c, now)})
	}
	out = append(out, sessionExamples(c, now)...)
	out = append(out, refusalExamples()...)
	out = append(out, questionExamples(c, now)...)
	out = append(out, noteExamples()...)
	out = append(out, thanksExamples()...)
	return append(out, faultExamples()...)
}

var (
	lensCleaning = policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}
	wornBelt     = policy.Text{FR: "courroie usée", EN: "worn belt"}
	laserUser    = policy.Text{
		FR: "« Découpe laser - Utilisateur autonome »",
		EN: "“Découpe laser - Utilisateur autonome”",
	}
	askMentor = policy.Text{FR: "Prochaine étape : voir un mentor", EN: "Next step: see a mentor"}
)

// withVisitor returns a view with the visitor Inès, her role and her buttons.
func withVisitor(now time.Time, v View, role policy.Role, offers ...Offer) View {
	v.Role, v.Offers = RoleName(role), offers
	v.Visitor = &Visitor{Name: "Inès", Until: now.Add(time.Minute)}
	return v
}

// withNote returns a view with a note at the bottom.
func withNote(v View, note policy.Text) View {
	v.Note = note
	return v
}

func exampleRefused() View {
	fact := policy.Text{FR: "Il manque le badge " + laserUser.FR, EN: "The badge " + laserUser.EN + " is missing"}
	return Refused(policy.NoBadge, fact, WithNames(askMentor, []string{"Karim", "Nour"}))
}

func exampleExpired() View {
	return Refused(policy.BadgeExpired,
		policy.Text{
			FR: "Le badge " + laserUser.FR + " a expiré le 3 mars",
			EN: "The badge " + laserUser.EN + " expired on 3 March",
		},
		policy.Text{FR: "Prochaine étape : une séance de remise à niveau", EN: "Next step: a refresher session"})
}

func exampleRecent() View {
	next := policy.Text{
		FR: "Prochaine étape : une séance avec un mentor suffit pour reprendre",
		EN: "Next step: one session with a mentor is enough",
	}
	fact := policy.Text{FR: "Dernière utilisation il y a plus de 6 mois", EN: "Last used more than 6 months ago"}
	return Refused(policy.NotRecent, fact, WithNames(next, []string{"Karim"}))
}

func exampleHours() View {
	fact := policy.Text{FR: "La machine ouvre demain à 9 h 00", EN: "The machine opens tomorrow at 9:00"}
	return Refused(policy.OutsideHours, fact, policy.Text{})
}

func exampleMaintenance(now time.Time) View {
	return withVisitor(now, Maintenance("Inès", ""), policy.Maintainer, OfferPowerOff(), OfferLog(), OfferTag())
}

func examplePoweredOff(now time.Time) View {
	return withVisitor(now, PoweredOff("Inès"), policy.Maintainer, OfferLog(), OfferUntag("t", wornBelt))
}

func sessionExamples(c Clock, now time.Time) []Example {
	on := c.On("Léa", now, now.Add(2*time.Hour))
	member := withVisitor(now, on, policy.User)
	return []Example{
		{"already read", AlreadyRead()},
		{"on, with a role", member},
		{"on without end", withVisitor(now, c.On("Léa", now, time.Time{}), policy.User)},
		{"on, a name that ends in a stop", c.On("Léa M.", now, now.Add(2*time.Hour))},
		{"on, other roles", withVisitor(now, c.On("Inès", now, now.Add(2*time.Hour)), policy.User,
			OfferRole(policy.Mentor), OfferRole(policy.Maintainer))},
		{"ending, extend", withVisitor(now, c.Ending(now, now.Add(2*time.Minute), true), policy.User,
			OfferExtend(30*time.Minute))},
		{"maintenance with a helper", Maintenance("Inès", "Léa")},
		{"membership ends soon", withNote(member, c.MembershipUntil(now.AddDate(0, 0, 7)))},
		{"membership over", withNote(member, c.MembershipOver(now.AddDate(0, 0, -7), now.AddDate(0, 0, 7)))},
		{"tagged by a member", c.TaggedOut(now, ProblemName("dangerous"), policy.User)},
		{"tagged by the office", c.TaggedOut(time.Time{}, wornBelt, policy.NoRole)},
		{"clock, passed over", ClockNotSet(false)},
	}
}

func refusalExamples() []Example {
	return []Example{
		{"nobody came", NoMentorCame("Léa")},
		{"membership ended", MembershipEnded("Léa",
			policy.Text{FR: "L’adhésion s’est terminée le 30 septembre", EN: "The membership ended on 30 September"},
			policy.Text{FR: "Prochaine étape : la renouveler à l’accueil", EN: "Next step: renew it at the desk"})},
		{"card refused", Refused(policy.CardBlocked,
			policy.Text{FR: "Cette carte est bloquée", EN: "This card is blocked"},
			policy.Text{FR: "Prochaine étape : passer à l’accueil", EN: "Next step: see the desk"})},
		{"unreadable", Unreadable(false)},
		{"unreadable, phone", Unreadable(true)},
		{"too slow", TooSlow()},
		{"still stopping", StillStopping()},
		{"withdrawn", AccessWithdrawn()},
	}
}

// questionExamples returns views in which the visitor is asked a question.
func questionExamples(c Clock, now time.Time) []Example {
	ask := func(v View, name string, about Action, line policy.Text, items []Choice, offers ...Offer) View {
		v.Visitor = &Visitor{Name: name, Until: now.Add(time.Minute), Question: about, Line: line, Items: items}
		v.Offers = offers
		return v
	}
	cooling := c.Cooling(now, now.Add(3*time.Minute))
	outcomes := []Choice{
		{"focus", policy.Text{FR: "Mise au point", EN: "Focusing"}},
		{"settings", policy.Text{FR: "Choix des réglages", EN: "Choosing settings"}},
		{"fire-watch", policy.Text{FR: "Surveillance de la découpe", EN: "Watching the cut"}},
		{"clean-up", policy.Text{FR: "Rangement et nettoyage", EN: "Tidying up"}},
	}
	work := []Choice{
		{"lens-cleaning", lensCleaning},
		{"mirror-alignment", policy.Text{FR: "Alignement des miroirs", EN: "Mirror alignment"}},
		{"extraction", policy.Text{FR: "Extraction et filtres", EN: "Extraction and filters"}},
		{"belt-tension", policy.Text{FR: "Tension des courroies", EN: "Belt tensioning"}},
	}
	called := Ready()
	called.Next = CallMentor("Karim", "Léa")
	return []Example{
		{"what was done", ask(cooling, "Inès", OpenLog, InterventionQuestion("Inès"), work, OfferTag())},
		{"what went well", ask(Ready(), "Karim", Vouch, VouchQuestion("Karim", "Léa"), outcomes)},
		{"confirm a form", ask(Ready(), "Inès", Confirm, ConfirmQuestion("Inès"), nil,
			OfferConfirm("f", lensCleaning, 25), OfferDeny("f"))},
		{"endorse", ask(cooling, "Inès", Attest, EndorseQuestion("Inès", "Léa"), nil,
			OfferAttest("i", lensCleaning, 25), OfferDecline("i"))},
		{"a mentor is called", called},
	}
}

func noteExamples() []Example {
	return []Example{
		{"maintenance soon", withNote(Ready(), MaintenanceNote(lensCleaning, false, true, 2*time.Hour))},
		{"a form waits", withNote(Ready(), Unconfirmed("Inès"))},
		{"danger, not confirmed", withNote(Ready(), DangerUnsigned())},
		{"an endorser is called", withNote(Ready(), WaitsForEndorser("Inès", false))},
		{"journal damaged", withNote(Ready(), DamagedJournal())},
		{"journal older", withNote(Ready(), OlderJournal())},
		{"journal begun anew", withNote(Ready(), NewJournal())},
		{"earlier list", withNote(Ready(), EarlierList())},
		{"records kept", withNote(Ready(), RecordsKept())},
	}
}

func thanksExamples() []Example {
	return []Example{
		{"logged", Logged("Léa", lensCleaning, policy.Text{})},
		{"logged, to be endorsed", Logged("Léa", lensCleaning, WaitsForEndorser("Inès", true))},
		{"endorsed", Attested("Inès", lensCleaning)},
		{"thanked for danger", Thanked("Léa", true, false)},
		{"thanked for danger, running", Thanked("Léa", true, true)},
		{"returned", Returned("Inès")},
		{"vouched", Vouched("Léa")},
	}
}

func faultExamples() []Example {
	return []Example{
		{"guard", Fault("guard-lost")},
		{"door", Fault("door")},
		{"contactor", Fault("contactor")},
		{"runs", Fault("runs")},
		{"other fault", Fault("?")},
		{"cut short", StoppedForSafety("Léa")},
		{"silent while on", ReaderSilent(true)},
		{"no journal", CannotRecord()},
		{"journal unusable", JournalUnusable()},
		{"no policy", NoPolicy()},
		{"damaged list", DamagedList()},
		{"verifying list", VerifyingList()},
	}
}
