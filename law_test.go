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

// law says what each room may import of ours. A room that is not named may import nothing of ours.
// "x" allows that package alone, "x/..." allows it and all below it. The README prints the same law in words.
var law = []struct {
	room   string // this folder and all below it; the longest match rules
	may    []string
	reason string
}{
	{"rfid", nil, "a card and a tap are the first words: they lean on nothing"},
	{"rfid/...", []string{"rfid"}, "a reader knows cards, and no other reader"},
	{"rfid/rfidtest", []string{"rfid"}, "fakes speak the wire"},
	{"openbadge", []string{"openbadge", "openbadge/..."}, "other projects may take this library alone"},
	{"openbadge/bake", nil, "pictures, and nothing of badges"},
	{"openbadge/fetch", []string{"openbadge"}, "the one door of this library to the network"},
	{"policy", nil, "a decision is pure: standard library only"},
	{"policy/analysis", []string{"policy"}, "analysis asks the policy many questions; deciding needs no analysis"},
	{"policy/policytest", []string{"policy"}, "models for the tests of policy and of its analysis"},
	{
		"policy/file",
		[]string{"policy", "yamlfile", "keykind", "timezone"},
		"the file is one way to write the model; a key of another kind is refused by its name",
	},
	{"yamlfile", nil, "how any of our YAML files is read and its faults are shown"},
	{"timezone", nil, "zones are data, and nothing of ours"},
	{"keykind", nil, "each place that names a key asks what kind it is: hub, machine, policy and tool alike"},
	{
		"wire",
		[]string{"policy", "keykind"},
		"what travels names members, roles and badges; a manifest carries the check of the card key",
	},
	{
		"wire/replay",
		[]string{"policy", "policy/analysis", "wire"},
		"a recorded decision is asked again where policies are compared, and never on a machine",
	},
	{
		"site",
		[]string{"rfid", "policy", "policy/file", "openbadge", "wire", "yamlfile", "keykind"},
		"the directory that becomes a bundle; rfid reads card numbers",
	},
	{"daemon", []string{"rfid", "policy", "wire", "daemon/..."}, "the corridor opens every door of the machine"},
	{"daemon/session", []string{"rfid", "policy", "wire"},
		"the session is pure: of a reader it knows the numbers of cards"},
	{"daemon/relay", []string{"daemon/relay/..."}, "the relay knows no member, no policy, no network"},
	{"daemon/journal", []string{"policy", "wire", "dberror"}, "a room of its own"},
	{
		"daemon/uplink",
		[]string{"policy", "wire", "wire/mqtt", "daemon/journal", "daemon/uplink/..."},
		"the journal is the outbox",
	},
	{"daemon/panel", []string{"policy"}, "the panel says what it is told"},
	{
		"daemon/control",
		[]string{"wire"},
		"the socket carries words, the corridor gives them meaning; they are read as what travels is read",
	},
	{
		"daemon/roster",
		[]string{"rfid", "policy", "policy/file", "openbadge", "wire"},
		"the bundle as the machine believes it",
	},
	{"wire/mqtt", nil, "a connection to a broker: it knows no topic, and nothing of what is carried"},
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
		"the office never reaches into a machine",
	},
	{"hub/...", []string{"policy", "openbadge", "wire", "yamlfile"}, "rooms of the hub do not meet but in its corridor"},
	{"hub/ledger", []string{"policy", "wire", "dberror", "hub/store"}, "the ledger keeps records, and nothing of members"},
	{"hub/store", []string{"policy", "dberror"}, "the database knows sites and rows, and no service"},
	{"hub/actor", []string{"policy"}, "who may do what is decided without a database"},
	{"hub/fault", nil, "errors of services know no service"},
	{
		"hub/directory",
		append([]string{"site", "rfid", "policy/analysis", "policy/file"}, service...),
		"services of the hub do not import each other",
	},
	{"hub/publish", append([]string{"site", "policy/analysis", "policy/file"}, service...),
		"services of the hub do not import each other"},
	{"hub/cardkey", service, "the card key is changed for directory and machines, which it knows by functions"},
	{"hub/enrol", service, "services of the hub do not import each other"},
	{"hub/chunks", []string{"wire"}, "what machines fetch is bytes by their hashes, whoever the site's members are"},
	{"hub/audit", service, "the audit log knows who did what, and no service"},
	{
		"hub/account",
		append([]string{"hub/audit"}, service...),
		"accounts write to the audit log; services of the hub do not import each other",
	},
	{"hub/report", service, "services of the hub do not import each other"},
	{"hub/httpd", []string{"hub/fault", "policy"}, "what every listener needs before a handler runs knows no service"},
	{"hub/apiclient", []string{"hub/fault"}, "the tool's half of the API knows no half of the hub"},
	{
		"hub/api",
		append(
			[]string{"hub/httpd", "hub/directory", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account", "hub/report"},
			service...),
		"the API calls services and contains no rule",
	},
	{
		"hub/web",
		append(
			[]string{"hub/httpd", "hub/directory", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account", "hub/report"},
			service...),
		"pages call services and contain no rule",
	},
	{
		"hub/web/webtest",
		append([]string{"hub/directory", "hub/enrol", "hub/cardkey", "hub/publish", "hub/account", "hub/report"}, service...),
		"a site in memory answers as the services do; it knows no page",
	},
	{"dberror", nil, "it knows what SQLite's errors mean, and no table of ours"},
	{"firmware-config/circuit", nil, "drawings are calculated from their own files, by tests alone"},
	{
		"cmd/internal/acceptance",
		[]string{"policy"},
		"the acceptance list and its run are pure: whoever calls them asks the daemon and sends the signals",
	},
	{"internal/testlog", nil, "a logger for tests knows nothing of what it logs"},
	{"internal/mutate", nil, "mutations are made from the source of any package, and the tool uses none of ours"},
	{"bench", []string{"..."}, "a measurement starts whatever it measures, and nothing imports it"},
	{"cmd", []string{"..."}, "only cmd introduces rooms to each other"},
}

// service is what every service of the hub may import.
var service = []string{
	"hub/store",
	"hub/actor",
	"hub/fault",
	"policy",
	"wire",
	"openbadge",
	"openbadge/...",
	"yamlfile",
	"keykind",
	"dberror",
}

// Tests may bring a fake of the next room, never a room that the law shuts.
var testsMayAlso = map[string][]string{
	"daemon": {"rfid/rfidtest", "policy/file", "site", // a test builds its bundle as an operator does
		"firmware-config/circuit", // the guard's times are those of the drawings
		"internal/testlog", "internal/mutate", "wire/replay"},
	"policy":    {"internal/mutate", "policy/policytest", "policy/analysis"},
	"site":      {"policy/analysis"}, // the sample site keeps the laws of every policy
	"hub":       {"openbadge", "internal/testlog", "internal/mutate", "hub/store", "hub/actor", "dberror"},
	"rfid":      {"rfid/rfidtest"},
	"openbadge": {"openbadge/internal/otherstest"}, // data that others made
}

func TestImportsKeepTheLaw(t *testing.T) {
	seen := 0
	walkGo(t, func(dir, file string, imports []string) {
		for _, imp := range imports {
			seen++
			if why := judge(dir, imp, strings.HasSuffix(file, "_test.go")); why != "" {
				t.Errorf("%s imports %s: %s", file, imp, why)
			}
		}
	})
	if seen < 20 {
		t.Fatalf("only %d imports of ours were seen: the law judged next to nothing", seen)
	}
}

// Verdicts are reached without a network: whoever wants one brings openbadge/fetch.
func TestOnlyFetchKnowsTheNetwork(t *testing.T) {
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

// The README's pictures are there, each says in words what it shows, and each is of this size: a screen's.
func TestReadmesPicturesAreThere(t *testing.T) {
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

// The law must be able to say no.
func TestLawRefusesWhatItShould(t *testing.T) {
	for _, c := range []struct{ dir, imp string }{
		{"policy", "wire"}, {"policy", "policy/analysis"}, {"daemon", "policy/analysis"}, {"rfid/keyboard", "rfid/rdm6300"},
		{"daemon/panel", "daemon/session"},
		{"hub/ledger", "daemon/journal"}, {"daemon/uplink", "hub"}, {"wire", "cmd/portillon"},
		{"hub/ledger", "hub/evidence"}, {"daemon/session", "daemon"}, {"strange", "policy"},
		{"hub/report", "hub/account"}, {"hub/httpd", "hub/actor"}, {"openbadge", "policy"}, {"openbadge/bake", "openbadge"},
		{"openbadge/fetch", "openbadge/bake"},
	} {
		if judge(c.dir, c.imp, false) == "" {
			t.Errorf("the law lets %s import %s", c.dir, c.imp)
		}
	}
}

func judge(dir, imp string, test bool) string {
	if strings.HasPrefix(imp, "cmd") && !strings.HasPrefix(dir, "cmd") {
		return "nothing imports cmd"
	}
	best := -1
	for i, l := range law {
		if covers(l.room, dir) && (best < 0 || closeness(l.room) > closeness(law[best].room)) {
			best = i
		}
	}
	if best < 0 {
		return "a room that the law does not name"
	}
	may := law[best].may
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
	return law[best].reason
}

// closeness orders the rooms that cover a folder: the longer name rules, and of "x" and "x/..." the second.
func closeness(room string) int {
	base, deep := strings.CutSuffix(room, "/...")
	if deep {
		return 2*len(base) + 1
	}
	return 2 * len(base)
}

// covers reports whether the room named in the law holds dir: "hub" holds what no longer name does.
func covers(room, dir string) bool {
	if base, deep := strings.CutSuffix(room, "/..."); deep {
		return strings.HasPrefix(dir, base+"/")
	}
	return dir == room || strings.HasPrefix(dir, room+"/")
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
		if d.IsDir() && path != "." && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata" || nested(path)) {
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

// nested reports a module of its own, which the law does not judge.
func nested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
