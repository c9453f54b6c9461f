package portillon_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// rgaaThemes are the 13 themes of RGAA 4.1 (accessibilite.numerique.gouv.fr) and the number of criteria of each.
var rgaaThemes = []struct {
	name     string
	criteria int
}{{"Images", 9}, {"Cadres", 2}, {"Couleurs", 3}, {"Multimédia", 13}, {"Tableaux", 8}, {"Liens", 2}, {"Scripts", 5},
	{"Éléments obligatoires", 10}, {"Structuration", 4}, {"Présentation", 14}, {"Formulaires", 13}, {"Navigation", 11},
	{"Consultation", 12}}

// rgaaStates are the states of a criterion: met, not met, not applicable, not tested.
var rgaaStates = map[string]string{"C": "conforme", "NC": "**non conforme**", "NA": "non applicable",
	"NT": "**non testé**"}

// writeAudit returns the page of the audit from the lines of docs/data/rgaa.tsv.
func writeAudit(text string) (string, error) {
	var b strings.Builder
	count := map[string]int{}
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")[1:]
	for t, theme := range rgaaThemes {
		fmt.Fprintf(&b, "\n## %d. %s\n\n| critère | objet | état | comment |\n|---|---|---|---|\n", t+1, theme.name)
		for n := range theme.criteria {
			if len(lines) == 0 {
				return "", fmt.Errorf("criterion %d.%d is missing", t+1, n+1)
			}
			f := strings.Split(lines[0], "\t")
			if lines = lines[1:]; len(f) != 4 || f[0] != fmt.Sprintf("%d.%d", t+1, n+1) || rgaaStates[f[1]] == "" {
				return "", fmt.Errorf("line %q, want criterion %d.%d with state, way and subject", f, t+1, n+1)
			}
			count[f[1]]++
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", f[0], f[3], rgaaStates[f[1]], f[2])
		}
	}
	if len(lines) > 0 {
		return "", fmt.Errorf("unknown criterion %q", lines[0])
	}
	judged := count["C"] + count["NC"] + count["NT"]
	return fmt.Sprintf(`# Accessibilité des pages du hub : auto-évaluation d'après le RGAA 4.1

Pour les responsables d'un lieu qui publient une déclaration d'accessibilité. Cette page est faite par une commande
à partir de docs/data/rgaa.tsv : %s. Ce n'est pas un audit par des
personnes handicapées ni avec chaque technologie d'assistance : chaque lieu doit essayer les siennes.

- **axe** : axe-core sur chaque page, à chaque passage de .ci/run (.ci/browser/hub.mjs).
- **hub.mjs** : parcours au clavier, sans script, à 320 px, en couleurs forcées (.ci/browser/hub.mjs).
- **lecture** : lu dans les gabarits et regardé sur des images, par les auteurs.

%d critères sur %d applicables sont conformes, %d ne le sont pas, %d restent à tester ; %d ne s'appliquent pas.
%s`, "`go test . -run Accessibility -update`", count["C"], judged, count["NC"], count["NT"], count["NA"],
		b.String()), nil
}

func TestAccessibilityAuditShowsEachCriterion(t *testing.T) {
	text, err := os.ReadFile("docs/data/rgaa.tsv")
	if err != nil {
		t.Fatal(err)
	}
	want, err := writeAudit(string(text))
	if err != nil {
		t.Fatal(err)
	}
	const page = "docs/accessibilite.md"
	if *writeDrawing {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if have, err := os.ReadFile(page); err != nil || string(have) != want {
		t.Errorf("%s differs from docs/data/rgaa.tsv: go test . -run Accessibility -update", page)
	}
	for _, bad := range []string{"", "1.2", "C\t", "C x"} {
		if _, err := writeAudit(strings.Replace(string(text), "1.1\tC", bad, 1)); err == nil {
			t.Errorf("a list with %q in the place of the first criterion is accepted", bad)
		}
	}
	if _, err := writeAudit(string(text) + "13.13\tC\tx\ty\n"); err == nil {
		t.Error("a criterion too many is accepted")
	}
}
