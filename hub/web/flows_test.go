package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

// hostile is a text that runs a script if a page does not escape it correctly.
const hostile = `x"'><script>alert(1)</script><img src=x ` +
	`onerror=alert(1)>{{.}}</textarea></title>javascript:alert(1)&amp;` + "\u202e`"

// Every page escapes the texts that people and machines have sent.
func TestHostileTextIsShownAsText(t *testing.T) {
	if testing.Short() {
		t.Skip("short: asks for every page")
	}
	h := open(t, 0)
	h.site.Poison(hostile)
	list := append(paths(), "/members/m-poison", "/members/m-poison/erase", "/members/m-poison/merge?drop=m-lea",
		"/members?q="+url.QueryEscape(hostile), "/search?q="+url.QueryEscape(hostile), "/search?q=x%22",
		"/members?state="+url.QueryEscape(hostile),
		"/reports?from="+url.QueryEscape(hostile)+"&machine="+url.QueryEscape(hostile),
		"/cards?state="+url.QueryEscape(hostile),
		"/today?done="+url.QueryEscape(hostile)+"&lang="+url.QueryEscape(hostile), "/"+url.PathEscape(hostile))
	for _, path := range list {
		harmless(t, path, h.get(path))
	}
	h.site.ShowPublic()
	for _, path := range []string{"/status", "/status/laser.svg", "/wall?key=" + webtest.WallKey,
		"/sign-in?back=" + url.QueryEscape(hostile), "/code?code=" + url.QueryEscape(hostile),
		"/sign-in/link?code=" + url.QueryEscape(hostile)} {
		harmless(t, path, h.as("").get(path))
	}
	all := url.Values{}
	for _, name := range []string{"name", "emails", "guardians", "subjects", "note", "until", "language", "number",
		"url", "reason", "id", "text", "comment", "code", "password",
		"why", "evidence", "urls", "criteria", "description", "alignments",
		"email", "public", "website", "logo", "address", "position",
		"expires", "scopes", "member", "site", "was.name", "was.note", "was.until", "drop", "state"} {
		all.Set(name, hostile)
	}
	all.Set("emails", hostile+" no address")
	all.Set("version", "1")
	for _, path := range []string{"/members", "/members/m-poison", "/members/m-lea/cards", "/members/m-lea/badges/url",
		"/machines", "/machines/laser/tag", "/machines/laser/revoke", "/card-key/rotate", "/card-key/end",
		"/awards", "/awards/aw-lea/revoke", "/awards/aw-lea/undo", "/badge-classes/laser-user",
		"/policy/check", "/policy/publish", "/settings/tokens", "/settings/accounts", "/settings/password",
		"/settings/public", "/settings/screens",
		"/members/m-lea/merge"} {
		harmless(t, path, h.post(path, all))
	}
	all["member"] = []string{"m-lea"}
	all.Set("badge", "laser-user")
	harmless(t, "award", h.post("/awards", all))
	all.Set("version", "9")
	harmless(t, "conflict", h.post("/members/m-poison", all))
	for _, path := range []string{"/sign-in", "/sign-in/mail", "/code", "/code/owner", "/code/password", "/sign-in/link"} {
		harmless(t, path, h.as("").post(path, all))
	}
	harmless(t, "import", h.upload("/members/import", "file", hostile+".csv", hostile))
	harmless(t, "import", h.upload("/members/import", "file", "x", hostile+"\n\n"+hostile))
	harmless(t, "badge", h.upload("/members/m-lea/badges", "file", hostile, hostile))
}

func harmless(t *testing.T, what string, w *httptest.ResponseRecorder) {
	t.Helper()
	body := w.Body.String()
	for _, bad := range []string{"<script>alert", "<img src=x", `"javascript:`, "'javascript:", `x"'>`} {
		if strings.Contains(body, bad) {
			i := strings.Index(body, bad)
			t.Errorf("%.60s: the page holds %q: …%s…", what, bad, body[max(0, i-120):min(len(body), i+60)])
		}
	}
	if w.Code >= 500 {
		t.Errorf("%.60s: %d", what, w.Code)
	}
	if loc := w.Header().Get("Location"); strings.HasPrefix(loc, "//") || strings.Contains(loc, "javascript:") ||
		strings.ContainsAny(loc, "\r\n<>\"") {
		t.Errorf("%.60s: Location %q", what, loc)
	}
	for _, bad := range []string{" style=", " onclick=", "<style"} {
		if strings.Contains(body, bad) {
			t.Errorf("%.60s: inline %q, which the content policy refuses", what, bad)
		}
	}
}

func TestEveryResponseHasTheContentSecurityPolicy(t *testing.T) {
	h := open(t, 0)
	for _, path := range append(paths(), "/static/x/hub.css", assetOf(t, h, "hub.js")) {
		w := h.get(path)
		csp := w.Header().Get("Content-Security-Policy")
		if !strings.HasPrefix(csp, "default-src 'none';") || !strings.Contains(csp, "frame-ancestors 'none'") ||
			strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %q", path, csp)
		}
		if w.Header().Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: a browser may guess its type", path)
		}
	}
}

func TestVisitorsReturnToThePageAfterSignIn(t *testing.T) {
	h := open(t, 0)
	nobody := h.as("")
	for _, path := range paths() {
		if strings.HasPrefix(path, "/about") || path == "/nowhere" {
			continue
		}
		w := nobody.get(path)
		if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in?back=") {
			t.Errorf("%s: %d %q, want the sign-in page", path, w.Code, w.Header().Get("Location"))
		}
		if len(w.Result().Cookies()) != 0 {
			t.Errorf("%s: a cookie before sign-in", path)
		}
	}
	v := url.Values{"name": {webtest.AdminName}, "password": {"wrong"}}
	body := expect(t, nobody.post("/sign-in?back=%2Fmembers&lang=en", v), 401, "Wrong name or password",
		`value="`+webtest.AdminName+`"`)
	if strings.Contains(body, "wrong\"") {
		t.Error("the password is given back")
	}
	v.Set("password", webtest.Password)
	w := nobody.post("/sign-in?back=%2Fmembers&lang=en", v)
	expect(t, w, 303, "/members?lang=en")
	if len(w.Result().Cookies()) != 1 {
		t.Errorf("cookies: %v", w.Result().Cookies())
	}
	expect(t, nobody.post("/sign-in?back=%2F%2Fevil.example", v), 303)
	if loc := nobody.post("/sign-in?back=%2F%2Fevil.example", v).Header().Get("Location"); loc != "/" {
		t.Errorf("after sign-in: %q", loc)
	}
}

func TestLanguageCookieIsSetOnlyAfterSignIn(t *testing.T) {
	h := open(t, 0)
	if c := h.as("").get("/sign-in?lang=en").Result().Cookies(); len(c) != 0 {
		t.Errorf("before sign-in: %v", c)
	}
	expect(t, h.as("").get("/sign-in?lang=en"), 200, `action="/sign-in?lang=en"`, `href="/code?lang=en"`,
		`href="/sign-in?lang=fr"`)
	c := h.get("/today?lang=fr").Result().Cookies()
	if len(c) != 1 || c[0].Value != "fr" || !c[0].HttpOnly || c[0].SameSite != http.SameSiteLaxMode {
		t.Fatalf("after sign-in: %v", c)
	}
	r := httptest.NewRequest("GET", "/today", nil)
	r.Header.Set("Accept-Language", "en")
	r.AddCookie(c[0])
	expect(t, h.do(r), 200, `<html lang="fr">`)
}

// The table contains the pages that each role may see. The services decide what each role may see, because the pages
// contain no rules.
func TestPagesFollowTheRole(t *testing.T) {
	h := open(t, 0)
	want := map[string][5]int{ // owner, administrator, maintainer of the laser, mentor of the laser, member
		"/today":                     {200, 200, 200, 200, 200},
		"/me":                        {200, 200, 200, 200, 200},
		"/members":                   {200, 200, 403, 403, 403},
		"/members/m-tom":             {200, 200, 403, 403, 403},
		"/members/new":               {200, 200, 403, 403, 403},
		"/members/import":            {200, 200, 403, 403, 403},
		"/members/export":            {404, 404, 404, 404, 404},
		"/machines":                  {200, 200, 200, 200, 200},
		"/machines/laser":            {200, 200, 200, 200, 200},
		"/card-key":                  {200, 200, 403, 403, 403},
		"/cards":                     {200, 200, 403, 403, 403},
		"/cards/unknown/u-1":         {200, 200, 403, 403, 403},
		"/policy":                    {200, 200, 200, 200, 403},
		"/reports":                   {200, 200, 403, 403, 403},
		"/settings":                  {200, 200, 200, 200, 200},
		"/settings/tokens":           {200, 200, 200, 200, 200},
		"/settings/accounts":         {200, 403, 403, 403, 403},
		"/settings/audit":            {200, 200, 403, 403, 403},
		"/settings/audit.jsonl":      {200, 200, 403, 403, 403},
		"/members/export?format=csv": {200, 200, 403, 403, 403},
		"/members/m-tom/erase":       {200, 200, 403, 403, 403},
	}
	for i, who := range []string{webtest.OwnerName, webtest.AdminName, webtest.MaintName, webtest.MentorName,
		webtest.MemberName} {
		for path, codes := range want {
			if w := h.as(who).get(path); w.Code != codes[i] {
				t.Errorf("%s as %s: %d, want %d", path, who, w.Code, codes[i])
			}
		}
	}
	if strings.Contains(h.as(webtest.MemberName).get("/today").Body.String(), "Léa Morvan") {
		t.Error("a member reads who is on a machine")
	}
	expect(t, h.as(webtest.MemberName).get("/"), 303, "/me")
	expect(t, h.as(webtest.AdminName).get("/"), 303, "/today")
	body := expect(t, h.as(webtest.MemberName).get("/me"), 200, "Découpe vinyle - 1er pas")
	if strings.Contains(body, "jeudi") {
		t.Error("a member reads the administrators' note")
	}
}

func TestRejectedFormsKeepValuesAndShowEveryFault(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"name": {""}, "emails": {"one@lab.example\nnobody"}, "until": {"2027-08-31"}, "note": {"a note"},
		"version": {"1"}, "was.name": {"Léa Morvan"}}
	body := expect(t, h.post("/members/m-lea", v), 422, `href="#person-name"`, `href="#person-emails"`,
		`aria-describedby="person-emails-fault person-emails-hint"`, "a note",
		"one@lab.example\nnobody", `name="version" value="1"`, `name="was.name" value="Léa Morvan"`)
	if strings.Count(body, " autofocus") != 1 || !strings.Contains(body,
		`id="person-name" name="name" type="text" value="" autocomplete="off" required aria-invalid="true"`) {
		t.Error("the first field with a fault does not have the focus")
	}
	expect(t, h.post("/members", v), 422, `action="/members"`, "a note")
	expect(t, h.post("/members/m-lea", url.Values{"until": {"soon"}, "version": {"1"}}), 422, `href="#person-until"`)
}

func TestConflictShowsTheOtherUsersChanges(t *testing.T) {
	h := open(t, 0)
	first := url.Values{"name": {"Léa Morvan-Diaz"}, "note": {"Aide à l'accueil le jeudi."}, "version": {"1"}}
	expect(t, h.post("/members/m-lea", first), 303, "/members/m-lea?done=member-changed")
	mine := url.Values{"name": {"Léa Morvan"}, "was.name": {"Léa Morvan"}, "note": {"clé du local"},
		"was.note": {"Aide à l'accueil le jeudi."}, "version": {"1"}}
	body := expect(t, h.post("/members/m-lea", mine), 412, "Somebody else changed this record", "Léa Morvan-Diaz",
		"clé du local", `name="version" value="2"`)
	if !strings.Contains(body, `name="name" type="text" value="Léa Morvan-Diaz"`) {
		t.Error("a field that only the other changed is offered with the old value")
	}
	expect(t, h.post("/members/m-lea/erase", url.Values{"version": {"1"}}), 412)
	expect(t, h.post("/members/m-lea/block", url.Values{"version": {""}, "blocked": {"yes"}}), 412)
}

func TestInternalErrorsShowTheRequestID(t *testing.T) {
	h := open(t, 0)
	h.site.Break(errors.New("disk is full"))
	body := expect(t, h.get("/members"), 500, "req-7")
	if strings.Contains(body, "disk is full") || !strings.Contains(h.logs.String(), "disk is full") {
		t.Error("the cause stands on the page, or not in the log")
	}
}

func TestPublishedPolicyHasUnixLineEnds(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"text": {"portillon: 1\r\nmachines?:\r\n"}, "comment": {"why"}, "of": {"2"}}
	expect(t, h.post("/policy/check", v), 200, "Line 2, column 9", "<pre tabindex=\"0\">machines?:</pre>", `value="why"`)
	expect(t, h.post("/policy/publish", v), 422, "The policy is not published")
	v.Set("text", "portillon: 1\r\nsite: lab\r\n")
	body := expect(t, h.post("/policy/check", v), 200, "Lose access", "Maud Pichon", `formaction="/policy/publish"`)
	if !strings.Contains(body, "portillon: 1\nsite: lab\n</textarea>") {
		t.Error("the text is not given back as it was sent")
	}
	expect(t, h.post("/policy/publish", v), 303, "/policy?done=policy-published")
	expect(t, h.post("/policy/publish", v), 412, "Version 3 was published by", `name="of" value="3"`)
	expect(t, h.get("/policy/versions/3"), 200, "portillon: 1\nsite: lab\n</pre>")
	if w := h.get("/policy/versions/3/policy.yaml"); w.Body.String() != "portillon: 1\nsite: lab\n" {
		t.Errorf("the file to sign is %q", w.Body.String())
	}
	expect(t, h.post("/policy/back", url.Values{"comment": {"oops"}}), 303, "/policy?done=policy-back")
}

func TestPolicyPageHasAFormForAMissingSignature(t *testing.T) {
	h := open(t, 0)
	expect(
		t,
		h.get("/policy"),
		200,
		"A signature is wanted",
		"2 members have changed.",
		"<li>https://fablab.example/.well-known/did.json</li>",
	)
	r := httptest.NewRequest("GET", "/policy", nil)
	r.Header.Set("Accept-Language", "fr")
	expect(
		t,
		h.do(r),
		200,
		"Une signature est attendue",
		"2 membres ont changé.",
		"<li>https://fablab.example/.well-known/did.json</li>",
	)
}

// A secret that the hub shows only once is in the response to the POST, never in an address.
func TestSecretsAreShownOnceAndNeverInAnAddress(t *testing.T) {
	h := open(t, 0)
	for path, secret := range map[string]string{"/machines/laser/code": "9G4T-K2QM",
		"/members/m-lea/codes": "7K2Q-0000-M9XH",
		"/settings/tokens":     "ptl_7Qm2Zk9", "/settings/accounts": webtest.ResetWith,
		"/settings/accounts/a-lea/reset": webtest.ResetWith} {
		v := url.Values{
			"name":    {"script"},
			"scopes":  {"members.read"},
			"expires": {"2027-01-31"},
			"site":    {"member"},
			"replace": {"yes"},
		}
		w := h.post(path, v)
		expect(t, w, 200, secret)
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%s: a cache may keep the secret", path)
		}
	}
	for _, path := range paths() {
		if body := h.get(path).Body.String(); strings.Contains(body, "9G4T-K2QM") ||
			strings.Contains(body, webtest.ResetWith) {
			t.Errorf("%s shows a secret again", path)
		}
	}
}

// A mail scanner that opens the link must not sign anyone in.
func TestOpeningALinkDoesNotSignInUntilTheButtonIsPressed(t *testing.T) {
	h := open(t, 0).as("")
	w := h.get("/sign-in/link?code=" + webtest.LinkCode)
	expect(t, w, 200, "Sign in: Léa Morvan")
	if len(w.Result().Cookies()) != 0 || w.Header().Get("Referrer-Policy") != "no-referrer" {
		t.Error("opening the link signs in, or tells others its address")
	}
	expect(t, h.post("/sign-in/link", url.Values{"code": {webtest.SharedCode}}), 200, "Tom Le Goff")
	expect(t, h.post("/sign-in/link", url.Values{"code": {webtest.LinkCode}, "member": {"m-lea"}}), 303)
	expect(t, h.post("/sign-in/link", url.Values{"code": {"wrong"}}), 401, "Code or link expired")
	expect(t, h.post("/code", url.Values{"code": {"wrong"}}), 422, `value="wrong"`)
	expect(
		t,
		h.post("/code/owner", url.Values{"code": {webtest.OwnerCode}, "name": {"o"}, "password": {"short"}}),
		422,
		`href="#code-password"`,
	)
}

func TestOversizedFormsAreRejected(t *testing.T) {
	if testing.Short() {
		t.Skip("short: asks for every page")
	}
	h := open(t, 0)
	expect(t, h.post("/members", url.Values{"note": {strings.Repeat("a", 70<<10)}}), 413)
	expect(t, h.as("").post("/sign-in", url.Values{"name": {strings.Repeat("a", 70<<10)}}), 413)
	expect(t, h.upload("/members/import", "file", "x", strings.Repeat("a", 17<<20)), 413)
	expect(t, h.upload("/members/import", "file", "x", strings.Repeat("a", 70<<10)), 422)
	nobody := h.as("")
	expect(t, nobody.upload("/members/import", "file", "x", strings.Repeat("a", 70<<10)), 413)
	expect(t, nobody.upload("/members/import", "file", "x", "a"), 303, "/sign-in?back=")
	expect(t, nobody.post("/policy/check", url.Values{"text": {strings.Repeat("a", 70<<10)}}), 413)
}

func TestCardKeyIsChangedFromItsPage(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/card-key?lang=fr"), 200, "1a2b3c4d", "Changer la clé")
	expect(t, h.post("/card-key/rotate", url.Values{"version": {"1"}}), 422, "rotate-reason-fault")
	expect(t, h.post("/card-key/rotate", url.Values{"version": {"3"}, "reason": {"volée"}}), 412)
	expect(
		t,
		h.post("/card-key/rotate", url.Values{"version": {"1"}, "reason": {"volée"}}),
		303,
		"/card-key?done=cardkey-rotated",
	)
	expect(
		t,
		h.get("/card-key?lang=en"),
		200,
		"1 card still hangs on the old key",
		"Léa Morvan",
		"5e6f7081",
		"will open nothing any more",
	)
	expect(t, h.as(webtest.MaintName).post("/card-key/end", url.Values{"version": {"2"}}), 403)
	expect(t, h.post("/card-key/end", url.Values{"version": {"2"}}), 303, "/card-key?done=cardkey-ended")
	expect(t, h.post("/card-key/end", url.Values{"version": {"3"}}), 422, "no change-over is under way")
}

func TestMachineRolesCanBeGivenAndRemoved(t *testing.T) {
	h := open(t, 0)
	page := expect(t, h.get("/settings/accounts"), 200, `name="machine_role"`, `<option value="laser">`)
	id := strings.SplitN(strings.SplitN(page, `action="/settings/accounts/`, 2)[1], `"`, 2)[0]
	version := strings.SplitN(strings.SplitN(page, `name="version" value="`, 2)[1], `"`, 2)[0]
	give := url.Values{"version": {version}, "machine": {"laser"}, "machine_role": {"maintainer"}}
	expect(t, h.post("/settings/accounts/"+id, give), 303, "account-changed")
	if n := strings.Count(expect(t, h.get("/settings/accounts"), 200), ": Maintenance"); n < 1 {
		t.Errorf("%d accounts maintain a machine", n)
	}
	expect(t, h.post("/settings/accounts/"+id, give), 412) // send the version that the account had before the first change
	give.Set("version", "2")
	give.Set("machine_role", "")
	expect(t, h.post("/settings/accounts/"+id, give), 303, "account-changed")
	expect(
		t,
		h.get("/settings/accounts?member=m-lea&name=lea@lab.example"),
		200,
		`value="m-lea"`,
		`value="lea@lab.example"`,
	)
}

// Members can download their own record and each badge from the page. The file contains the data that the page and
// the API show, and no data that only administrators see.
func TestMembersCanDownloadTheirRecord(t *testing.T) {
	h := open(t, 0)
	lea := h.as(webtest.MemberName)
	for lang, words := range map[string][]string{"fr": {"Télécharger mes données (JSON)", "Télécharger<span"},
		"en": {"Download my data (JSON)", "Download<span"}} {
		expect(t, lea.get("/me/data?lang="+lang), 200, words[0], `href="/me/record.json" download`)
		expect(t, lea.get("/me?lang="+lang), 200, words[1], `href="/api/v1/members/m-lea/badges/`)
	}
	w := lea.get("/me/record.json")
	expect(t, w, 200)
	if got := w.Header().Get("Content-Disposition"); got != `attachment; filename="portillon-m-lea.json"` {
		t.Errorf("Content-Disposition %q", got)
	}
	var record struct {
		ID, Name, Until string
		Emails          []string
		Cards           []struct{ Last, Number, Note string }
		Badges          []struct{ ID, Name, Verdict string }
		Note            string
	}
	if err := json.Unmarshal(w.Body.Bytes(), &record); err != nil {
		t.Fatal(err)
	}
	if record.ID != "m-lea" || record.Name != "Léa Morvan" || record.Until == "" || len(record.Emails) == 0 ||
		len(record.Cards) == 0 || len(record.Badges) == 0 {
		t.Errorf("the record is not whole: %+v", record)
	}
	if record.Note != "" || record.Cards[0].Number != "" {
		t.Errorf("the record holds what its member may not see: %+v", record)
	}
	expect(t, h.as("").get("/me/record.json"), 303, "/sign-in")
}

func TestPolicyPageShowsThatABundleIsPending(t *testing.T) {
	h := open(t, 0)
	if body := h.get("/policy?lang=fr").Body.String(); !strings.Contains(body, "oscar.json") ||
		strings.Contains(body, "en préparation") {
		t.Errorf("before: %s", head(body))
	}
	expect(t, h.post("/policy/publish", url.Values{"text": {"portillon: 1\n"}, "of": {"2"}}), 303, "policy-published")
	body := expect(t, h.get("/policy?lang=fr"), 200, "Le paquet de la version 3 des règles est en préparation")
	if strings.Contains(body, "oscar.json") || strings.Contains(body, "Une signature est attendue") {
		t.Error("what was said of the bundle before is still said")
	}
	expect(t, h.get("/policy?lang=en"), 200, "The bundle of version 3 of the policy is being made")
}
