package evidence_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/evidence"
	"portillon/policy"
	"portillon/wire"
)

var (
	now  = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	rule = evidence.Rule{Badge: "laser-maintainer", Machines: []policy.MachineID{"laser"}, Interventions: 2,
		Kinds: []string{"lens-cleaning", "mirror-alignment"}, Within: 180 * 24 * 3600, EndorsedBy: "laser-maintainer"}
)

// line describes a record. A story is a list of lines. The records of two consecutive lines are ten seconds apart, and
// the last record is written now.
type line struct {
	kind    wire.Kind
	session string
	member  policy.MemberID
	body    any
	change  func(*wire.Record)
}

func records(t testing.TB, machine policy.MachineID, lines ...line) []wire.Record {
	t.Helper()
	var out []wire.Record
	for i, l := range lines {
		b, err := json.Marshal(l.body)
		if err != nil {
			t.Fatal(err)
		}
		r := wire.Record{
			Site:    "biklab",
			Machine: machine,
			Seq:     uint64(i + 1),
			Wall:    now.Add(time.Duration(i+1-len(lines)) * 10 * time.Second),
			Clock:   wire.ClockTrusted,
			Kind:    l.kind,
			Session: l.session,
			Member:  l.member,
			Body:    b,
		}
		if l.change != nil {
			l.change(&r)
		}
		out = append(out, r)
	}
	return out
}

func start(session string, m policy.MemberID, role policy.Role, badges ...policy.BadgeID) line {
	return line{wire.SessionStart, session, m, wire.StartBody{Role: role, Badges: badges, Card: "uid"}, nil}
}
func role(session string, m policy.MemberID, role policy.Role, badges ...policy.BadgeID) line {
	return line{wire.RoleChanged, session, m, wire.RoleBody{Role: role, Badges: badges}, nil}
}
func assisted(session string, m policy.MemberID) line {
	return line{wire.Assisted, session, m, wire.AssistBody{With: "ines"}, nil}
}
func did(session string, m policy.MemberID, what string, endorser policy.MemberID) line {
	return line{wire.Intervened, session, m, wire.InterventionBody{What: what, Endorser: endorser}, nil}
}
func end(session string, m policy.MemberID) line {
	return line{wire.SessionEnd, session, m, wire.EndBody{Cause: wire.CauseTap}, nil}
}

// setClocks returns a function that sets the two clocks of a record: mono and wall are the times since now, usually
// negative.
func setClocks(mono, wall time.Duration) func(*wire.Record) {
	return func(r *wire.Record) {
		r.Boot, r.Mono, r.Wall = "b", int64((time.Hour+mono)/time.Millisecond), now.Add(wall)
	}
}
func (l line) with(f func(*wire.Record)) line { l.change = f; return l }

// workStory returns a story in which the maintainer ines works on the machine and the member lea helps her.
func workStory(more ...line) []line {
	return append([]line{start("s", "ines", policy.Maintainer, "laser-maintainer"), assisted("s", "lea")}, more...)
}

func TestJudgeGivesTheReasonsWhyInterventionsDoNotCount(t *testing.T) {
	lens := did("s", "lea", "lens-cleaning", "ines")
	unreadable := lens
	unreadable.body = []int{1}
	for _, c := range []struct {
		name  string
		lines []line
		why   string // the expected reasons why the story's only intervention does not count
	}{
		{"valid intervention", workStory(lens), "[]"},
		{"another kind", workStory(did("s", "lea", "painting", "ines")), "[wrong-kind]"},
		{"no kind", workStory(did("s", "lea", "", "ines")), "[wrong-kind]"},
		{"the member as endorser", workStory(did("s", "lea", "lens-cleaning", "lea")), "[self-endorsed]"},
		{"a maintainer alone", []line{start("s", "lea", policy.Maintainer, "laser-maintainer"),
			did("s", "lea", "lens-cleaning", "lea")}, "[self-endorsed]"},
		{"no endorser", workStory(did("s", "lea", "lens-cleaning", "")), "[not-endorsed]"},
		{"an endorser without a session", []line{lens}, "[no-session]"},
		{"an endorser of another session", []line{start("s", "karim", policy.Maintainer, "laser-maintainer"),
			assisted("s", "lea"), lens}, "[no-session]"},
		{"an endorser with a session of another id",
			[]line{start("r", "ines", policy.Maintainer, "laser-maintainer"), assisted("r", "lea"), lens}, "[no-session]"},
		{"a session that has just ended", workStory(end("s", "ines"), lens), "[]"},
		{"a session that ended too long ago", workStory(end("s",
			"ines").with(func(r *wire.Record) { r.Wall = now.Add(-evidence.Late - time.Second) }), lens), "[no-session]"},
		{"a session that ended just before the clock was set",
			workStory(end("s", "ines").with(setClocks(-evidence.Late, -time.Hour)), lens.with(setClocks(0, 0))), "[]"},
		{"a session that ended too long before the clock was set",
			workStory(end("s", "ines").with(setClocks(-evidence.Late-time.Second, 0)), lens.with(setClocks(0, 0))),
			"[no-session]"},
		{"a session that starts later", []line{lens, start("s", "ines", policy.Maintainer, "laser-maintainer")},
			"[no-session]"},
		{"another session has started since", workStory(end("s", "ines"), start("z", "zoe", policy.User, "laser-user"),
			lens), "[]"},
		{"another session in between, no record of the end",
			workStory(start("z", "zoe", policy.User, "laser-user").with(func(r *wire.Record) {
				r.Wall = now.Add(-evidence.Late - time.Second)
			}), lens), "[no-session]"},
		{"an endorser who is a mentor", []line{start("s", "ines", policy.Mentor, "laser-mentor"), assisted("s", "lea"), lens},
			"[endorser-not-maintainer]"},
		{"a maintainer by another badge", []line{start("s", "ines", policy.Maintainer, "vinyl-maintainer"),
			assisted("s", "lea"), lens}, "[endorser-not-maintainer]"},
		{"a maintainer by mode warn only", []line{start("s", "ines", policy.Maintainer), assisted("s", "lea"), lens},
			"[endorser-not-maintainer]"},
		{"the badge, in the role of a user", []line{start("s", "ines", policy.User, "laser-maintainer"), assisted("s", "lea"),
			lens}, "[endorser-not-maintainer]"},
		{"an endorser who became a maintainer", []line{start("s", "ines", policy.User, "laser-user"),
			role("s", "ines", policy.Maintainer, "laser-maintainer"), assisted("s", "lea"), lens}, "[]"},
		{"an endorser who is no longer a maintainer", workStory(role("s", "ines", policy.User, "laser-user"), lens),
			"[endorser-not-maintainer]"},
		{"another session's change of role", workStory(role("z", "ines", policy.User, "laser-user"), lens), "[]"},
		{"a member who did not tap in", []line{start("s", "ines", policy.Maintainer, "laser-maintainer"), lens},
			"[not-assisting]"},
		{"after another helper tapped in", workStory(assisted("s", "jules"), lens), "[]"},
		{"another helper's session", workStory(end("s", "ines"), start("r", "ines", policy.Maintainer, "laser-maintainer"),
			assisted("r", "jules"), did("r", "lea", "lens-cleaning", "ines")), "[not-assisting]"},
		{"a member who tapped in again", workStory(assisted("s", "jules"), assisted("s", "lea"), lens), "[]"},
		{"too long ago", workStory(lens.with(func(r *wire.Record) { r.Wall = now.Add(-181 * 24 * time.Hour) })),
			"[too-old]"},
		{"on the last day", workStory(lens.with(func(r *wire.Record) { r.Wall = now.Add(-180 * 24 * time.Hour) })), "[]"},
		{"in the future", workStory(lens.with(func(r *wire.Record) { r.Wall = now.Add(time.Minute) })), "[in-future]"},
		{"a clock that is a little ahead", workStory(lens.with(func(r *wire.Record) { r.Wall = now.Add(wire.Skew) })), "[]"},
		{"untrusted clock", workStory(lens.with(func(r *wire.Record) { r.Clock = wire.ClockUntrusted })),
			"[clock-untrusted]"},
		{"unknown state of the clock", workStory(lens.with(func(r *wire.Record) { r.Clock = "" })), "[clock-untrusted]"},
		{"a body that cannot be read", workStory(unreadable), "[unreadable]"},
		{"a start that cannot be read", []line{{wire.SessionStart, "s", "ines", []int{1}, nil}, assisted("s", "lea"), lens},
			"[no-session]"},
		{"all faults at once", []line{start("s", "ines", policy.User),
			did("s", "lea", "painting", "ines").with(func(r *wire.Record) { r.Wall = now.Add(-999 * 24 * time.Hour) })},
			"[wrong-kind too-old endorser-not-maintainer not-assisting]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := evidence.Judge(rule, "lea", records(t, "laser", c.lines...), now)
			if got := fmt.Sprint(whys(p)); got != c.why {
				t.Errorf("%s, want %s", got, c.why)
			}
			if n := len(p.Counted) + len(p.Rejected); n != 1 {
				t.Errorf("%d interventions judged, not 1", n)
			}
		})
	}
}

func whys(p evidence.Progress) []evidence.Why {
	var out []evidence.Why
	for _, r := range p.Rejected {
		out = append(out, r.Why...)
	}
	return out
}

func TestJudgeCountsOnlyWorkOnTheMachinesOfTheRule(t *testing.T) {
	lines := workStory(did("s", "lea", "lens-cleaning", "ines"))
	p := evidence.Judge(rule, "lea", records(t, "vinyl", lines...), now)
	if got := fmt.Sprint(whys(p)); got != "[wrong-machine]" || len(p.Counted) != 0 {
		t.Errorf("%s, %d count", got, len(p.Counted))
	}
	none := rule
	none.Machines = nil
	if p := evidence.Judge(none, "lea", records(t, "laser", lines...), now); len(p.Counted) != 0 {
		t.Error("a badge for no machine is earned by work on one")
	}
}

func TestJudgeMatchesASessionOnlyToRecordsOfTheSameMachine(t *testing.T) {
	both := rule
	both.Machines = []policy.MachineID{"laser", "vinyl"}
	all := append(records(t, "laser", workStory()...), records(t, "vinyl", did("s", "lea", "lens-cleaning", "ines"))...)
	if got := whys(evidence.Judge(both, "lea", all, now)); len(got) != 1 || got[0] != evidence.NoSession {
		t.Errorf("%v", got)
	}
}

func TestJudgeCountsARepeatedRecordOnce(t *testing.T) {
	all := records(t, "laser", workStory(did("s", "lea", "lens-cleaning", "ines"))...)
	p := evidence.Judge(rule, "lea", append(all, all...), now)
	if got := fmt.Sprint(whys(p)); len(p.Counted) != 1 || got != "[duplicate]" {
		t.Errorf("%d count, %s", len(p.Counted), got)
	}
}

func TestJudgeIgnoresTheOrderOfRecordsAndOtherMembersRecords(t *testing.T) {
	laser := records(t, "laser", workStory(
		did("s", "lea", "lens-cleaning", "ines"),
		assisted("s", "jules"),
		did("s", "jules", "mirror-alignment", "ines"),
		assisted(
			"s",
			"lea",
		),
		did("s", "lea", "mirror-alignment", "ines"),
		did("s", "ines", "lens-cleaning", "ines"),
		end("s", "ines"),
	)...)
	all := append(laser, records(t, "vinyl", workStory(did("s", "lea", "lens-cleaning", "ines"))...)...)
	want := fmt.Sprintf("%+v", evidence.Judge(rule, "lea", all, now))
	for range 50 {
		rand.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
		if got := fmt.Sprintf("%+v", evidence.Judge(rule, "lea", all, now)); got != want {
			t.Fatalf("%s\nwant %s", got, want)
		}
	}
	p := evidence.Judge(rule, "lea", all, now)
	if len(p.Counted) != 2 || len(p.Rejected) != 1 || !p.Complete || p.Missing() != 0 {
		t.Errorf("%+v", p)
	}
	if got := fmt.Sprint(p.Counted[1].RestsOn); got != "[{laser 1  0} {laser 6  0}]" {
		t.Errorf("the second rests on %s", got)
	}
	if got := evidence.Members(all); !slices.Equal(got, []policy.MemberID{"ines", "jules", "lea"}) {
		t.Errorf("%v", got)
	}
}

func TestProgressIsCompleteOnlyWhenTheRuleIsMet(t *testing.T) {
	two := records(
		t,
		"laser",
		workStory(did("s", "lea", "lens-cleaning", "ines"), did("s", "lea", "mirror-alignment", "ines"))...)
	for _, c := range []struct {
		needs    int
		complete bool
		missing  int
	}{{3, false, 1}, {2, true, 0}, {1, true, 0}, {0, false, 0}, {-1, false, 0}} {
		r := rule
		r.Interventions = c.needs
		if p := evidence.Judge(r, "lea", two, now); p.Complete != c.complete || p.Missing() != c.missing {
			t.Errorf("%d needed: complete %t, missing %d", c.needs, p.Complete, p.Missing())
		}
	}
	if p := evidence.Judge(evidence.Rule{}, "lea", two, now); p.Complete || len(p.Counted) != 0 {
		t.Errorf("the zero rule: %+v", p)
	}
	if p := evidence.Judge(rule, "", two, now); p.Complete || len(p.Counted) != 0 {
		t.Errorf("nobody: %+v", p)
	}
}

func TestRuleWithoutAnEndorserCountsSelfEndorsedWork(t *testing.T) {
	r := rule
	r.EndorsedBy, r.Within, r.Interventions = "", 0, 1
	old := did("s", "lea", "lens-cleaning", "lea").with(func(r *wire.Record) {
		r.Wall, r.Clock = now.Add(-9000*24*time.Hour), wire.ClockUntrusted
	})
	if p := evidence.Judge(r, "lea", records(t, "laser", old), now); !p.Complete {
		t.Errorf("%+v", p)
	}
}

func TestEveryReasonHasATextInBothLanguages(t *testing.T) {
	seen := map[string]bool{}
	other := evidence.Why("?").Text()
	for _, w := range evidence.Whys() {
		x := w.Text()
		if x.FR == "" || x.EN == "" || x == other || seen[x.FR] || seen[x.EN] {
			t.Errorf("%s: %+v", w, x)
		}
		if !strings.HasSuffix(x.FR, ".") || !strings.HasSuffix(x.EN, ".") {
			t.Errorf("%s is no sentence", w)
		}
		seen[x.FR], seen[x.EN] = true, true
	}
}
