package web

import (
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// auditedPages returns pages that have messages but no services.
func auditedPages(t *testing.T) (*Pages, tongue) {
	t.Helper()
	p, err := New(Options{Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	return p, tongue{lang: "fr", words: p.words, zone: func() *time.Location { return time.UTC }, now: time.Now}
}

func TestAuditLogIsTranslatedToFrench(t *testing.T) {
	p, fr := auditedPages(t)
	for _, c := range []struct{ given, want string }{
		{"added", "ajout"},
		{"changed until, emails", "modification : fin d’adhésion, adresses électroniques"},
		{"changed mail_links", "modification : connexion par lien"},
		{"merged with m-tom", "fiche réunie avec m-tom"},
		{"erased: 1 addresses, 2 cards, 3 badges", "effacement : adresses 1, cartes 2, badges 3"},
		{"import 4f: 2 added, 0 changed, 1 gone", "import 4f : ajouts 2, modifications 0, absents 1"},
		{"card c-1 is lost", "carte c-1 : perdue"},
		{"card c-1 removed", "carte c-1 retirée"},
		{"card c-1 removed: it stood twice", "carte c-1 retirée : elle figurait deux fois"},
		{"7 badges added", "badges ajoutés : 7"},
		{"tag courroie usée", "mise hors service : courroie usée"},
		{"revoked: volée", "retirée : volée"},
		{"joined: key 9f86", "rattachée : clé 9f86"},
		{"in force: back to 2: horaires d’hiver", "en vigueur : reprend la version 2 : horaires d’hiver"},
		{"in force", "en vigueur"},
		{"waits for its signature", "attend sa signature"},
		{`added name "karim", member "m-karim", role administrator, mentor of laser, disabled`,
			`ajout : nom « karim », membre « m-karim », rôle Administration, laser : Encadrement, désactivé`},
		{`was name "a"; is name "a", role owner`, `avant : nom « a » ; maintenant : nom « a », rôle Propriétaire`},
		{"made for members.read taps.read, until 2027-01-30",
			"créé pour lire les membres, lire les cartes inconnues, jusqu’au 2027-01-30"},
		{"member m-lea", "membre m-lea"}, {"machine/laser", "machine laser"}, {"policy 3", "règles 3"},
		{"card-key", "clé des cartes"}, {"settings", "réglages du lieu"}, {"m-lea", "m-lea"},
	} {
		got := p.translate(fr, c.given)
		said := strings.NewReplacer("\u00a0", " ", "\u202f", " ").Replace(got.Text)
		if said != c.want || got.Foreign {
			t.Errorf("%q: %q, want %q", c.given, said, c.want)
		}
	}
	if got := p.translate(fr, "polished the lens"); got.Text != "polished the lens" || !got.Foreign {
		t.Errorf("an unknown entry: %+v", got)
	}
	if p.translate(fr, "") != nil {
		t.Error("an entry without a detail")
	}
	en := fr
	if en.lang = "en"; p.translate(en, "card c-1 is lost").Text != "card c-1 is lost" {
		t.Error("English is not what was noted")
	}
}

// Every value that an entry of the audit log may contain has a French text.
func TestEveryValueOfTheAuditLogHasAFrenchText(t *testing.T) {
	p, fr := auditedPages(t)
	for _, s := range []directory.CardState{directory.Active, directory.Lost, directory.Blocked, directory.Replaced} {
		if got := p.translate(fr, "card c-1 is "+string(s)); s != directory.Active && strings.Contains(got.Text, string(s)) {
			t.Errorf("card state %s: %q", s, got.Text)
		}
	}
	for _, a := range actor.Acts() {
		if got := p.translate(fr, "made for "+string(a)+", until 2027-01-30"); strings.Contains(got.Text, string(a)) {
			t.Errorf("right %s: %q", a, got.Text)
		}
	}
	for _, r := range []actor.Role{actor.Owner, actor.Administrator, actor.Maintainer, actor.Mentor, actor.Member} {
		for _, text := range []string{"added role " + string(r), "added " + string(r) + " of laser"} {
			if got := p.translate(fr, text); strings.Contains(got.Text, string(r)) {
				t.Errorf("role %s: %q", r, got.Text)
			}
		}
	}
	for key := range p.words {
		if field, ok := strings.CutPrefix(key, "audit.field."); ok {
			if got := p.translate(fr, "changed "+field).Text; strings.Contains(field, "_") && strings.Contains(got, field) {
				t.Errorf("field %s: %q", field, got)
			}
		}
	}
}
