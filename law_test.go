package portillon_test

import (
	"go/parser"
	"go/token"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// importRules lists the packages of this repository that each package may import. A package that the list does not
// contain may import no package of this repository. The rule "x" allows only package x, and "x/..." allows all packages
// below x. The README states the same rules in words.
var importRules = []struct {
	pkg    string // the rule covers this folder and all folders below; the longest matching rule applies
	may    []string
	reason string
}{
	{"rfid", nil, "cards and taps depend on nothing else"},
	{"rfid/...", []string{"rfid"}, "a reader package depends on no other reader"},
	{"rfid/rfidtest", []string{"rfid"}, "fakes speak the wire protocol of a chip"},
	{"openbadge", []string{"openbadge", "openbadge/..."}, "other projects can use this library alone"},
	{"openbadge/bake", nil, "it edits pictures and does not interpret badges"},
	{"openbadge/fetch", []string{"openbadge"}, "the only package of this library that uses the network"},
	{"policy", nil, "a decision is pure: standard library only"},
	{"policy/analysis", []string{"policy"}, "analysis asks the policy many questions; deciding needs no analysis"},
	{"policy/policytest", []string{"policy"}, "models for the tests of policy and of its analysis"},
	{
		"policy/file",
		[]string{"policy", "yamlfile", "keykind", "timezone"},
		"the file is one way to write the model; keykind rejects keys of the wrong kind",
	},
	{"yamlfile", nil, "it reads any YAML file and reports its errors"},
	{"timezone", nil, "time zones are data"},
	{"keykind", nil, "hub, machine, policy and tool all ask it for the kind of a key"},
	{
		"wire",
		[]string{"policy", "keykind"},
		"messages name members, roles and badges; a manifest carries the check value of the card key",
	},
	{
		"wire/replay",
		[]string{"policy", "policy/analysis", "wire"},
		"a recorded decision is asked again where policies are compared, and never on a machine",
	},
	{
		"site",
		[]string{"rfid", "policy", "policy/file", "openbadge", "wire", "yamlfile", "keykind"},
		"it turns a directory into a bundle; rfid parses card numbers",
	},
	{"daemon", []string{"rfid", "policy", "wire", "daemon/..."}, "it connects all packages of a machine"},
	{"daemon/session", []string{"rfid", "policy", "wire"},
		"the session is pure: of a reader it knows the numbers of cards"},
	{"daemon/relay", []string{"daemon/relay/..."}, "the relay knows no member, no policy, no network"},
	{"daemon/journal", []string{"policy", "wire", "dberror"}, "it stores records and knows no session, relay or network"},
	{
		"daemon/uplink",
		[]string{"policy", "wire", "wire/mqtt", "daemon/journal", "daemon/uplink/..."},
		"it sends what the journal holds",
	},
	{"daemon/panel", []string{"policy"}, "it shows the views that it is given"},
	{
		"daemon/control",
		[]string{"wire"},
		"the socket transports requests, daemon handles them; wire decodes them",
	},
	{
		"daemon/roster",
		[]string{"rfid", "policy", "policy/file", "openbadge", "wire"},
		"it verifies the bundle and its badges",
	},
	{"wire/mqtt", nil, "a connection to a broker knows no topic and no message format"},
	{
		"hub",
		[]string{
			"policy",
			"policy/file",
			"openbadge",
			"openbadge/fetch",
			"wire",
			"wire/mqtt",
			"site",
			"yamlfile",
			"keykind",
			"hub/...",
		},
		"the hub never imports code of a machine",
	},
	{"hub/...", []string{"policy", "openbadge", "wire", "yamlfile"}, "only package hub connects the packages below it"},
	{"hub/decided", []string{"policy", "wire"}, "decisions are packed without a database"},
	{"hub/ledger", []string{"policy", "wire", "dberror", "hub/store", "hub/decided"},
		"the ledger keeps records, and nothing of members"},
	{"hub/store", []string{"policy", "dberror"}, "the database knows sites and rows, and no service"},
	{"hub/store/storetest", []string{"hub/store"}, "databases of tests have rows of no service"},
	{"hub/actor", []string{"policy"}, "who may do what is decided without a database"},
	{"hub/fault", nil, "errors of services know no service"},
	{"hub/fold", nil, "texts are compared without a member or a database"},
	{"hub/memberlist", nil, "a list is recognised from its cells, without a file, a member or a database"},
	{"hub/membersource", []string{"hub/memberlist", "openbadge/fetch"},
		"it fetches lists and knows no member; openbadge/fetch knows which addresses are public"},
	{"hub/membersource/membersourcetest", nil, "a fake of other programs speaks their protocols alone"},
	{
		"hub/directory",
		append([]string{"site", "rfid", "policy/analysis", "policy/file", "hub/memberlist"}, service...),
		"services of the hub do not import each other",
	},
	{"hub/publish", append([]string{"site", "policy/analysis", "policy/file", "hub/decided"}, service...),
		"services of the hub do not import each other"},
	{"hub/issue", service, "it reaches the directory only through functions that it is given"},
	{"hub/cardkey", service, "it reaches directory and machines only through functions that it is given"},
	{"hub/enrol", service, "services of the hub do not import each other"},
	{"hub/chunks", []string{"wire"}, "machines fetch bytes by their hash; it knows no members"},
	{"hub/audit", service, "the audit log knows who did what, and no service"},
	{
		"hub/account",
		append([]string{"hub/audit"}, service...),
		"accounts write to the audit log; services of the hub do not import each other",
	},
	{"hub/report", service, "services of the hub do not import each other"},
	{"hub/search", service, "it reaches what it finds only through functions that it is given"},
	{"hub/display", service, "it reaches machines and names only through functions that it is given"},
	{"hub/visitor", service, "it reaches directory and accounts only through functions that it is given"},
	{"hub/maintenance", service, "services of the hub do not import each other"},
	{"hub/training", service, "services of the hub do not import each other"},
	{"hub/httpd", []string{"hub/fault", "policy"}, "what every listener needs before a handler runs knows no service"},
	{"hub/apiclient", []string{"hub/fault"}, "the client of the API uses no code of the hub's side"},
	{
		"hub/api",
		append(
			[]string{"hub/httpd", "hub/directory", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account", "hub/report",
				"hub/issue", "hub/search", "hub/maintenance",
				"hub/training", "hub/visitor"},
			service...),
		"the API calls services and contains no rule",
	},
	{
		"hub/web",
		append(
			[]string{"hub/httpd", "hub/directory", "hub/memberlist", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account",
				"hub/report", "hub/issue", "hub/display", "hub/search", "hub/maintenance",
				"hub/training", "hub/visitor"},
			service...),
		"pages call services and contain no rule",
	},
	{
		"hub/web/webtest",
		append(
			[]string{"hub/directory", "hub/memberlist", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account", "hub/report",
				"hub/issue", "hub/display", "hub/search", "hub/maintenance",
				"hub/training", "hub/visitor"},
			service...),
		"a fake of the services, in memory; it knows no page",
	},
	{"dberror", nil, "it knows what SQLite's errors mean, and no table of ours"},
	{"firmware-config/circuit", nil, "tests calculate the drawings from the drawings' own files"},
	{
		"cmd/internal/acceptance",
		[]string{"policy"},
		"the acceptance list and its run are pure; the caller asks the daemon and sends signals",
	},
	{"internal/testlog", nil, "a logger for tests knows nothing of what it logs"},
	{"internal/sample", nil, "a sample is a number of cases; the package knows nothing of what is tried"},
	{"internal/mutate", nil, "mutations are made from the source of any package, and the tool uses none of ours"},
	{"bench", []string{"..."}, "a benchmark starts what it measures; nothing imports it"},
	{"cmd", []string{"..."}, "only cmd connects packages that do not know each other"},
}

// service lists the packages that every service of the hub may import.
var service = []string{
	"hub/store",
	"hub/actor",
	"hub/fault",
	"hub/fold",
	"policy",
	"wire",
	"openbadge",
	"openbadge/...",
	"yamlfile",
	"keykind",
	"dberror",
}

// testsMayAlso lists, for each package, what its tests may import in addition: fakes, and packages that build the
// tests' input.
var testsMayAlso = map[string][]string{
	"daemon": {"rfid/rfidtest", "policy/file", "site", // tests build bundles as an operator does
		"firmware-config/circuit", // tests compare the guard's times with those of the drawings
		"policy/policytest",       // tests compare prepared members with unprepared members on random policies
		"internal/testlog", "internal/mutate", "internal/sample", "wire/replay",
		"policy/analysis"},
	"policy": {"internal/mutate", "internal/sample", "policy/policytest", "policy/analysis"},
	// tests check that the sample site satisfies the laws that every policy must satisfy
	"site": {"internal/sample", "policy/analysis"},
	"hub": {"openbadge", "internal/testlog", "internal/mutate", "internal/sample", "hub/store", "hub/store/storetest",
		"hub/actor", "dberror"},
	"rfid":      {"rfid/rfidtest"},
	"openbadge": {"openbadge/internal/otherstest"}, // tests read data that other programs have written
}

func TestPackagesImportOnlyWhatTheRulesAllow(t *testing.T) {
	seen := 0
	walkGo(t, func(dir, file string, imports []string) {
		for _, imp := range imports {
			seen++
			if why := forbidden(dir, imp, strings.HasSuffix(file, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", file, imp, why)
			}
		}
	})
	if seen < 20 {
		t.Fatalf("checked %d imports of ours, want at least 20", seen)
	}
}

// The verification of a badge must not need the network, so only openbadge/fetch may import network packages.
func TestOnlyFetchImportsTheNetwork(t *testing.T) {
	seen := 0
	walkGo(t, func(dir, file string, _ []string) {
		if !covers("openbadge", dir) || covers("openbadge/fetch", dir) {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		seen++
		for _, s := range f.Imports {
			if p, _ := strconv.Unquote(s.Path.Value); p == "net" || p == "net/http" || p == "crypto/tls" ||
				strings.HasPrefix(p, "golang.org/x/net") {
				t.Errorf("%s imports %s: there is no network in openbadge but in openbadge/fetch", file, p)
			}
		}
	})
	if seen < 20 {
		t.Fatalf("only %d files were seen", seen)
	}
}

// Each picture that the README shows exists, has the size of a screen, and has a text alternative.
func TestPicturesOfTheReadmeExist(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := regexp.MustCompile(`!\[([^\]]*)\]\(([^)]+\.png)\)`).FindAllSubmatch(text, -1)
	for _, m := range shown {
		f, err := os.Open(string(m[2]))
		if err != nil {
			t.Error(err)
			continue
		}
		c, err := png.DecodeConfig(f)
		f.Close()
		if err != nil || c.Width != 800 || c.Height != 480 || len(m[1]) < 20 {
			t.Errorf("%s: %v, %d×%d, %q", m[2], err, c.Width, c.Height, m[1])
		}
	}
	all, _ := filepath.Glob("pictures/*")
	if len(shown) != len(all) || len(all) == 0 {
		t.Errorf("%d pictures are shown, pictures/ holds %d", len(shown), len(all))
	}
}

// This test checks that the rules reject forbidden imports, because TestPackagesImportOnlyWhatTheRulesAllow would also
// pass with rules that allow all imports.
func TestImportRulesRejectForbiddenImports(t *testing.T) {
	for _, c := range []struct{ dir, imp string }{
		{"policy", "wire"}, {"policy", "policy/analysis"}, {"daemon", "policy/analysis"}, {"rfid/keyboard", "rfid/rdm6300"},
		{"daemon/panel", "daemon/session"},
		{"hub/ledger", "daemon/journal"}, {"daemon/uplink", "hub"}, {"wire", "cmd/portillon"},
		{"hub/ledger", "hub/evidence"}, {"daemon/session", "daemon"}, {"strange", "policy"},
		{"hub/report", "hub/account"}, {"hub/httpd", "hub/actor"}, {"openbadge", "policy"}, {"openbadge/bake", "openbadge"},
		{"openbadge/fetch", "openbadge/bake"},
	} {
		if forbidden(c.dir, c.imp, false) == "" {
			t.Errorf("the rules let %s import %s", c.dir, c.imp)
		}
	}
}

func forbidden(dir, imp string, test bool) string {
	if strings.HasPrefix(imp, "cmd") && !strings.HasPrefix(dir, "cmd") {
		return "nothing imports cmd"
	}
	best := -1
	for i, l := range importRules {
		if covers(l.pkg, dir) && (best < 0 || closeness(l.pkg) > closeness(importRules[best].pkg)) {
			best = i
		}
	}
	if best < 0 {
		return "importRules does not list this package"
	}
	may := importRules[best].may
	if test {
		may = append(append([]string{}, may...), testsMayAlso[strings.Split(dir, "/")[0]]...)
	}
	if dir == imp || strings.HasPrefix(imp, dir+"/") && strings.HasSuffix(imp, "test") && test {
		return ""
	}
	for _, m := range may {
		if allows(m, imp) {
			return ""
		}
	}
	return importRules[best].reason
}

// closeness orders the rules that cover a folder. If several rules cover a folder, the rule with the longest name
// applies; of "x/..." and "x", the rule "x/..." applies.
func closeness(pkg string) int {
	base, deep := strings.CutSuffix(pkg, "/...")
	if deep {
		return 2*len(base) + 1
	}
	return 2 * len(base)
}

// covers reports whether the rule of pkg applies to dir. The rule "hub" also applies to each folder below hub that has
// no rule of its own.
func covers(pkg, dir string) bool {
	if base, deep := strings.CutSuffix(pkg, "/..."); deep {
		return strings.HasPrefix(dir, base+"/")
	}
	return dir == pkg || strings.HasPrefix(dir, pkg+"/")
}

func allows(may, imp string) bool {
	if may == "..." {
		return true
	}
	base, deep := strings.CutSuffix(may, "/...")
	return imp == base || deep && strings.HasPrefix(imp, base+"/")
}

func walkGo(t *testing.T, visit func(dir, file string, imports []string)) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || isModule(path)) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		var ours []string
		for _, s := range f.Imports {
			p, _ := strconv.Unquote(s.Path.Value)
			if rest, ok := strings.CutPrefix(p, "portillon/"); ok {
				ours = append(ours, rest)
			}
		}
		visit(filepath.ToSlash(filepath.Dir(path)), path, ours)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// isModule reports whether a folder is a separate module, to which the rules do not apply.
func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
