package web

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"text/template/parse"
	"unicode"

	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/display"
	"portillon/hub/maintenance"
	"portillon/hub/memberlist"
	"portillon/hub/search"
	"portillon/hub/training"
	"portillon/hub/visitor"
	"portillon/policy"
	"portillon/wire"
)

// Every message key that a template or a handler uses is in messages.txt, and every message is used.
func TestEveryMessageExistsInBothLanguagesAndIsUsed(t *testing.T) {
	w, err := readWords()
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for key, where := range keysUsed(t) {
		if _, ok := w[key]; !ok {
			t.Errorf("%s: no message %q", where, key)
		}
		used[key] = true
	}
	// Add the composed keys, which consist of a prefix and a code from a closed list.
	for _, key := range composed() {
		if _, ok := w[key]; !ok {
			t.Errorf("no message %q", key)
		}
		used[key] = true
	}
	// The keys of these messages contain codes of other programs, so no complete key is in the source.
	open := regexp.MustCompile(`^(check|fault|audit\.field|disk|clock|verdict|import\.field|done|month|role|system)\.`)
	for key, m := range w {
		if !used[key] && !open.MatchString(key) {
			t.Errorf("message %q is used nowhere", key)
		}
		if fr, en := placeholders(m.FR), placeholders(m.EN); fr != en {
			t.Errorf("message %q has %s in French and %s in English", key, fr, en)
		}
	}
}

func placeholders(s string) string {
	out := ""
	for i := 1; i < 6; i++ {
		if strings.Contains(s, fmt.Sprintf("{%d}", i)) {
			out += fmt.Sprintf("{%d}", i)
		}
	}
	return out
}

func composed() (keys []string) {
	for _, act := range actor.Acts() {
		keys = append(keys, "act."+string(act))
	}
	for _, why := range []string{cardkey.ByHand, cardkey.Program, cardkey.Away} {
		keys = append(keys, "cardkey.why."+why)
	}
	for _, c := range policy.Codes() {
		keys = append(keys, "reason."+string(c))
	}
	for _, c := range directory.LastingReasons() {
		if c != policy.NotEnoughHours { // the page shows the member's hours instead
			keys = append(keys, "me.path."+string(c))
		}
	}
	for _, s := range (found{}).States() {
		keys = append(keys, "members.state."+s)
	}
	for _, s := range (cardsPage{}).States() {
		keys = append(keys, "card.state."+string(s))
	}
	for _, f := range (&Pages{}).table() {
		for _, e := range f.entries {
			keys = append(keys, "nav."+e.Key)
		}
	}
	for _, s := range []actor.Role{actor.Owner, actor.Administrator, actor.Maintainer, actor.Mentor, actor.Member,
		"learner", "user", "host"} {
		keys = append(keys, "role."+string(s))
	}
	for _, p := range []memberlist.Program{memberlist.Galette, memberlist.HelloAsso, memberlist.FabManager,
		memberlist.AssoConnect, memberlist.FrenchExcel, memberlist.MemberMatters} {
		keys = append(keys, "import.program."+string(p))
	}
	for _, s := range []string{"api", "columns", "sheet", "separator", "encoding", "dates", "decimals"} {
		keys = append(keys, "import.why."+s)
	}
	for _, s := range []string{memberlist.NotValid, memberlist.Repeated, memberlist.NoEnd, memberlist.NotActive} {
		keys = append(keys, "import.left."+s)
	}
	for _, o := range []directory.Outcome{directory.Applied, directory.Unchanged} {
		keys = append(keys, "sources."+string(o))
	}
	for _, s := range (previewPage{}).Fields() {
		keys = append(keys, "import.as."+s)
	}
	for _, k := range search.Kinds() {
		keys = append(keys, "search."+string(k))
	}
	for _, s := range display.States() {
		keys = append(keys, "status."+string(s))
	}
	for _, r := range visitor.Reasons() {
		keys = append(keys, "visitor.why."+string(r))
	}
	for _, p := range []visitor.Proof{visitor.ByMail, visitor.Identity} {
		keys = append(keys, "visitor.proved."+string(p))
	}
	for _, x := range training.Standings() {
		keys = append(keys, "training.standing."+string(x))
	}
	for _, g := range maintenance.Groups() {
		keys = append(keys, "upkeep.group."+string(g))
	}
	for _, w := range wire.Problems() {
		keys = append(keys, "upkeep.what."+string(w))
	}
	for _, o := range []maintenance.Origin{maintenance.FromPerson, maintenance.FromDue, maintenance.FromContactor,
		maintenance.FromJournal} {
		keys = append(keys, "upkeep.origin."+string(o))
	}
	keys = append(keys, "upkeep.group.all")
	for m := 1; m <= 12; m++ {
		keys = append(keys, fmt.Sprintf("month.%d", m))
	}
	for _, e := range []string{"400", "403", "404", "412", "413", "429", "500", "503", "silent", "refused"} {
		keys = append(keys, "error."+e, "error."+e+".why")
	}
	for _, v := range []policy.Verdict{policy.Deny, policy.Await, policy.Allow} {
		keys = append(keys, "try."+v.String())
	}
	keys = append(keys, policyFormKeys()...)
	return append(keys, "link.old", "link.old.why", "error.422", "wall.title")
}

// keysUsed returns the message keys in {{t "…"}}, {{count "…"}} and the fields of handlers, each with one place where
// it is used.
func keysUsed(t *testing.T) map[string]string {
	t.Helper()
	keys := map[string]string{}
	templates, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		t.Fatal(err)
	}
	call := regexp.MustCompile(`\b(t|count) "([a-z0-9.-]+)"`)
	for _, f := range templates {
		b, err := files.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range call.FindAllStringSubmatch(string(b), -1) {
			if m[1] == "count" {
				keys[m[2]+".one"], keys[m[2]+".many"] = f, f
			} else {
				keys[m[2]] = f
			}
		}
	}
	sources, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	code := regexp.MustCompile(
		`(?:Label|Hint|Submit): +"([a-z0-9.-]+)"|\.t\("([a-z0-9.-]+)"|render\([^"]*"[a-z]+", "[a-z]*", "([a-z0-9.-]+)"|` +
			`\{"[a-z]*", "([a-z]+\.[a-z]+)"\}|(?:showCode|withForm)\([a-zA-Z]+\(\), "([a-z.]+)"|Submit = .*"([a-z.]+)"$`,
	)
	done := regexp.MustCompile(`q\.to\([^\n]*, "([a-z-]+)"\)`)
	for _, f := range sources {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(f, "_test.go") {
			continue
		}
		for _, line := range strings.Split(string(b), "\n") {
			for _, m := range code.FindAllStringSubmatch(line, -1) {
				if k := strings.Join(m[1:], ""); !strings.HasSuffix(k, ".") {
					keys[k] = f
				}
			}
		}
		for _, m := range done.FindAllStringSubmatch(string(b), -1) {
			keys["done."+m[1]] = f
		}
	}
	keys["done.member-blocked-true"], keys["done.member-blocked-false"], keys["add"],
		keys["conflict.mine"] = "members.go", "members.go", "members.go", "members.go"
	if len(keys) < 200 {
		t.Fatalf("only %d keys were found", len(keys))
	}
	return keys
}

// literals matches words that templates may contain outside of messages: names of formats, and commands.
var literals = regexp.MustCompile(
	`CSV|Excel|members\.yaml|portillon policy sign policy\.yaml --key policy\.key --number|-o site\.policy|` +
		`portillon-hub backup portillon-backup\.tar|SpaceAPI|/spaceapi\.json|/status/?|/visit|\.svg`,
)

// No template contains a sentence, neither as text nor in an attribute that people read.
func TestTemplatesContainNoSentences(t *testing.T) {
	p, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	tags := regexp.MustCompile(`(?s)<[^>]*>`)
	read := regexp.MustCompile(`(?:title|alt|placeholder|aria-label)="([^"]*)`)
	seen := 0
	for name, page := range p.views["fr"].pages {
		for _, tmpl := range page.Templates() {
			if tmpl.Tree == nil || tmpl.Name() == "attributes" { // "attributes" contains a part of a tag
				continue
			}
			// A text between two actions may be only a part of a tag, so join all texts first, with a mark for each action.
			var b strings.Builder
			writeTexts(&b, tmpl.Tree.Root)
			for _, m := range read.FindAllStringSubmatch(b.String(), -1) {
				if strings.IndexFunc(m[1], unicode.IsLetter) >= 0 {
					t.Errorf("%s: %s: an attribute says %q", name, tmpl.Name(), m[1])
				}
			}
			text := literals.ReplaceAllString(tags.ReplaceAllString(b.String(), " "), " ")
			if i := strings.IndexFunc(text, unicode.IsLetter); i >= 0 {
				t.Errorf("%s: %s says %q", name, tmpl.Name(), strings.TrimSpace(text[i:min(len(text), i+60)]))
			}
			seen++
		}
	}
	if seen < 100 {
		t.Fatalf("only %d templates were seen", seen)
	}
}

// writeTexts writes all texts of a template, from all branches.
func writeTexts(b *strings.Builder, n parse.Node) {
	switch n := n.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, c := range n.Nodes {
			writeTexts(b, c)
		}
	case *parse.TextNode:
		b.Write(n.Text)
	case *parse.IfNode:
		writeTexts(b, n.List)
		writeTexts(b, n.ElseList)
	case *parse.RangeNode:
		writeTexts(b, n.List)
		writeTexts(b, n.ElseList)
	case *parse.WithNode:
		writeTexts(b, n.List)
		writeTexts(b, n.ElseList)
	}
}

func TestTimesAndNumbersFollowTheLanguage(t *testing.T) {
	p, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	fr, en := p.views["fr"], p.views["en"]
	nb := strings.NewReplacer("\u00a0", "_", "\u202f", "_")
	for _, c := range []struct{ got, want string }{
		{fr.number(10000), "10_000"}, {en.number(1234567), "1,234,567"}, {fr.number(-1000), "-1_000"}, {en.number(12), "12"},
		{fr.length(4*3600 + 300), "4_h_05"}, {en.length(4*3600 + 300), "4_h_5_min"}, {en.length(7200), "2_h"},
		{fr.length(59), "0_min"},
		{fr.count("cards", 0), "0 carte"}, {en.count("cards", 0), "0 cards"}, {fr.count("cards", 2), "2 cartes"},
		{en.count("cards", 1), "1 card"},
		{fr.date(policy.Date{Year: 1999, Month: 3, Day: 1}), "1er_mars_1999"}, {en.date(policy.Date{}), ""},
		{fr.known("role.", "user"), "Utilisation"}, {en.known("role.", "of a later release"), "of a later release"},
		{fr.t("member.until.hint"), "Dernier jour compris_; vide_: sans fin"},
	} {
		if got := nb.Replace(c.got); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestLanguageIsChosenByAcceptLanguage(t *testing.T) {
	for header, want := range map[string]string{"": "fr", "*": "fr", "fr-CA": "fr", "en-GB,en;q=0.9,fr;q=0.8": "en",
		"de": "en", "de,fr;q=0.3": "fr",
		"fr;q=0,en;q=0.1": "en", "en;q=0.5,fr;q=0.5": "en", ";;q=,=": "en", "fr;q=2,en": "en"} {
		if got := accepted(header); got != want {
			t.Errorf("%q: %s, want %s", header, got, want)
		}
	}
}

func TestReturnAddressesStayOnTheSite(t *testing.T) {
	for back, want := range map[string]string{"/members?q=a": "/members?q=a", "": "/", "//evil.example": "/",
		"https://evil.example/": "/", "/\\evil.example": "/",
		"/\\/evil.example": "/", "javascript:alert(1)": "/", "/a\r\nSet-Cookie: x=1": "/", "/sign-in?back=/sign-in": "/",
		"members":                      "/",
		"/" + strings.Repeat("a", 600): "/", "/%2f%2fevil.example": "/%2f%2fevil.example", "/\t/evil.example": "/"} {
		if got := localPath(back); got != want {
			t.Errorf("%q: %q, want %q", back, got, want)
		}
	}
}

func FuzzReturnAddressesStayOnTheSite(f *testing.F) {
	for _, s := range []string{"/", "//a", "/\\a", "/a?b#c", "http:/a", "/%5c"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := localPath(s)
		if !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\r\n\t") {
			t.Errorf("%q: %q", s, got)
		}
	})
}

func FuzzAcceptedLanguageHasPages(f *testing.F) {
	f.Add("en-GB,en;q=0.9")
	f.Fuzz(func(t *testing.T, s string) {
		if known(accepted(s)) == "" {
			t.Errorf("%q: %q", s, accepted(s))
		}
	})
}

// If a form does not contain a field of the member, the member's value stays unchanged.
func TestFormsChangeOnlyTheirFields(t *testing.T) {
	m := directory.Member{Name: "Léa", Note: "kept", Emails: []string{"a@b"}}
	if err := applyForm(&m, map[string][]string{"name": {" Lea "}, "emails": {"x@y\r\n\r\n z@y "}}); err != nil {
		t.Fatal(err)
	}
	if m.Name != "Lea" || m.Note != "kept" || fmt.Sprint(m.Emails) != "[x@y z@y]" {
		t.Errorf("%+v", m)
	}
	if err := applyForm(&m, map[string][]string{"until": {"12-25"}}); err == nil {
		t.Error("a date without a year was taken as the end of a membership")
	}
}

func TestCSVCellsAreNeverFormulas(t *testing.T) {
	if got := csvText(t, [][]string{{"=1+1", "+a", "-b", "@c", "\tx", "plain",
		"a=b"}}); got != "'=1+1,'+a,'-b,'@c,'\tx,plain,a=b\n" {
		t.Errorf("%q", got)
	}
}

func csvText(t *testing.T, rows [][]string) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeCSV(&b, rows); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestIssuerNameComesFromThePolicy(t *testing.T) {
	p := &Pages{
		o: Options{IssuerName: func(as string) string { return map[string]string{"did:key:z1": "Notre lieu"}[as] }},
	}
	for _, c := range []struct{ issuer, verdict, want string }{
		{"did:key:z1", "valid", "Notre lieu"}, {"did:key:z1", "invalid", "did:key:z1"}, {"did:key:z2", "valid", "did:key:z2"},
	} {
		if got := p.issuerName(directory.Badge{Issuer: c.issuer, Verdict: c.verdict}); got != c.want {
			t.Errorf("%s, %s: %q, want %q", c.issuer, c.verdict, got, c.want)
		}
	}
}
