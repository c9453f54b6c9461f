package webtest

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// badge is a badge of the example site, with its French name.
type badge struct {
	id policy.BadgeID
	fr string
}

// badges returns the 14 badges of the example site.
func badges() []badge {
	return []badge{
		{"laser-first-steps", "Découpe laser - 1er pas"}, {"laser-user", "Découpe laser - Utilisateur autonome"},
		{"laser-mentor", "Découpe laser - Formateur mentor"}, {"laser-maintainer", "Découpe laser - Mainteneur"},
		{"vinyl-first-steps", "Découpe vinyle - 1er pas"}, {"vinyl-user", "Découpe vinyle - Utilisateur autonome"},
		{"vinyl-host", "Découpe vinyle - Animateur / animatrice"}, {"vinyl-mentor", "Découpe vinyle - Formateur mentor"},
		{"vinyl-maintainer", "Découpe vinyle - Mainteneur"}, {"fdm-first-steps", "Impression 3D FDM - 1er pas"},
		{"fdm-user", "Impression 3D FDM - Utilisateur autonome"}, {"fdm-host", "Impression 3D FDM - Animateur / animatrice"},
		{"fdm-mentor", "Impression 3D FDM - Formateur mentor"}, {"fdm-maintainer", "Impression 3D FDM - Mainteneur"},
	}
}

// story describes an invented member. If until is empty, the membership has no end.
type story struct{ id, name, badges, until string }

// stories returns the invented people.
func stories() []story {
	return []story{
		{"lea", "Léa Morvan", "laser-user vinyl-first-steps", "2027-08-31"}, {"karim", "Karim Benali",
			"laser-user laser-mentor vinyl-user", "2027-08-31"},
		{"nour", "Nour Haddad", "vinyl-user vinyl-mentor vinyl-host", ""}, {"ines", "Inès Carvalho", "laser-maintainer",
			"2027-08-31"},
		{"jules", "Jules Petitjean", "laser-first-steps", "2026-11-24"}, {"malik", "Malik Diarra", "laser-user",
			"2026-12-12"},
		{"tom", "Tom Le Goff", "fdm-first-steps", "2027-01-31"}, {"pauline", "Pauline Estève",
			"fdm-first-steps vinyl-first-steps", "2026-11-27"},
		{"rosa", "Rosa Iglesias", "fdm-user fdm-host", "2027-08-31"}, {"aicha", "Aïcha Traoré", "fdm-mentor fdm-maintainer",
			""},
		{"yann", "Yann Kervella", "vinyl-maintainer", "2027-08-31"}, {"camille", "Camille Roussel", "fdm-user", "2026-12-05"},
		{"hortense", "Hortense de Saint-Aubin-Montalembert", "", "2027-08-31"}, {"oscar", "Oscar Ŝmidt", "", ""},
		{"adele", "Adèle Fournier", "", ""}, {"olivia", "Olivia Marchetti", "", ""},
		{"binta", "Binta Sow", "fdm-user", "2027-03-31"}, {"theo", "Théo Nguyen", "vinyl-first-steps", "2027-03-31"},
		{"zoe", "Zoé Lambert", "laser-first-steps", "2027-03-31"}, {"sami", "Sami Ouahab", "", "2026-09-30"},
		{"elif", "Elif Yıldız", "vinyl-user", "2027-03-31"}, {"gaspard", "Gaspard Lenoir", "fdm-first-steps", "2027-03-31"},
		{"maud", "Maud Pichon", "laser-user", "2027-03-31"}, {"victor", "Victor Aubry", "", "2027-03-31"},
	}
}

// people adds the members that stories describes, further members, and the accounts.
func (s *Site) people(more int) {
	for _, p := range stories() {
		s.directory.members = append(s.directory.members, s.person(p))
	}
	for i := range more {
		s.directory.members = append(
			s.directory.members,
			s.person(story{fmt.Sprintf("x%05d", i), fmt.Sprintf("Membre %05d", i),
				"fdm-first-steps", "2027-08-31"}),
		)
	}
	slices.SortFunc(s.directory.members, func(a, b directory.Member) int { return strings.Compare(a.Name, b.Name) })
	// Add details that only some members have.
	s.find("m-jules").Guardians = []string{"parent.petitjean@post.example"}
	s.find("m-lea").Note = "Aide à l'accueil le jeudi."
	s.find("m-oscar").Blocked = true
	s.find("m-victor").Gone, s.find("m-victor").Source = true, "HelloAsso"
	s.find("m-sami").Cards[0].State, s.find("m-sami").Cards[0].Note = directory.Lost, "perdue au marché"
	// Add one account for each role.
	for name, role := range map[string]actor.Role{OwnerName: actor.Owner, AdminName: actor.Administrator,
		MemberName: actor.Member,
		MentorName: actor.Member, MaintName: actor.Member} {
		id := accountID(name)
		s.access.accounts = append(s.access.accounts, account.Account{ID: id, Version: 1, Name: name,
			Member: policy.MemberID("m-" + id[2:]), Site: role, Password: true,
			Made: s.now.AddDate(0, -3, 0), Seen: s.now.Add(-2 * time.Hour)})
	}
	slices.SortFunc(s.access.accounts, func(a, b account.Account) int { return strings.Compare(a.ID, b.ID) })
	s.account("a-karim").Machines = map[policy.MachineID]actor.Role{"laser": actor.Mentor}
	s.account("a-ines").Machines = map[policy.MachineID]actor.Role{"laser": actor.Maintainer}
}

// person returns the member of a story, with one card.
func (s *Site) person(p story) directory.Member {
	m := directory.Member{ID: policy.MemberID("m-" + p.id), Version: 1, Name: p.name,
		Emails: []string{p.id + "@lab.example"}, Changed: s.now.AddDate(0, 0, -9)}
	if d, err := policy.ParseDate(p.until); err == nil {
		m.Until = d
	}
	m.Cards = []directory.Card{{ID: "c-" + p.id, Number: "04A2240B5C" + p.id, Last: strings.ToUpper(fmt.Sprintf("%x",
		sha256.Sum256([]byte(p.id)))[:4]),
		State: directory.Active, Since: s.now.AddDate(0, -2, 0)}}
	for i, id := range strings.Fields(p.badges) {
		m.Badges = append(m.Badges, s.badge(p.id, policy.BadgeID(id), i))
	}
	return m
}

// badge returns a badge of a member. Depending on n, the badge is expired, unverifiable or about to expire.
func (s *Site) badge(who string, id policy.BadgeID, n int) directory.Badge {
	b := directory.Badge{ID: fmt.Sprintf("%x", sha256.Sum256([]byte(who+string(id)))), Name: BadgeName(id).FR, Local: id,
		Issuer:  "BIK'LAB (démonstration)",
		Verdict: "valid", Issued: s.now.AddDate(-1, -n, 0), From: who + "-" + string(id) + ".json",
		Verified: s.now.AddDate(0, 0, -1),
		Checks: []directory.Check{{Code: "form", OK: true, Outcome: "ok"}, {Code: "proof", OK: true, Outcome: "ok",
			Detail: "eddsa-rdfc-2022, did:key"},
			{Code: "dates", OK: true, Outcome: "ok"}, {Code: "status", OK: true, Outcome: "ok"}, {Code: "recipient", OK: true,
				Outcome: "ok"}}}
	switch {
	case who == "malik":
		b.Expires = s.now.AddDate(0, 0, -4)
		b.Verdict, b.Checks[2] = "invalid", directory.Check{Code: "dates", Outcome: "expired",
			Detail: "valid until 2026-11-26"}
	case who == "theo":
		b.Verdict, b.Checks[3] = "indeterminate", directory.Check{Code: "status", Outcome: "unreachable",
			Detail: "the status list could not be read"}
	case n == 1:
		b.Expires = s.now.AddDate(0, 0, 20)
	}
	return b
}

// find returns the member with an id; nil: there is no such member.
func (s *Site) find(id policy.MemberID) *directory.Member {
	for i := range s.directory.members {
		if s.directory.members[i].ID == id {
			return &s.directory.members[i]
		}
	}
	return nil
}

// account returns the account with an id; nil: there is no such account.
func (s *Site) account(id string) *account.Account {
	for i := range s.access.accounts {
		if s.access.accounts[i].ID == id {
			return &s.access.accounts[i]
		}
	}
	return nil
}
