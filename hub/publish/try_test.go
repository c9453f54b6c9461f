package publish_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/policy"
)

func (b *bench) try(t publish.Trial) publish.Answer {
	b.t.Helper()
	out, err := b.s.Drafts.Try(b.ctx, owner, t)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

// reasonsOf returns the sentences about one role.
func reasonsOf(t *testing.T, x publish.Answer, r policy.Role) publish.AnswerGrant {
	t.Helper()
	i := slices.IndexFunc(x.Grants, func(g publish.AnswerGrant) bool { return g.Role == r })
	if i < 0 {
		t.Fatalf("no grant of %v in %+v", r, x.Grants)
	}
	return x.Grants[i]
}

func TestTryAnswersAsTheMachineWithTheReasonsOfEachGrant(t *testing.T) {
	b := newBench(t, useEnglish, addMembers)
	b.publish(b.text, 0)

	open := b.try(publish.Trial{Member: "lea", Machine: "laser"}) // a Monday at 11:00
	if open.Verdict != policy.Allow || open.Role != policy.User || open.Name != "Léa" || !open.At.Equal(startTime) ||
		!strings.HasPrefix(open.Sentence, "Machine on until 13:00") ||
		!slices.Equal(open.Unknown, []string{"laser: not known"}) {
		t.Errorf("in the opening hours: %+v", open)
	}
	if g := reasonsOf(t, open, policy.User); !g.Chosen || g.Verdict != policy.Allow || len(g.Reasons) > 0 {
		t.Errorf("the grant of users: %+v", g)
	}
	if g := reasonsOf(t, open, policy.Maintainer); g.Chosen || g.Verdict != policy.Deny ||
		!slices.Equal(g.Reasons, []string{"The badge “Découpe laser - Mainteneur” is missing"}) {
		t.Errorf("the grant of maintainers: %+v", g)
	}

	night := b.try(publish.Trial{Member: "yann", Machine: "laser", At: startTime.Add(12 * time.Hour)})
	if night.Verdict != policy.Deny || len(night.Grants) != 4 {
		t.Errorf("at night without a badge: %+v", night)
	}
	if g := reasonsOf(t, night, policy.User); len(g.Reasons) != 2 ||
		!strings.Contains(g.Reasons[0]+g.Reasons[1], "The machine opens tomorrow") ||
		!strings.Contains(g.Reasons[0]+g.Reasons[1], "Utilisateur autonome” is missing") {
		t.Errorf("both reasons are wanted: %q", g.Reasons)
	}
	if g := reasonsOf(t, night, policy.Learner); len(g.Reasons) != 3 ||
		!strings.Contains(strings.Join(g.Reasons, "\n"), "Possible with a mentor") {
		t.Errorf("the grant of learners: %q", g.Reasons)
	}
	vinyl := b.try(publish.Trial{Member: "lea", Machine: "vinyl"})
	if vinyl.Verdict != policy.Deny || vinyl.Unknown != nil {
		t.Errorf("another machine: %+v", vinyl)
	}
}

func TestTryAsksTheDraft(t *testing.T) {
	b := newBench(t, useEnglish, addMembers)
	b.publish(b.text, 0)
	draft := b.editedPolicy(`needs: laser-user, hours: "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off"`,
		`needs: laser-user, hours: "Su 09:00-21:00"`)
	if x := b.try(publish.Trial{Member: "lea", Machine: "laser", Text: draft}); x.Verdict != policy.Deny ||
		!strings.HasPrefix(x.Sentence, "The machine opens on Sunday") {
		t.Errorf("the draft: %+v", x)
	}
	if x := b.try(publish.Trial{Member: "lea", Machine: "laser"}); x.Verdict != policy.Allow {
		t.Errorf("the policy in force: %+v", x)
	}
	secure := b.editedPolicy("    when-idle: off", "    card: aes\n    when-idle: off")
	if x := b.try(publish.Trial{Member: "lea", Machine: "laser", Text: secure}); x.Verdict != policy.Allow {
		t.Errorf("a machine that asks for a secure card: %+v", x)
	}
}

func TestTryRefusesWhatItCannotAnswer(t *testing.T) {
	b := newBench(t, addMembers)
	b.publish(b.text, 0)
	for field, trial := range map[string]publish.Trial{
		"member":  {Member: "nobody", Machine: "laser"},
		"machine": {Member: "lea", Machine: "lathe"},
		"at":      {Member: "lea", Machine: "laser", At: time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC)},
		"text":    {Member: "lea", Machine: "laser", Text: "portillon: 1"},
	} {
		_, err := b.s.Drafts.Try(b.ctx, owner, trial)
		var invalid *fault.Invalid
		if !errors.As(err, &invalid) || invalid.Faults[0].Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

func TestTryNeedsTheRightToReadTheMember(t *testing.T) {
	b := newBench(t, addMembers)
	b.publish(b.text, 0)
	mentor := actor.Actor{Account: "4", Member: "lea", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}
	readOnly := actor.Actor{Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.ReadPolicy}}
	for name, c := range map[string]struct {
		who    actor.Actor
		member policy.MemberID
		denied bool
	}{
		"a mentor, another member":   {mentor, "yann", true},
		"a mentor, nobody":           {mentor, "", true},
		"a mentor, oneself":          {mentor, "lea", false},
		"a member without policy":    {actor.Actor{Account: "5", Site: actor.Member, Member: "lea"}, "lea", true},
		"an owner's reading token":   {readOnly, "lea", true},
		"an administrator":           {actor.Actor{Account: "2", Site: actor.Administrator}, "lea", false},
		"somebody who has signed in": {actor.Actor{Account: "9"}, "lea", true},
	} {
		_, err := b.s.Drafts.Try(b.ctx, c.who, publish.Trial{Member: c.member, Machine: "laser"})
		var denied *actor.Denied
		if errors.As(err, &denied) != c.denied || err != nil && !c.denied {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOutlineShowsTheTextThatEditChanges(t *testing.T) {
	b := newBench(t, useEnglish)
	b.publish(b.text, 0)
	o, err := b.s.Drafts.Outline(b.ctx, owner, "")
	if err != nil || o.Number != 1 || o.Draft || o.Text != b.text || len(o.Machines) != 3 ||
		len(o.Badges) != 14 || !o.Holidays {
		t.Fatalf("%v: policy %d, %d machines, %d badges", err, o.Number, len(o.Machines), len(o.Badges))
	}
	g := o.Machines[0].Grants[2]
	if g.Role != policy.User || g.Rules["hours"] != g.Week.String() || !g.Weekly || g.Rules["max"] != "2h" {
		t.Errorf("the grant of users: %+v", g)
	}
	text, err := b.s.Drafts.Edit(b.ctx, owner, "", publish.TextChanges{
		publish.SetRules{Machine: "laser", Grant: 2, Rules: publish.Rules{"hours": "Mo-Sa 08:00-20:00"}},
		publish.SetRules{Machine: "laser", Grant: 3, Rules: publish.Rules{"day": "3h"}}})
	if err != nil {
		t.Fatal(err)
	}
	d := b.draft(owner, text)
	if len(d.Faults) > 0 && !strings.Contains(d.Faults[0].Message, "tests") ||
		d.Effect == nil || len(d.Effect.Lines) == 0 {
		t.Errorf("the draft: %+v", d)
	}
	if o, err = b.s.Drafts.Outline(b.ctx, owner, text); err != nil || !o.Draft ||
		o.Machines[0].Grants[2].Rules["hours"] != "Mo-Sa 08:00-20:00" || o.Machines[0].Grants[3].Rules["day"] != "3h" {
		t.Errorf("%v: the outline of the draft: %+v", err, o.Machines)
	}
	if _, err := b.s.Drafts.Outline(b.ctx, owner, "portillon: 1"); !isInvalid(err) {
		t.Errorf("the outline of a text with faults: %v", err)
	}
}

func TestEditNamesTheFieldOfEachFault(t *testing.T) {
	b := newBench(t)
	b.publish(b.text, 0)
	set := func(r publish.Rule, value string) publish.TextChange {
		return publish.SetRules{Machine: "laser", Grant: 2, Rules: publish.Rules{r: value}}
	}
	badge := func(id, issuer, achievement string) publish.TextChange {
		return publish.AddBadge{ID: policy.BadgeID(id), Name: policy.Text{EN: "x"}, Issuer: policy.IssuerID(issuer),
			Achievement: achievement}
	}
	const url = "https://lab.example/x"
	laserUser := publish.Rules{"badge": "laser-user"}
	for _, c := range []struct {
		change publish.TextChange
		field  string
	}{
		{set("hours", "9-12"), "hours"}, {set("badge", "laser"), "badge"}, {set("badge", ""), "badge"},
		{set("within", "old"), "within"}, {set("usedwithin", "old"), "usedwithin"}, {set("practice", "many"), "practice"},
		{set("supervisor", "laser"), "supervisor"}, {set("learners", "2"), "learners"}, {set("day", "25h"), "day"},
		{set("week", "x"), "week"}, {set("sessions", "0"), "sessions"}, {set("max", "x"), "max"}, {set("idle", "x"), "idle"},
		{set("warn", "9h"), "warn"}, {set("extend", "x"), "extend"},
		{publish.AddGrant{Machine: "laser", Role: policy.Learner, Rules: laserUser}, "supervisor"},
		{publish.AddGrant{Machine: "laser", Rules: laserUser}, "role"},
		{badge("x", "biklab", "x"), "achievement"}, {badge("x", "y", url), "issuer"}, {badge("", "biklab", url), "id"},
		{badge("X", "biklab", url), "id"}, {badge("laser-user", "biklab", url), "id"},
		{publish.AddMachine{ID: "L", Name: policy.Text{EN: "x"}, Role: policy.User, Rules: laserUser}, "id"},
		{publish.AddMachine{ID: "l", Role: policy.User, Rules: laserUser}, "name"},
	} {
		_, err := b.s.Drafts.Edit(b.ctx, owner, "", c.change)
		var invalid *fault.Invalid
		if !errors.As(err, &invalid) || invalid.Faults[0].Field != c.field {
			t.Errorf("%+v: %v, want a fault of %s", c.change, err, c.field)
		}
	}
}

func TestEditNeedsTheRightToPublish(t *testing.T) {
	b := newBench(t)
	b.publish(b.text, 0)
	change := publish.SetRules{Machine: "laser", Grant: 2, Rules: publish.Rules{"max": "1h"}}
	for name, a := range actors() {
		_, err := b.s.Drafts.Edit(b.ctx, a, "", change)
		_, err2 := b.s.Drafts.Outline(b.ctx, a, "")
		var denied *actor.Denied
		if may := name == "owner" || name == "administrator"; errors.As(err, &denied) == may || err != nil && may {
			t.Errorf("%s edits: %v", name, err)
		}
		reads := slices.Contains([]string{"owner", "administrator", "maintainer", "mentor", "reading token"}, name)
		if errors.As(err2, &denied) == reads {
			t.Errorf("%s reads the outline: %v", name, err2)
		}
	}
	only := actor.Actor{Account: "1", Site: actor.Owner, Scopes: []actor.Act{actor.PublishPolicy}}
	if _, err := b.s.Drafts.Edit(b.ctx, only, "", change); err == nil {
		t.Error("a token that may not read the policy gets its text")
	}
}

// A site begins without a policy where the policy key is on another computer.
func TestOutlineWithoutAPolicyIsEmpty(t *testing.T) {
	b := newBench(t, addMembers)
	if o, err := b.s.Drafts.Outline(context.Background(), owner, ""); err != nil || len(o.Machines) > 0 || o.Number != 0 {
		t.Errorf("%+v, %v", o, err)
	}
	if _, err := b.s.Drafts.Edit(b.ctx, owner, "", publish.TextChanges{}); !isInvalid(err) {
		t.Errorf("edit of no policy: %v", err)
	}
	if _, err := b.s.Drafts.Try(b.ctx, owner, publish.Trial{Member: "lea", Machine: "laser"}); !isInvalid(err) {
		t.Errorf("trial without a policy: %v", err)
	}
}
