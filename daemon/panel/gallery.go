package panel

import (
	"time"

	"portillon/policy"
)

// Example is a view with the name of what it is a picture of.
type Example struct {
	Name string
	View View
}

// Gallery is every state of a panel once, for tests, pictures and whoever wants to see the words.
func Gallery(now time.Time) []Example {
	c := Clock{time.UTC}
	badge := policy.Text{FR: "Il manque le badge « Découpe laser - Utilisateur autonome »", EN: "The badge “Découpe laser - Utilisateur autonome” is missing"}
	ask := policy.Text{FR: "Prochaine étape : demander à un mentor", EN: "Next step: ask a mentor"}
	user, maintainer := RoleName(policy.User), RoleName(policy.Maintainer)
	desk := &Visitor{Name: "Inès", Until: now.Add(time.Minute)}
	with := func(v View, role policy.Text, offers ...Offer) View {
		v.Role, v.Offers, v.Visitor = role, offers, desk
		return v
	}
	praise, done := Ready(), c.Cooling(now, now.Add(3*time.Minute))
	praise.Visitor = &Visitor{Name: "Karim", Until: now.Add(time.Minute), Question: "vouch", Line: VouchQuestion("Karim", "Léa"), Items: []Choice{
		{"focus", policy.Text{FR: "Mise au point", EN: "Focusing"}}, {"settings", policy.Text{FR: "Choix des réglages", EN: "Choosing settings"}},
		{"fire-watch", policy.Text{FR: "Surveillance de la découpe", EN: "Watching the cut"}}, {"clean-up", policy.Text{FR: "Rangement et nettoyage", EN: "Tidying up"}}}}
	done.Visitor = &Visitor{Name: "Inès", Until: now.Add(time.Minute), Question: "log", Line: InterventionQuestion("Inès"), Items: []Choice{
		{"lens-cleaning", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}}, {"mirror-alignment", policy.Text{FR: "Alignement des miroirs", EN: "Mirror alignment"}},
		{"extraction", policy.Text{FR: "Extraction et filtres", EN: "Extraction and filters"}}, {"belt-tension", policy.Text{FR: "Tension des courroies", EN: "Belt tensioning"}}}}
	done.Offers = []Offer{OfferTag()}
	called := Ready()
	called.Next = CallMentor("Karim", "Léa")
	soon := Ready()
	soon.Note = MaintenanceNote(policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, false, true, 2*time.Hour)
	earlier := Ready()
	earlier.Note = EarlierList()
	kept := Ready()
	kept.Note = RecordsKept()
	damaged, older, begun := Ready(), Ready(), Ready()
	damaged.Note, older.Note, begun.Note = DamagedJournal(), OlderJournal(), NewJournal()
	waits, danger, confirm := Ready(), Ready(), Ready()
	waits.Note, danger.Note = Unconfirmed("Inès"), DangerUnsigned()
	confirm.Visitor = &Visitor{Name: "Inès", Until: now.Add(time.Minute), Question: "confirm", Line: ConfirmQuestion("Inès")}
	confirm.Offers = []Offer{OfferConfirm("f", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, 25), OfferDeny("f")}
	attest, attestNote := c.Cooling(now, now.Add(3*time.Minute)), Ready()
	attest.Visitor = &Visitor{Name: "Inès", Until: now.Add(time.Minute), Question: "attest", Line: EndorseQuestion("Inès", "Léa")}
	attest.Offers = []Offer{OfferAttest("i", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, 25), OfferDecline("i")}
	attestNote.Note = WaitsForEndorser("Inès", false)
	belt := policy.Text{FR: "courroie usée", EN: "worn belt"}
	member, late := with(c.On("Léa", now, now.Add(2*time.Hour)), user), with(c.On("Léa", now, now.Add(2*time.Hour)), user)
	member.Note, late.Note = c.MembershipUntil(now.AddDate(0, 0, 7)), c.MembershipOver(now.AddDate(0, 0, -7), now.AddDate(0, 0, 7))
	return []Example{
		{"ready", Ready()}, {"maintenance soon", soon}, {"reading", OneMoment()}, {"already read", AlreadyRead()},
		{"on", with(c.On("Léa", now, now.Add(2*time.Hour)), user)}, {"on without end", with(c.On("Léa", now, time.Time{}), user)},
		{"on, other roles", with(c.On("Inès", now, now.Add(2*time.Hour)), user, OfferRole(policy.Mentor), OfferRole(policy.Maintainer))},
		{"supervised", c.Supervised("Léa", "Karim", now, now.Add(time.Hour))}, {"workshop", c.Workshop("Nour", now, now.Add(4*time.Hour))},
		{"ending", c.Ending(now, now.Add(2*time.Minute), false)}, {"ending, extend", with(c.Ending(now, now.Add(2*time.Minute), true), user, OfferExtend(30*time.Minute))},
		{"finishing", Finishing()}, {"cooling", c.Cooling(now, now.Add(3*time.Minute))},
		{"awaiting", Awaiting("Léa", now, now.Add(time.Minute), []string{"Karim", "Nour"})}, {"nobody came", NoMentorCame("Léa")},
		{"refused", Refused(policy.NoBadge, badge, WithNames(ask, []string{"Karim", "Nour"}))},
		{"expired", Refused(policy.BadgeExpired, policy.Text{FR: "Le badge « Découpe laser - Utilisateur autonome » a expiré le 3 mars", EN: "The badge “Découpe laser - Utilisateur autonome” expired on 3 March"},
			policy.Text{FR: "Prochaine étape : une séance de remise à niveau", EN: "Next step: a refresher session"})},
		{"not recent", Refused(policy.NotRecent, policy.Text{FR: "Dernière utilisation il y a plus de 6 mois", EN: "Last used more than 6 months ago"},
			WithNames(policy.Text{FR: "Prochaine étape : une séance avec un mentor suffit pour reprendre", EN: "Next step: one session with a mentor is enough"}, []string{"Karim"}))},
		{"outside hours", Refused(policy.OutsideHours, policy.Text{FR: "La machine ouvre demain à 9 h 00", EN: "The machine opens tomorrow at 9:00"}, policy.Text{})},
		{"membership ends soon", member}, {"membership over", late},
		{"membership ended", MembershipEnded("Léa", policy.Text{FR: "L’adhésion s’est terminée le 30 septembre", EN: "The membership ended on 30 September"},
			policy.Text{FR: "Prochaine étape : la renouveler à l’accueil", EN: "Next step: renew it at the desk"})},
		{"card refused", Refused(policy.CardBlocked, policy.Text{FR: "Cette carte est bloquée", EN: "This card is blocked"},
			policy.Text{FR: "Prochaine étape : passer à l’accueil", EN: "Next step: see the desk"})},
		{"unreadable", Unreadable(false)}, {"unreadable, phone", Unreadable(true)},
		{"unknown", Unknown("7F3K9Q")}, {"occupied", Occupied("Léa")},
		{"tagged", c.TaggedOut(now, belt, policy.Maintainer)}, {"tagged by a member", c.TaggedOut(now, ProblemName("dangerous"), policy.User)}, {"tagged by the office", c.TaggedOut(time.Time{}, belt, policy.NoRole)},
		{"maintenance", with(Maintenance("Inès", ""), maintainer, OfferPowerOff(), OfferLog(), OfferTag())}, {"maintenance with a helper", Maintenance("Inès", "Léa")},
		{"dark", with(PoweredOff("Inès"), maintainer, OfferLog(), OfferUntag("t", belt))},
		{"what was done", done}, {"what went well", praise}, {"a form waits", waits}, {"confirm a form", confirm}, {"danger, not confirmed", danger}, {"a mentor is called", called},
		{"logged", Logged("Léa", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, policy.Text{})},
		{"logged, to be endorsed", Logged("Léa", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"}, WaitsForEndorser("Inès", true))},
		{"endorse", attest}, {"an endorser is called", attestNote}, {"endorsed", Attested("Inès", policy.Text{FR: "Nettoyage de la lentille", EN: "Lens cleaning"})},
		{"thanked", Thanked("Léa", false, false)}, {"thanked for danger", Thanked("Léa", true, false)}, {"thanked for danger, running", Thanked("Léa", true, true)}, {"returned", Returned("Inès")}, {"cut short", StoppedForSafety("Léa")}, {"vouched", Vouched("Léa")},
		{"e-stop", Fault("e-stop")}, {"guard", Fault("guard-lost")}, {"door", Fault("door")}, {"contactor", Fault("contactor")}, {"runs", Fault("runs")}, {"other fault", Fault("?")},
		{"silent", ReaderSilent(false)}, {"silent while on", ReaderSilent(true)}, {"clock", ClockNotSet(true)}, {"clock, passed over", ClockNotSet(false)},
		{"no journal", CannotRecord()}, {"journal unusable", JournalUnusable()}, {"journal damaged", damaged}, {"journal older", older}, {"journal begun anew", begun}, {"too slow", TooSlow()},
		{"still stopping", StillStopping()}, {"withdrawn", AccessWithdrawn()}, {"no policy", NoPolicy()}, {"damaged list", DamagedList()}, {"verifying list", VerifyingList()}, {"earlier list", earlier}, {"records kept", kept},
	}
}
