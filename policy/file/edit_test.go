package file

import (
	"errors"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/yamlfile"
)

// editSamples are the policies on which every edit is tried.
var editSamples = []string{"../../site-example/policy.yaml", "testdata/policy.yaml", "testdata/every-key.yaml",
	"testdata/messy.yaml", "testdata/messy.formatted.yaml", "testdata/brackets.yaml", "testdata/brackets.formatted.yaml"}

// TestEditChangesOnlyWhatItNames tries each kind of change at each grant of each sample. The new text must parse as the
// model in which the test itself has made the change, and must contain every comment.
func TestEditChangesOnlyWhatItNames(t *testing.T) {
	if testing.Short() {
		t.Skip("short: edits every grant of every sample")
	}
	done, refused := 0, 0
	for _, path := range editSamples {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range changesOf(t, b) {
			out, err := Edit(path, b, c.change)
			var faults yamlfile.Faults
			if errors.As(err, &faults) {
				if refused++; !c.mayRefuse {
					t.Errorf("%s: %+v: %v", path, c.change, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("%s: %+v: %v", path, c.change, err)
			}
			done++
			requireComments(t, string(b), string(out))
			want := mustParse(t, string(b)).Model
			want.Machines, want.Badges = clones(want.Machines), slices.Clone(want.Badges)
			c.model(&want)
			if got := mustParse(t, string(out)).Model; !reflect.DeepEqual(got, want) {
				t.Errorf("%s: %+v: the new text says\n%s", path, c.change, differing(string(b), string(out)))
			}
		}
	}
	t.Logf("%d edits, %d refused", done, refused)
	if done < 300 || refused > done/5 {
		t.Errorf("%d edits and %d refusals, want at least 300 edits and few refusals", done, refused)
	}
}

// tried is a change with the same change of the model.
type tried struct {
	change    Change
	model     func(*policy.Model)
	mayRefuse bool // true: this place of the sample may be written in a way that only a person can change
}

// changesOf returns changes of every grant, and new machines and badges.
func changesOf(t *testing.T, text []byte) (out []tried) {
	t.Helper()
	p := mustParse(t, string(text))
	grants, err := Grants("policy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	badge := p.Badges[len(p.Badges)-1].ID
	for mi, m := range p.Machines {
		if len(grants[m.ID]) != len(m.Grants) {
			t.Fatalf("%s: %d grants, want %d", m.ID, len(grants[m.ID]), len(m.Grants))
		}
		for gi, w := range grants[m.ID] {
			at := func(set func(*policy.Grant)) func(*policy.Model) {
				return func(model *policy.Model) { set(&model.Machines[mi].Grants[gi]) }
			}
			for rule, c := range ruleChanges(t, p, badge) {
				several := slices.Contains(w.Several, rule)
				lines := rule == RuleHours && strings.Contains(w.Rules[rule], "\n") // hours over several lines, with a comment
				out = append(out, tried{SetRules{m.ID, gi, Rules{rule: c.value}}, at(c.set),
					several || lines || c.mayRefuse(m.Grants[gi])})
			}
			for rule, clear := range ruleRemovals(usual(t, text)) {
				if w.Rules[rule] != "" {
					out = append(out, tried{SetRules{m.ID, gi, Rules{rule: ""}}, at(clear), rule == RuleWarn || rule == RuleMax ||
						strings.Contains(string(text), "licence of the whole file")})
				}
			}
			out = append(out, tried{RemoveGrant{m.ID, gi}, func(model *policy.Model) {
				all := model.Machines[mi].Grants
				model.Machines[mi].Grants = slices.Delete(slices.Clone(all), gi, gi+1)
			}, len(m.Grants) == 1 || strings.Contains(string(text), "licence of the whole file")})
		}
		session := usual(t, text)
		session.Max = 3 * time.Hour
		grant := policy.Grant{Role: policy.User, Needs: policy.Need{Badge: badge, Within: 90 * 24 * time.Hour},
			Hours: hoursFor(t, "Mo-Fr 08:30-12:00,14:00-18:00", p), Session: session}
		rules := Rules{RuleBadge: string(badge), RuleWithin: "90d", RuleHours: "Mo-Fr 08:30-12:00,14:00-18:00", RuleMax: "3h"}
		out = append(out, tried{AddGrant{m.ID, policy.User, rules}, func(model *policy.Model) {
			model.Machines[mi].Grants = append(slices.Clone(model.Machines[mi].Grants), grant)
		}, false})
	}
	name := policy.Text{FR: "Fraiseuse: l'atelier", EN: "Mill # 2"}
	out = append(out, tried{AddBadge{"mill-user", name, p.Issuers[0].ID, "https://lab.example/a/mill?x=1"},
		func(model *policy.Model) {
			model.Badges = append(model.Badges, policy.Badge{ID: "mill-user", Name: name, Issuer: p.Issuers[0].ID,
				Achievement: "https://lab.example/a/mill?x=1"})
		}, false})
	return append(out, tried{AddMachine{"mill", name, policy.Maintainer, Rules{RuleBadge: string(badge)}},
		func(model *policy.Model) {
			model.Machines = append(model.Machines, newMachine(t, text, "mill", name, badge))
		}, false})
}

// newMachine returns the machine that a file with one more machine would have, whose grant needs a badge.
func newMachine(t *testing.T, text []byte, id policy.MachineID, name policy.Text, badge policy.BadgeID) policy.Machine {
	t.Helper()
	d := yamlfile.Parse("policy.yaml", text)
	r := newReader(d.Root())
	r.file()
	m := r.defaults
	m.ID, m.Name = id, name
	m.Grants = []policy.Grant{{Role: policy.Maintainer, Needs: policy.Need{Badge: badge}, Session: r.session}}
	return m
}

// usual returns the session limits under defaults:.
func usual(t *testing.T, text []byte) policy.Limits {
	t.Helper()
	r := newReader(yamlfile.Parse("policy.yaml", text).Root())
	r.file()
	return r.session
}

// hoursFor parses hours for the holidays of a policy.
func hoursFor(t *testing.T, s string, p *policy.Policy) *policy.Hours {
	t.Helper()
	h, err := policy.ParseHours(s, p.Holidays)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// ruleChange is a new value of a rule.
type ruleChange struct {
	value     string
	set       func(*policy.Grant)
	mayRefuse func(policy.Grant) bool
}

func ruleChanges(t *testing.T, p *policy.Policy, badge policy.BadgeID) map[Rule]ruleChange {
	never := func(policy.Grant) bool { return false }
	alone := func(g policy.Grant) bool { return g.Supervisor == nil }
	const hours = "Tu-Sa 07:45-23:15; Su 10:00-12:00"
	h := hoursFor(t, hours, p)
	return map[Rule]ruleChange{
		RuleBadge:      {string(badge), func(g *policy.Grant) { g.Needs.Badge = badge }, never},
		RuleWithin:     {"77d", func(g *policy.Grant) { g.Needs.Within = 77 * 24 * time.Hour }, never},
		RuleUsedWithin: {"78d", func(g *policy.Grant) { g.Needs.UsedWithin = 78 * 24 * time.Hour }, never},
		RulePractice:   {"9", func(g *policy.Grant) { g.Needs.Hours = 9 * time.Hour }, never},
		RuleSupervisor: {string(badge), func(g *policy.Grant) {
			need := policy.Need{}
			if g.Supervisor != nil {
				need = *g.Supervisor
			}
			need.Badge = badge
			g.Supervisor = &need
		}, never},
		RuleHours:    {hours, func(g *policy.Grant) { g.Hours = h }, never},
		RuleLearners: {"5", func(g *policy.Grant) { g.Learners = 5 }, alone},
		RuleDay:      {"55m", func(g *policy.Grant) { g.Quota.Day = 55 * time.Minute }, never},
		RuleWeek:     {"66h", func(g *policy.Grant) { g.Quota.Week = 66 * time.Hour }, never},
		RuleSessions: {"7", func(g *policy.Grant) { g.Quota.Sessions = 7 }, never},
		RuleMax:      {"11h", func(g *policy.Grant) { g.Session.Max = 11 * time.Hour }, never},
		RuleIdle:     {"13m", func(g *policy.Grant) { g.Session.Idle = 13 * time.Minute }, never},
		RuleWarn:     {"1m", func(g *policy.Grant) { g.Session.Warn = time.Minute }, never},
		RuleExtend:   {"none", func(g *policy.Grant) { g.Session.Extend = 0 }, never},
	}
}

// ruleRemovals removes rules. Limits of sessions become those under defaults:.
func ruleRemovals(usual policy.Limits) map[Rule]func(*policy.Grant) {
	return map[Rule]func(*policy.Grant){
		RuleHours:    func(g *policy.Grant) { g.Hours = nil },
		RuleDay:      func(g *policy.Grant) { g.Quota.Day = 0 },
		RuleWeek:     func(g *policy.Grant) { g.Quota.Week = 0 },
		RuleSessions: func(g *policy.Grant) { g.Quota.Sessions = 0 },
		RuleMax:      func(g *policy.Grant) { g.Session.Max = usual.Max },
		RuleIdle:     func(g *policy.Grant) { g.Session.Idle = usual.Idle },
		RuleWarn:     func(g *policy.Grant) { g.Session.Warn = usual.Warn },
		RuleExtend:   func(g *policy.Grant) { g.Session.Extend = usual.Extend },
		RuleWithin:   func(g *policy.Grant) { g.Needs.Within = 0 },
		RulePractice: func(g *policy.Grant) { g.Needs.Hours = 0 },
	}
}

// clones copies machines with their grants, so that a test can change them.
func clones(all []policy.Machine) []policy.Machine {
	all = slices.Clone(all)
	for i := range all {
		all[i].Grants = slices.Clone(all[i].Grants)
	}
	return all
}

// requireComments fails the test if a comment of the text before is missing after.
func requireComments(t *testing.T, before, after string) {
	t.Helper()
	count := map[string]int{}
	for _, line := range strings.Split(after, "\n") {
		if _, c, ok := strings.Cut(" "+line, " #"); ok {
			count[strings.TrimSpace(c)]++
		}
	}
	for _, line := range strings.Split(before, "\n") {
		if _, c, ok := strings.Cut(" "+line, " #"); ok {
			if count[strings.TrimSpace(c)]--; count[strings.TrimSpace(c)] < 0 {
				t.Errorf("the comment %q is lost", c)
			}
		}
	}
}

// differing returns the lines that only one of two texts has.
func differing(a, b string) string {
	var out []string
	x, y := strings.Split(a, "\n"), strings.Split(b, "\n")
	for _, l := range x {
		if !slices.Contains(y, l) {
			out = append(out, "-"+l)
		}
	}
	for _, l := range y {
		if !slices.Contains(x, l) {
			out = append(out, "+"+l)
		}
	}
	return strings.Join(out, "\n")
}

// Lines that an edit does not name must stay byte for byte, so that the difference of two versions shows the change
// alone.
func TestEditKeepsAllOtherLines(t *testing.T) {
	b, err := os.ReadFile("../../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change Change
		want   string
	}{
		"hours": {SetRules{"laser", 2, Rules{RuleHours: "Mo-Sa 10:00-20:00"}},
			`-      - { role: user, needs: laser-user, hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off", session: ` +
				`{ max: 2h, idle: 10m, warn: 2m } }
+      - { role: user, needs: laser-user, hours: "Mo-Sa 10:00-20:00", session: { max: 2h, idle: 10m, warn: 2m } }`},
		"new hours and quota": {SetRules{"vinyl", 3, Rules{RuleHours: "Mo-Fr 08:00-12:00", RuleWeek: "6h"}},
			`-      - { role: user, needs: vinyl-user, session: { max: 3h } }
+      - { role: user, needs: vinyl-user, hours: "Mo-Fr 08:00-12:00", quota: { week: 6h }, session: { max: 3h } }`},
		"age of a badge": {SetRules{"laser", 1, Rules{RuleWithin: "180d", RulePractice: "10"}},
			`-      - { role: mentor, needs: laser-mentor, session: { max: 4h } }
+      - { role: mentor, needs: { badge: laser-mentor, within: 180d, hours: 10 }, session: { max: 4h } }`},
		"no limit at all": {SetRules{"laser", 1, Rules{RuleMax: ""}},
			`-      - { role: mentor, needs: laser-mentor, session: { max: 4h } }
+      - { role: mentor, needs: laser-mentor }`},
		"grant": {AddGrant{"vinyl", policy.User, Rules{RuleBadge: "fdm-user", RuleMax: "1h"}},
			`+      - { role: user, needs: fdm-user, session: { max: 1h } }`},
		"no grant": {RemoveGrant{"laser", 0},
			`-      - { role: maintainer, needs: laser-maintainer }   # whoever repairs it may come at any time
+      # whoever repairs it may come at any time`},
		"machine": {AddMachine{"cnc", policy.Text{FR: "Fraiseuse"}, policy.User, Rules{RuleBadge: "fdm-user"}},
			`+  cnc:
+    name: Fraiseuse
+      - { role: user, needs: fdm-user }`},
		"badge": {AddBadge{"cnc-user", policy.Text{FR: "Fraisage", EN: "Milling"}, "biklab", "https://lab.example/cnc"},
			`+  cnc-user:
+    name: { fr: Fraisage, en: Milling }
+    achievement: https://lab.example/cnc`},
	} {
		out, err := Edit("policy.yaml", b, c.change)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := differing(string(b), string(out)); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
}

// A site begins with a policy that names no machine and no badge.
func TestEditBuildsAPolicyFromTheFirstOne(t *testing.T) {
	text := []byte("# Nothing is open yet.\nportillon: 1\nsite: lab\ntimezone: UTC\nissuers:\n  lab: " +
		"{ keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi] }\nbadges: {}   # none yet\nmachines: {}\n")
	for _, c := range []Change{
		AddBadge{"laser-user", policy.Text{EN: "Laser"}, "lab", "https://lab.example/laser"},
		AddMachine{"laser", policy.Text{EN: "Laser"}, policy.User, Rules{RuleBadge: "laser-user", RuleDay: "2h"}},
		AddMachine{"lathe", policy.Text{FR: "Tour", EN: "Lathe"}, policy.User, Rules{RuleBadge: "laser-user"}},
	} {
		var err error
		if text, err = Edit("policy.yaml", text, c); err != nil {
			t.Fatal(err)
		}
	}
	const want = "badges:\n  laser-user:\n    name: Laser\n    issuer: lab\n" +
		"    achievement: https://lab.example/laser   # none yet\n" +
		"machines:\n  laser:\n    name: Laser\n    grants:\n      - { role: user, needs: laser-user, quota: { day: 2h } }\n" +
		"  lathe:\n    name: { fr: Tour, en: Lathe }\n    grants:\n      - { role: user, needs: laser-user }\n"
	if !strings.HasSuffix(string(text), want) {
		t.Errorf("the policy is\n%s", text)
	}
}

func TestEditRefusesWhatThePolicyDoesNotPermit(t *testing.T) {
	b, err := os.ReadFile("../../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	user, english := Rules{RuleBadge: "laser-user"}, policy.Text{EN: "x"}
	const grant, twin = "machines.laser.grants", "https://lab.example/obv3/achievements/fdm-user"
	for name, c := range map[string]struct {
		change Change
		field  string
	}{
		"unknown machine":        {SetRules{"lathe", 0, user}, "machines.lathe.grants"},
		"unknown grant":          {SetRules{"laser", 9, user}, grant},
		"negative grant":         {SetRules{"laser", -1, user}, grant},
		"unknown badge":          {SetRules{"laser", 0, Rules{RuleBadge: "laser-use"}}, grant + "[0].needs"},
		"no badge":               {SetRules{"laser", 0, Rules{RuleBadge: ""}}, grant + "[0].needs"},
		"hours that are none":    {SetRules{"laser", 0, Rules{RuleHours: "9-21"}}, grant + "[0].hours"},
		"two lines":              {SetRules{"laser", 0, Rules{RuleMax: "2h\nrole: user"}}, grant + "[0].session.max"},
		"braces":                 {SetRules{"laser", 0, Rules{RuleMax: "2h }, { role: user"}}, grant + "[0].session.max"},
		"a week below a day":     {SetRules{"laser", 3, Rules{RuleWeek: "1h"}}, grant + "[3].quota.week"},
		"a learner alone":        {SetRules{"laser", 3, Rules{RuleSupervisor: ""}}, grant + "[3]"},
		"a taken machine":        {AddMachine{"laser", english, policy.User, user}, "machines.laser"},
		"no machine":             {AddMachine{"", english, policy.User, user}, "machines."},
		"a machine's wrong id":   {AddMachine{"La ser", english, policy.User, user}, "machines"},
		"a machine for nobody":   {AddMachine{"cnc", english, policy.User, nil}, "machines.cnc.grants[0].needs"},
		"a machine without role": {AddMachine{"cnc", english, policy.NoRole, user}, "machines.cnc.grants[0].role"},
		"a badge twice":          {AddBadge{"x", english, "biklab", twin}, "badges.x.achievement"},
		"a badge's issuer":       {AddBadge{"x", english, "nobody", "https://lab.example/x"}, "badges.x.issuer"},
		"grant of no machine":    {AddGrant{"lathe", policy.User, user}, "machines.lathe"},
		"removal of no grant":    {RemoveGrant{"laser", 4}, grant},
	} {
		out, err := Edit("policy.yaml", b, c.change)
		var faults yamlfile.Faults
		if !errors.As(err, &faults) || faults[0].Field != c.field || out != nil {
			t.Errorf("%s: %v, want a fault of %s", name, err, c.field)
		}
	}
	if _, err := Edit("policy.yaml", []byte("portillon: 1"), AddGrant{}); err == nil {
		t.Error("a file with faults was edited")
	}
}

// FuzzEdit looks for a text and a change with which Edit panics, loses a comment, or changes another machine.
func FuzzEdit(f *testing.F) {
	for _, path := range editSamples {
		b, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(b), uint8(0), uint8(1), "hours", "Mo-Fr 09:00-10:00")
		f.Add(string(b), uint8(1), uint8(0), "max", "2h")
		f.Add(string(b), uint8(3), uint8(0), "cnc", "a: #b")
		f.Add(string(b), uint8(4), uint8(2), "", "")
	}
	f.Fuzz(func(t *testing.T, text string, kind, grant uint8, key, value string) {
		before, err := Parse("policy.yaml", []byte(text))
		if err != nil || len(before.Machines) == 0 || len(before.Issuers) == 0 {
			return
		}
		first := before.Machines[0]
		var c Change
		switch kind % 5 {
		case 0, 1:
			c = SetRules{first.ID, int(grant), Rules{Rule(key): value}}
		case 2:
			c = AddGrant{first.ID, policy.User, Rules{RuleBadge: key, Rule(key): value}}
		case 3:
			c = AddMachine{policy.MachineID(key), policy.Text{FR: value}, policy.User,
				Rules{RuleBadge: string(first.Grants[0].Needs.Badge)}}
		case 4:
			c = RemoveGrant{first.ID, int(grant)}
		}
		out, err := Edit("policy.yaml", []byte(text), c)
		if err != nil {
			return
		}
		after, err := Parse("policy.yaml", out)
		if err != nil {
			t.Fatalf("%v in\n%s", err, out)
		}
		was, is := maps.Collect(slices.All(before.Machines)), maps.Collect(slices.All(after.Machines))
		delete(was, 0)
		delete(is, 0)
		if kind%5 == 3 {
			delete(is, len(after.Machines)-1)
		}
		if !reflect.DeepEqual(was, is) || !reflect.DeepEqual(before.Badges, after.Badges) {
			t.Fatalf("%+v changed something else:\n%s", c, differing(text, string(out)))
		}
	})
}

// Comments that are indented as the last entry's block belong to this entry, so a new entry comes below these comments.
func TestEditAddsBelowTheCommentsOfTheLastEntry(t *testing.T) {
	const text = "portillon: 1\nsite: lab\ntimezone: UTC\n" +
		"issuers: { lab: { keys: [z6MkjZRZv3aez3r18pB1RBFJR1kwUVJ5jHt92JmQwXbd5hwi] } }\n" +
		"badges: { u: { name: U, issuer: lab, achievement: \"https://lab.example/u\" } }\n" +
		"machines:\n  laser:\n    name: Laser\n    grants:\n      - role: user\n        needs: u\n" +
		"        # of users\n    # of the laser\n  # of all machines\n"
	out, err := Edit("policy.yaml", []byte(text), Changes{
		AddGrant{"laser", policy.Maintainer, Rules{RuleBadge: "u"}},
		AddMachine{"cnc", policy.Text{EN: "Mill"}, policy.User, Rules{RuleBadge: "u"}}})
	const want = "        needs: u\n        # of users\n      - { role: maintainer, needs: u }\n    # of the laser\n" +
		"  cnc:\n    name: Mill\n    grants:\n      - { role: user, needs: u }\n  # of all machines\n"
	if err != nil || !strings.HasSuffix(string(out), want) {
		t.Errorf("%v: the policy is\n%s", err, out)
	}
}
