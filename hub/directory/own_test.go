package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// ownWorld is the example site at 10:00 UTC on a Monday, with states of machines, practice and work of every member.
func ownWorld(t *testing.T) (w *world, find func(email string) policy.MemberID) {
	w = newWorld(t)
	w.importSite(example)
	last := w.now.Add(-time.Hour)
	w.remake(func(o *Options) {
		o.PracticeOf = func(context.Context, policy.MemberID) ([]policy.Practice, map[policy.MachineID]bool, error) {
			return []policy.Practice{{Machine: "laser", Last: last, Logged: 2 * time.Hour,
				Day: 2 * time.Hour, Week: 2 * time.Hour, Sessions: 3}}, map[policy.MachineID]bool{"laser": true}, nil
		}
		o.States = func(context.Context) (map[policy.MachineID]MachineState, error) {
			return map[policy.MachineID]MachineState{"laser": {Online: true, InUse: true}, "vinyl": {Online: true,
				Tagged: true}}, nil
		}
		o.Achieved = func(_ context.Context, _ *policy.Policy, id policy.MemberID) (Achieved, error) {
			return Achieved{Work: []OwnWork{{Badge: "laser-maintainer", Counted: 2, Needed: 5}},
				Skills: map[policy.MachineID]map[string]int{"laser": {"focus": 2, "unknown": 9}}}, nil
		}
	})
	return w, func(email string) policy.MemberID {
		t.Helper()
		return must2(w.Members.List(t.Context(), owner, Filter{Text: email}, Page{}))[0].ID
	}
}

// describe returns an answer as text: verdict, role, end, and the sentence in English.
func describe(m OwnMachine) string {
	text := fmt.Sprintf("%s: %s %s", m.Machine, m.Verdict, m.Role)
	if !m.Until.IsZero() {
		text += " until " + m.Until.Format("15:04")
	}
	if m.State != nil {
		text += fmt.Sprintf(" %+v", *m.State)
	}
	return text + " " + m.Why.In(policy.English)
}

func TestMemberSeesWhichMachinesTheyMayUseNow(t *testing.T) {
	w, find := ownWorld(t)
	for _, c := range []struct {
		name, email string
		after       time.Duration
		change      func(policy.MemberID)
		want        []string // beginning of the answers of laser, vinyl and fdm
	}{
		{"an autonomous user", "lea@example.org", 0, nil, []string{
			"laser: allow user until 12:00 {Online:true InUse:true Tagged:false Fault:false} ",
			"vinyl: deny none {Online:true InUse:false Tagged:true Fault:false} Machine out of service. Next step: wait",
			"fdm: deny none The badge “Impression 3D FDM - 1er pas” is missing. Next step: see a mentor"}},
		{"outside the hours", "lea@example.org", 12 * time.Hour, nil, []string{
			"laser: deny none {Online:true InUse:true Tagged:false Fault:false} The machine opens"}},
		{"a learner whose time of the day is used up", "jules@example.org", 0, nil, []string{
			"laser: deny none {Online:true InUse:true Tagged:false Fault:false} The day’s time (2 h) is used up"}},
		{"a learner on the next day", "jules@example.org", 24 * time.Hour, nil, []string{
			"laser: await learner until 11:00 {Online:true InUse:true Tagged:false Fault:false} Possible with a mentor"}},
		{"a maintainer at a machine out of service", "yann@example.org", 0, nil, []string{"laser: deny none",
			"vinyl: allow maintainer {Online:true InUse:false Tagged:true Fault:false} "}},
		{"a membership that ended", "lea@example.org", 0, func(id policy.MemberID) {
			must[Member](t)(w.Members.Change(t.Context(), owner, id, w.member(id).Version, func(m *Member) error {
				m.Until = policy.Date{Year: 2026, Month: 11, Day: 1}
				return nil
			}))
		}, []string{"laser: deny none {Online:true InUse:true Tagged:false Fault:false} The membership ended"}},
		{"a lost card", "karim@example.org", 0, func(id policy.MemberID) {
			for _, card := range w.member(id).Cards {
				if err := w.Cards.ReportLost(t.Context(), asMember(id), card.ID); err != nil {
					t.Fatal(err)
				}
			}
		}, []string{"laser: deny none {Online:true InUse:true Tagged:false Fault:false} "}},
	} {
		id, now := find(c.email), w.now
		if c.change != nil {
			c.change(id)
		}
		w.now = now.Add(c.after)
		got, err := w.Own.Machines(t.Context(), asMember(id))
		w.now = now
		if err != nil || len(got.Machines) != 3 {
			t.Fatalf("%s: %+v, %v", c.name, got, err)
		}
		for i, want := range c.want {
			if text := describe(got.Machines[i]); !strings.HasPrefix(text, want) {
				t.Errorf("%s: %s\nwant %s", c.name, text, want)
			}
		}
	}
}

func TestOwnAnswersNeedARightAndAMember(t *testing.T) {
	w, find := ownWorld(t)
	lea := asMember(find("lea@example.org"))
	missing, denied := (*fault.NotFound)(nil), (*actor.Denied)(nil)
	lapsed := lea // a member whose membership has ended has no role at the site
	lapsed.Site = ""
	token := lea
	token.Scopes = []actor.Act{actor.ReadMachines}
	for name, c := range map[string]struct {
		who  actor.Actor
		want any
	}{
		"nobody":                    {actor.Actor{}, &denied},
		"an owner without a member": {actor.Actor{Account: "boss", Site: actor.Owner}, &missing},
		"a member who was erased":   {asMember("m-gone"), &missing},
		"a token for other rights":  {token, &denied},
		"a lapsed member":           {lapsed, nil},
	} {
		access, err := w.Own.Machines(t.Context(), c.who)
		if c.want == nil && err != nil || c.want != nil && !errors.As(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		if _, again := w.Own.Path(t.Context(), c.who); (again == nil) != (err == nil) {
			t.Errorf("%s: Path answers %v", name, again)
		}
		if slices.ContainsFunc(access.Machines, func(m OwnMachine) bool { return m.State != nil }) {
			t.Errorf("%s sees the states of machines", name)
		}
	}
}

func TestMachineInModeWarnSaysWhatItsRulesWouldAnswer(t *testing.T) {
	w, find := ownWorld(t)
	for i := range w.policy.Machines {
		w.policy.Machines[i].Mode = policy.Warn
	}
	p := must[*policy.Policy](t)(policy.New(w.policy.Model))
	w.policy = p
	got := must[OwnAccess](t)(w.Own.Machines(t.Context(), asMember(find("lea@example.org"))))
	fdm := got.Machines[2]
	if !fdm.Tolerated || fdm.Verdict != policy.Allow || !strings.Contains(fdm.Why.Fact.EN, "is missing") {
		t.Errorf("%+v", fdm)
	}
	if laser := got.Machines[0]; laser.Tolerated || laser.Why != (policy.Sentence{}) {
		t.Errorf("%+v", laser)
	}
}

// steps returns a path as text: the roles that the member has, and what each further role requires.
func steps(x OwnPath) string {
	out := []string{fmt.Sprint(x.Held)}
	for _, s := range x.Steps {
		text := s.Role.String()
		for _, m := range s.Missing {
			text += fmt.Sprintf(" %s %s", m.Code, m.Badge)
			if m.Code == policy.NotEnoughHours {
				text += fmt.Sprintf(" %s of %s", m.Have, m.Want)
			}
			if m.Work != nil {
				text += fmt.Sprintf(" work %d of %d", m.Work.Counted, m.Work.Needed)
			}
		}
		out = append(out, text)
	}
	return strings.Join(out, "; ")
}

func TestPathNamesTheBadgesOfFurtherRoles(t *testing.T) {
	w, find := ownWorld(t)
	plain, practised := w.policy, w.practisedPolicy()
	for _, c := range []struct {
		name, email string
		p           *policy.Policy
		at          policy.MachineID
		want        string
	}{
		{"a user", "lea@example.org", plain, "laser",
			"[user]; mentor no-badge laser-mentor; maintainer no-badge laser-maintainer work 2 of 5"},
		{"a learner", "jules@example.org", plain, "laser",
			"[learner]; user no-badge laser-user; mentor no-badge laser-mentor; " +
				"maintainer no-badge laser-maintainer work 2 of 5"},
		{"nobody yet", "jules@example.org", plain, "vinyl", "[]; learner no-badge vinyl-first-steps; " +
			"user no-badge vinyl-user; host no-badge vinyl-host; mentor no-badge vinyl-mentor; " +
			"maintainer no-badge vinyl-maintainer"},
		{"a maintainer", "ines@example.org", plain, "laser", "[maintainer]"},
		{"a badge without enough hours", "lea@example.org", practised, "laser",
			"[]; learner no-badge laser-first-steps; user not-enough-hours laser-user 2h0m0s of 3h0m0s; " +
				"mentor no-badge laser-mentor; maintainer no-badge laser-maintainer work 2 of 5"},
		{"a badge that will require hours", "jules@example.org", practised, "laser",
			"[learner]; user no-badge laser-user not-enough-hours laser-user 2h0m0s of 3h0m0s; " +
				"mentor no-badge laser-mentor; maintainer no-badge laser-maintainer work 2 of 5"},
	} {
		w.policy = c.p
		all := must[[]OwnPath](t)(w.Own.Path(t.Context(), asMember(find(c.email))))
		at := slices.IndexFunc(all, func(x OwnPath) bool { return x.Machine == c.at })
		if got := steps(all[at]); got != c.want {
			t.Errorf("%s: %s\nwant %s", c.name, got, c.want)
		}
	}
	all := must[[]OwnPath](t)(w.Own.Path(t.Context(), asMember(find("jules@example.org"))))
	if got := fmt.Sprint(all[0].Skills); !strings.HasPrefix(got, "[{{Mise au point Focusing} 2} {{Choix des réglages") ||
		len(all[0].Skills) != 4 {
		t.Errorf("skills %s", got)
	}
}
