package panel

import (
	"regexp"
	"strings"
	"testing"
)

// In French, «de» becomes «d’» before some names, and no simple rule says before which ones. Therefore no sentence puts
// «de» or «d’» before a name. If a sentence ends with a name that ends in a full stop, no second full stop is added.
func TestSentencesDoNotDependOnTheNameInThem(t *testing.T) {
	wrong := regexp.MustCompile(`(?i)\bd(e |’)Hortense|Hortense M\.\.`)
	c, now := Clock{}, noon
	name := "Hortense M."
	for _, v := range []View{
		c.On(name, now, now), c.Supervised(name, name, now, now), c.Workshop(name, now, now), Maintenance(name, ""),
		Maintenance(name, name), PoweredOff(name), Thanked(name, false, false), Thanked(name, true, false),
		Thanked(name, true, true), StoppedForSafety(name), Awaiting(name, now, now, nil), NoMentorCame(name),
		Occupied(name), Vouched(name), Returned(name), Logged(name, lensCleaning, WaitsForEndorser(name, true)),
		Attested(name, lensCleaning),
	} {
		for _, s := range []string{v.Line.FR, v.Line.EN, v.Next.FR, v.Next.EN} {
			if wrong.MatchString(s) {
				t.Error(s)
			}
		}
	}
}

func TestOnlyLabelsLoseTheirCapitalLetterInASentence(t *testing.T) {
	for reason, want := range map[string]string{
		"Karim a vu de la fumée":          "Karim a vu de la fumée",
		"Danger, fumée":                   "danger, fumée",
		"Bruit inhabituel":                "bruit inhabituel",
		"Entretien à faire (nettoyage)":   "entretien à faire (nettoyage)",
		"Maintenance due (lens cleaning)": "maintenance due (lens cleaning)",
		"courroie usée":                   "courroie usée",
		"":                                "",
	} {
		if got := inSentence(reason); got != want {
			t.Errorf("%q: %q, want %q", reason, got, want)
		}
	}
}

func TestNoLineBreaksBetweenANumberAndItsUnit(t *testing.T) {
	for s, want := range map[string]string{
		"« Nour » : jusqu’à 16 h 00 !":   "«~Nour~»~: jusqu’à 16~h~00~!",
		"Encore 2 min ; 4 Mo au plus":    "Encore 2~min~; 4~Mo au plus",
		"depuis le 21 nov. : le 1er mai": "depuis le 21~nov.~: le 1er~mai",
		"until 8 Nov, on 3 March":        "until 8~Nov, on 3~March",
		"3 hommes, 2 jours, 20 minutes":  "3 hommes, 2 jours, 20 minutes",
		"Machine started: 3 h 20 min of": "Machine started: 3~h~20~min of",
	} {
		if got := strings.ReplaceAll(tie(s), "\u00a0", "~"); got != want {
			t.Errorf("%q: %q", s, got)
		}
	}
}
