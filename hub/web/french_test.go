package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/enrol"
)

// French pages show the faults of services in French. French pages mark a fault without a translation as English.
func TestFaultsAreTranslatedOnFrenchPages(t *testing.T) {
	h := open(t, 0)
	form := func(path string, v url.Values) string {
		t.Helper()
		w := h.post(path+"?lang=fr", v)
		return strings.ReplaceAll(w.Body.String(), "\u00a0", " ")
	}
	for _, c := range []struct {
		path string
		v    url.Values
		want []string
	}{
		{"/policy/check", url.Values{"text": {"portillon: 1\nmachines?:\n"}, "of": {"2"}},
			[]string{"<span>clé inconnue : &#34;machines?&#34;</span>", "<span>vouliez-vous dire"}},
		{"/members/m-lea", url.Values{"emails": {"nobody"}, "version": {"1"}},
			[]string{"<span>ce n’est pas une adresse électronique</span>", "(« nobody »)"}},
		{"/members/m-lea", url.Values{"until": {"soon"}, "version": {"1"}}, []string{"<span>ce n’est pas une date</span>"}},
		{"/settings/tokens", url.Values{"name": {"t"}, "expires": {"2026-12-30"}},
			[]string{"<span>aucun droit n’a été choisi</span>"}},
	} {
		body := form(c.path, c.v)
		for _, want := range c.want {
			if !strings.Contains(body, want) {
				t.Errorf("%s: no %s in\n%s", c.path, want, body)
			}
		}
		// Check only the page of tokens: other pages show sentences of machines and of package openbadge, which are not
		// translated.
		if c.path == "/settings/tokens" && strings.Contains(body, `<span lang="en">`) {
			t.Errorf("%s: a sentence is English", c.path)
		}
	}
	if body := expect(t, h.post("/members/m-lea", url.Values{"emails": {"nobody"}, "version": {"1"}}), 422,
		"not an e-mail address", "(“nobody”)"); strings.Contains(body, "lang=\"en\">not") {
		t.Error("English is marked as another language on an English page")
	}
}

func TestUnreachableMachineIsNotAnInternalError(t *testing.T) {
	h := open(t, 0)
	for err, want := range map[error]int{&enrol.Unreachable{Machine: "laser"}: 504,
		&enrol.Refused{Machine: "laser"}: 409} {
		h.site.Break(err)
		w := h.post("/machines/laser/tag?lang=fr", url.Values{"reason": {"courroie"}})
		if w.Code != want || strings.Contains(w.Body.String(), "Erreur du hub") {
			t.Errorf("%v: %d %s", err, w.Code, w.Body)
		}
	}
}

func TestMinorFaultsAreNotShownAsSafetyStops(t *testing.T) {
	h := open(t, 0)
	h.site.AddFault("laser", "screen: 192.0.2.7")
	body := h.get("/machines/laser?lang=fr").Body.String()
	for _, want := range []string{"L’écran 192.0.2.7 de la machine ne répond plus", "à vérifier"} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in\n%s", want, body)
		}
	}
	if strings.Contains(body, "arrêtée par sécurité") {
		t.Error("a silent screen is shown as a safety stop")
	}
}

func TestPageNamesTheHubAsAuthorOfTheFirstPolicy(t *testing.T) {
	h := open(t, 0)
	h.site.Poison("new site")
	if body := h.get("/policy?lang=fr").Body.String(); !strings.Contains(body, "par le hub à sa création") ||
		strings.Contains(body, "<q>new site</q>") {
		t.Errorf("the first policy has no French author:\n%s", body)
	}
}
