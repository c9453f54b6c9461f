package web_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

func TestSearchFindsEachKindWithItsLink(t *testing.T) {
	h := open(t, 0)
	for _, c := range []struct{ q, lang, want string }{
		{"MORVAN lea", "fr", `<a href="/members/m-lea">Léa Morvan</a>`},
		{"decoupe LASER", "en", `<a href="/machines/laser">Laser cutter</a>`},
		{"laser cutter", "fr", `<a href="/machines/laser">Découpe laser</a>`},
		{"regles d’acces", "en", `<a href="/policy">Access policy</a>`},
		{"Members", "fr", `<a href="/members">Membres</a>`},
		{"laser", "fr", `<a href="/members?badge=laser-`},
		{"morvan", "fr", `/members/m-lea#cards">…`},
		{"morvan", "fr", ` résultats</p>`},
		{"zzz", "fr", "Aucun résultat"},
		{"zzz", "en", "No result"},
		{"", "en", `aria-label="Results of the search"></div>`},
	} {
		body := expect(t, h.get("/search?lang="+c.lang+"&q="+url.QueryEscape(c.q)), 200)
		if !strings.Contains(strings.ReplaceAll(body, "\u00a0", " "), c.want) {
			t.Errorf("%q (%s): no %s in\n%s", c.q, c.lang, c.want, head(body))
		}
	}
	expect(t, h.get("/search?q="+strings.Repeat("x", 201)), 422, "more than 200 bytes")
}

func TestSearchShowsOnlyWhatTheReaderMayRead(t *testing.T) {
	h := open(t, 0)
	for who, c := range map[string]struct{ has, lacks []string }{
		webtest.MemberName: {[]string{"/machines/laser"}, []string{"/members", "/policy", "/settings/audit"}},
		webtest.MentorName: {[]string{"/machines/laser", `href="/policy"`}, []string{"/members", "/settings/audit"}},
	} {
		_, body, _ := strings.Cut(expect(t, h.as(who).get("/search?q=laser"), 200), `id="finds"`)
		for _, x := range c.has {
			if !strings.Contains(body, x) {
				t.Errorf("%s: no %s in %s", who, x, body)
			}
		}
		for _, x := range c.lacks {
			if strings.Contains(body, x) {
				t.Errorf("%s: %s in %s", who, x, body)
			}
		}
	}
	expect(t, h.as("").get("/search?q=laser"), 303, "/sign-in?back=%2Fsearch%3Fq%3Dlaser")
}

// The box in the navigation is on every page of people who may search, except the search page, which has a larger box.
func TestSearchBoxIsInTheNavigation(t *testing.T) {
	h := open(t, 0)
	const box, place = `<input id="find" name="q"`, `<div id="finds"`
	for _, c := range []struct {
		who, path  string
		box, place int
	}{
		{webtest.OwnerName, "/today", 1, 1}, {webtest.MemberName, "/machines", 1, 1},
		{webtest.OwnerName, "/search?q=lea", 0, 1},
		{"", "/about", 0, 0}, {"", "/sign-in", 0, 0},
	} {
		body := h.as(c.who).get(c.path).Body.String()
		if b, p := strings.Count(body, box), strings.Count(body, place); b != c.box || p != c.place {
			t.Errorf("%s for %q: %d boxes and %d places for results, want %d and %d", c.path, c.who, b, p, c.box, c.place)
		}
	}
	h.options.Search = nil
	h.build()
	if body := h.get("/today").Body.String(); strings.Contains(body, box) {
		t.Error("a hub without a search has a box")
	}
	expect(t, h.get("/search"), 404)
}

func TestSearchOfManyMembersShowsTenAndALinkToAll(t *testing.T) {
	h := open(t, 300)
	body := expect(t, h.get("/search?q=membre+0"), 200, `<a href="/members?q=membre&#43;0">All results`)
	if n := strings.Count(body, fmt.Sprintf(`<a href="/members/%s`, "m-")); n < 10 || n > 20 {
		t.Errorf("%d links to members, want the first ten members and ten cards", n)
	}
}
