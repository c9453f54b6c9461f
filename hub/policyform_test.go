package hub_test

import (
	"html"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
)

// form sends a form as the owner and returns the page.
func (r *rig) form(path string, pairs ...string) string {
	r.t.Helper()
	v := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		v.Set(pairs[i], pairs[i+1])
	}
	got := r.ask(r.readers["owner"], request{method: "POST", path: path, kind: "application/x-www-form-urlencoded",
		body: []byte(v.Encode())})
	if got.status != 200 && got.status != 303 {
		r.t.Fatalf("%s: %d %s", path, got.status, visible(string(got.body)))
	}
	return string(got.body)
}

// page reads a page as the owner.
func (r *rig) page(path string) string {
	r.t.Helper()
	got := r.ask(r.readers["owner"], request{method: "GET", path: path})
	if got.status != 200 {
		r.t.Fatalf("%s: %d %s", path, got.status, visible(string(got.body)))
	}
	return string(got.body)
}

// visible returns the main part of a page without tags.
func visible(page string) string {
	_, main, _ := strings.Cut(page, "<main")
	main = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(main, " ")
	return html.UnescapeString(strings.Join(strings.Fields(main), " "))
}

// fieldOf returns the value of a hidden or text field of a page.
func fieldOf(page, name string) string {
	m := regexp.MustCompile(`name="` + name + `"[^>]* value="([^"]*)"`).FindStringSubmatch(page)
	if m == nil {
		return ""
	}
	return html.UnescapeString(m[1])
}

// textOf returns the text of the policy in the text area of a page.
func textOf(page string) string {
	_, text, _ := strings.Cut(page, `<textarea id="text"`)
	_, text, _ = strings.Cut(text, ">\n")
	text, _, _ = strings.Cut(text, "</textarea>")
	return html.UnescapeString(text)
}

// The owner asks why a member may not cut on Sunday, changes the hours with the form, reads the effect, asks the draft
// the same question, publishes the draft, and asks the policy in force again.
func TestHoursAreChangedWithTheFormAndTried(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts a whole hub")
	}
	r := newRig(t)
	lea := string(r.victim.member)
	r.badgeOf(r.victim.member) // the badge of autonomous users of the laser, whose status this hub cannot fetch
	sunday := "&machine=laser&at=2026-11-22T10:00&lang="
	for lang, want := range map[string][]string{
		"fr": {"Person victim", "Refusé", "La machine ouvre demain à 9 h",
			"Il manque le badge « Découpe laser - Mainteneur »",
			"(décide de la réponse)"},
		"en": {"Person victim", "Refused", "The machine opens tomorrow at 9:00",
			"The badge “Découpe laser - Mainteneur” is missing", "(decides the answer)"},
	} {
		said := visible(r.page("/policy/try?member=" + lea + sunday + lang))
		for _, x := range want {
			if !strings.Contains(strings.ReplaceAll(said, "\u00a0", " "), x) {
				t.Errorf("%s: no %q in %s", lang, x, said)
			}
		}
	}

	form := r.page("/policy/edit?at=laser.2&lang=en")
	if fieldOf(form, "d-mo") != "09:00-21:00" || fieldOf(form, "d-su") != "" || fieldOf(form, "max") != "2h" {
		t.Fatalf("the form shows %q, %q, %q", fieldOf(form, "d-mo"), fieldOf(form, "d-su"), fieldOf(form, "max"))
	}
	sent := []string{"at", "laser.2", "do", "save", "when", "week"}
	for _, name := range []string{"of", "d-mo", "d-tu", "d-we", "d-th", "d-fr", "d-sa", "d-ph", "max", "idle", "warn"} {
		sent = append(sent, name, fieldOf(form, name))
	}
	checked := r.form("/policy/edit", append(sent, "d-su", "10h-12h")...)
	text := textOf(checked)
	before, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Replace(string(before), `hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off", session: { max: 2h`,
		`hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; Su 10:00-12:00; PH off", session: { max: 2h`, 1)
	if text != want {
		t.Fatalf("the form wrote\n%s", text)
	}
	if said := visible(checked); !strings.Contains(said, "laser-user : obtient le rôle Utilisation, dim. 10:00-12:00") {
		t.Errorf("the effect does not name the new hours: %s", said)
	}

	const unverified = "Le badge « Découpe laser - Utilisateur autonome » n’a pas pu être vérifié"
	tried := visible(r.form("/policy/try", "text", text, "member", lea, "machine", "laser", "at", "2026-11-22T10:00"))
	if got := ofUsers(tried); !strings.Contains(got, unverified) || strings.Contains(got, "ouvre") {
		t.Errorf("the draft on Sunday: %s", got)
	}
	try := "/policy/try?member=" + lea + sunday + "fr"
	if got := ofUsers(visible(r.page(try))); !strings.Contains(got, "ouvre demain") {
		t.Errorf("the policy in force has changed before it was published: %s", got)
	}
	r.form("/policy/publish", "text", text, "of", fieldOf(checked, "of"), "comment", "le dimanche aussi")
	if got := ofUsers(visible(r.page(try))); !strings.Contains(got, unverified) || strings.Contains(got, "ouvre") {
		t.Errorf("the published policy on Sunday: %s", got)
	}
}

// ofUsers returns what a French answer says about the grant of users.
func ofUsers(said string) string {
	_, said, _ = strings.Cut(said, "Règle par règle")
	_, said, _ = strings.Cut(said, "Utilisation")
	said, _, _ = strings.Cut(said, "Apprentissage")
	return strings.ReplaceAll(said, "\u00a0", " ")
}
