package hub_test

import (
	"bytes"
	"errors"
	"fmt"
	"html"
	"mime/multipart"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

func TestPagesAnswerEachReaderAsTheTableSays(t *testing.T) {
	r := newRig(t)
	table := readTable(t, "testdata/authorisation-pages.txt", apiColumns, false)
	routes := r.h.PageRoutes()
	requireCompleteTable(t, table, routes)
	for _, d := range table {
		if !slices.Contains(routes, d.route) || !chosen(t, d.route) {
			continue
		}
		method, path, _ := strings.Cut(d.route, " ")
		for _, name := range apiColumns {
			r.forgetAttempts()
			who := r.readers[name]
			got := r.ask(who, r.pageRequest(method, path, who, d.of))
			if said := pageStatus(got); said != d.want[name] {
				t.Errorf("line %d: %s (%s) for %s: %s, the table says %s: %s", d.line, d.route, d.of, name, said, d.want[name],
					got.header.Get("Location"))
			}
			r.restoreReader(method, got, who)
		}
		if strings.Contains(path, "{") && !strings.Contains(path, "{number}") && path != "/{$}" && d.of != "own" {
			who := r.readers["owner"]
			if got := r.ask(who, r.pageRequest(method, path, who, "foreign")); got.status != 404 && got.status != 422 {
				t.Errorf("line %d: %s with another site's id: %d, want 404", d.line, d.route, got.status)
			}
		}
	}
	r.auditLogIsFrench(t)
}

// auditLogIsFrench reads the French pages of the audit log, and fails the test if they contain an English text.
func (r *rig) auditLogIsFrench(t *testing.T) {
	t.Helper()
	path, entries := "/settings/audit?lang=fr", 0
	for range 100 {
		got := r.ask(r.readers["owner"], request{method: "GET", path: path})
		_, list, _ := strings.Cut(string(got.body), `<ul class="rows">`)
		entries += strings.Count(list, "<li>")
		for _, x := range regexp.MustCompile(`(?:<p|<span) lang="en">[^<]*`).FindAllString(list, -1) {
			t.Errorf("in the audit log: %s", x)
		}
		next := regexp.MustCompile(`href="(/settings/audit\?after=[^"&]*)"`).FindStringSubmatch(list)
		if next == nil {
			break
		}
		path = html.UnescapeString(next[1]) + "&lang=fr"
	}
	t.Logf("%d entries of the audit log", entries)
	if entries == 0 {
		t.Error("the audit log is empty")
	}
}

// pageStatus returns an answer's status as the table writes it: "in" for a redirect to the sign-in page.
func pageStatus(got response) string {
	to := got.header.Get("Location")
	if got.status == 303 && (to == "/sign-in" || strings.HasPrefix(to, "/sign-in?back=")) {
		return "in"
	}
	return strconv.Itoa(got.status)
}

// pageRequest returns a request for a route that succeeds for a reader with all permissions.
func (r *rig) pageRequest(method, path string, who *reader, of string) request {
	r.t.Helper()
	if who == nil {
		who = r.victim
	}
	about, machine := who, "laser"
	switch of {
	case "other":
		about, machine = r.victim, "lathe"
	case "foreign":
		about, machine = r.readers["foreign"], foreignID
	}
	if strings.HasSuffix(path, "/revoke") && of != "foreign" {
		machine = map[string]string{"laser": "press", "lathe": "vinyl"}[machine]
	}
	values := map[string]string{"tap": "t-none", "file": "laser.svg", "number": "1", "id": string(about.member), "$": "",
		"visit": "v-none", "key": "none"}
	switch {
	case strings.HasPrefix(path, "/machines/"):
		values["id"] = machine
	case strings.HasPrefix(path, "/settings/accounts/"):
		values["id"] = about.account
	case strings.HasPrefix(path, "/settings/tokens/") && of != "foreign":
		values["id"] = r.tokenID(about.account)
	case strings.HasPrefix(path, "/settings/screens/") && of != "foreign":
		values["id"] = r.newScreen()
	}
	if values["award"], values["class"] = foreignID, foreignID; of != "foreign" {
		values["class"] = "laser-user"
		if strings.Contains(path, "{award}") {
			values["award"] = r.newAward()
		}
	}
	if values["training"] = foreignID; strings.Contains(path, "{training}") && of != "foreign" {
		values["training"] = r.newTraining(trainingMachine(of))
	}
	if strings.Contains(path, "{card}") {
		values["card"] = r.cardOf(about.member)
	}
	if strings.Contains(path, "{badge}") {
		values["badge"] = r.badgeOf(about.member)
	}
	if strings.Contains(path, "{session}") {
		values["session"] = "s-" + r.newSession("biklab", sessionOwner(r, about))[:8]
	}
	q := request{method: method, path: fillPath(path, values)}
	if method == "POST" && path == "/trainings" {
		r.closeTrainings()
		machine = trainingMachine(of)
	}
	if method == "POST" {
		r.formOf(path, about, who, machine, &q)
	}
	if path == "/members/export" {
		q.path += "?format=csv"
	}
	if strings.HasPrefix(path, "/reports") && of != "-" {
		q.path += "?machine=" + machine
	}
	return q
}

// formOf fills in the form of a request.
func (r *rig) formOf(path string, about, who *reader, machine string, q *request) {
	r.t.Helper()
	v := url.Values{}
	set := func(pairs ...string) {
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
	}
	upload := func(name string, data []byte) {
		var b bytes.Buffer
		m := multipart.NewWriter(&b)
		f, err := m.CreateFormFile("file", name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil || m.Close() != nil {
			r.t.Fatal(err)
		}
		q.kind, q.body = m.FormDataContentType(), b.Bytes()
	}
	switch path {
	case "/members/import":
		upload("list.csv", []byte("name,email\r\nImported,imported@example.org\r\n"))
	case "/members/import/apply", "/members/import/columns":
		set("preview", r.newPreview(who))
	case "/members":
		set("name", fmt.Sprint("New ", r.newNumber()))
	case "/members/{id}":
		set("version", r.version(about.member), "language", "en")
	case "/members/{id}/block":
		set("version", r.version(about.member), "blocked", "no")
	case "/members/{id}/erase":
		set("version", r.version(about.member))
	case "/members/{id}/cards":
		set("number", r.cardNumber())
	case "/members/{id}/cards/{card}":
		set("state", "lost")
	case "/members/{id}/badges":
		upload("badge.json", r.badgeFile(about.member))
	case "/members/{id}/badges/url":
		set("url", "https://127.0.0.1/badge.json")
	case "/members/{id}/merge":
		set("drop", string(r.lastExtra()))
	case "/cards/unknown/{tap}":
		set("member", string(r.victim.member))
	case "/machines":
		set("id", fmt.Sprintf("machine%d", r.newNumber()))
	case "/machines/{id}/revoke":
		m, _ := r.h.MachineService().Machines.Get(r.t.Context(), root, policy.MachineID(machine))
		set("version", strconv.FormatInt(m.Version, 10), "reason", "smoke")
	case "/machines/{id}/tag":
		set("reason", "smoke")
	case "/trainings":
		set("what", machine+" "+machine+"-user")
	case "/trainings/{training}/join", "/trainings/{training}/remove":
		set("member", string(r.newHolder()))
	case "/trainings/{training}/new":
		n := r.newNumber()
		set("name", fmt.Sprint("Trained ", n), "email", fmt.Sprintf("trained%d@example.org", n))
	case "/trainings/{training}/award":
		set("member", string(r.trained))
	case "/badge-classes/{class}/checks":
		set("version", r.checksVersion(), "items", "fire\nfocus")
	case "/awards":
		set("badge", "laser-user", "member", string(r.newHolder()), "why", "test")
	case "/awards/{award}/revoke":
		set("reason", "test")
	case "/badge-classes/{class}":
		set("version", r.classVersion(), "criteria", "Cut a box")
	case "/machines/{id}/maintenance/hours":
		set("hours", "1240", "day", "2020-01-01")
	case "/machines/{id}/maintenance/close":
		set("words", "checked")
	case "/card-key/rotate", "/card-key/end":
		set("version", "0", "reason", "")
	case "/policy/sign":
		upload("site.policy", []byte("signed"))
	case "/policy/check":
		set("text", r.policyText())
	case "/policy/try":
		set("member", string(about.member), "machine", "laser", "text", r.policyText()+"# draft\n")
	case "/policy/edit":
		set("at", "laser.2", "do", "save", "of", r.policyNumber(), "when", "any", "max", "90m")
	case "/policy/publish":
		set("text", r.policyText()+fmt.Sprintf("# %d\n", r.newNumber()), "comment", "again", "of", r.policyNumber())
	case "/policy/back":
		set("comment", "back")
	case "/settings/password":
		set("old", "a-wrong-password", "password", "another random text")
	case "/settings/tokens":
		set("name", "script", "scopes", "own.read", "expires", time.Now().AddDate(0, 1, 0).Format(time.DateOnly))
	case "/settings/public":
		v, err := r.h.Display().Settings.Get(r.t.Context(), root)
		if err != nil {
			r.t.Fatal(err)
		}
		set("version", strconv.FormatInt(v.Version, 10), "public", "off")
	case "/settings/screens":
		set("name", "wall")
	case "/settings/accounts":
		set("name", fmt.Sprintf("new%d@example.org", r.newNumber()), "site", "")
	case "/settings/accounts/{id}":
		a, _ := r.h.Accounts().Registry.Get(r.t.Context(), root, about.account)
		set("version", strconv.FormatInt(a.Version, 10), "disabled", "no")
	case "/sign-in":
		set("name", "nobody", "password", "a-wrong-password")
	case "/sign-in/mail":
		set("email", "lea@example.org")
	case "/sign-in/link", "/code", "/code/owner", "/code/password":
		set("code", "AAAAA-AAAAA-AAAAA", "name", "eve", "password", "another random text")
	}
	if q.body == nil {
		q.kind, q.body = "application/x-www-form-urlencoded", []byte(v.Encode())
	}
}

// newScreen adds a wall screen, and returns the id of the screen. newScreen first revokes the other screens, because a
// site may have only a few.
func (r *rig) newScreen() string {
	r.t.Helper()
	screens := r.h.Display().Screens
	all, err := screens.List(r.t.Context(), root)
	for _, x := range all {
		err = errors.Join(err, screens.Revoke(r.t.Context(), root, x.ID))
	}
	x, more := screens.Add(r.t.Context(), root, "test")
	if err = errors.Join(err, more); err != nil {
		r.t.Fatal(err)
	}
	return x.ID
}
