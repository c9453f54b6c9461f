package publish_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"portillon/hub/actor"
	"portillon/hub/publish"
	"portillon/policy"
)

// useEnglish sets the language of drafts to English.
func useEnglish(b *bench) {
	b.o.Language = func(context.Context) policy.Language { return policy.English }
}

// addMembers adds two members to a bench: Léa with the badge of laser users, and Yann without a badge.
func addMembers(b *bench) {
	b.o.Holders = func(_ context.Context, before, after *policy.Policy) ([]publish.Holder, []string, error) {
		holding := []policy.Holding{{Badge: "laser-user", Standing: policy.Verified, From: startTime.AddDate(0, -1, 0)}}
		lea := func(p *policy.Policy) *policy.Member {
			m := &policy.Member{ID: "lea"}
			if _, ok := p.Badge("laser-user"); ok {
				m.Holdings = holding
			}
			return m
		}
		return []publish.Holder{{"Léa", lea(before), lea(after)}, {"Yann", nil, &policy.Member{ID: "yann"}}},
			[]string{"laser: not known"}, nil
	}
}

func (b *bench) draft(a actor.Actor, text string) publish.Draft {
	b.t.Helper()
	d, err := b.s.Drafts.Check(b.ctx, a, text)
	if err != nil {
		b.t.Fatal(err)
	}
	return d
}

// lineOf returns the number, from 1, of the first line of a text that contains words.
func lineOf(text, words string) int {
	return 1 + strings.Count(text[:strings.Index(text, words)], "\n")
}

// brokenRule is a rule of never: that the example policy breaks.
const brokenRule = `never:
  - { name: "nobody without a badge", role: user, without: vinyl-user, on: laser }
`

func TestDraftFaultsHaveLineAndColumn(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t, useEnglish)
	for name, c := range map[string]struct {
		text    string
		line    int
		column  int
		message string
		hint    string
	}{
		"no YAML": {"a: [", 1, 0, "", ""},
		"a wrong value": {b.editedPolicy("status-grace: 7d", "status-grace: often"), lineOf(b.text, "status-grace"), 15,
			"status-grace: ", "d"},
		"an unknown key": {b.text + "\nneever: []\n", strings.Count(b.text, "\n") + 2, 1, "neever", "never"},
		"another site": {b.editedPolicy("site: biklab", "site: other"), lineOf(b.text, "site: biklab"), 7,
			`site: this policy is of the site "other"`, "site: biklab"},
		"a rule of never": {b.editedPolicy("never:\n", brokenRule), lineOf(b.text, "never:\n") + 1, 5,
			"never[0]: “nobody without a badge”: at laser, with", "change the grant"},
	} {
		d := b.draft(owner, c.text)
		if len(d.Faults) == 0 {
			t.Errorf("%s: no fault", name)
			continue
		}
		f := d.Faults[0]
		if f.Line != c.line || c.column > 0 && f.Column != c.column || !strings.Contains(f.Message, c.message) ||
			!strings.Contains(f.Hint, c.hint) {
			t.Errorf("%s: %+v, want line %d, column %d, %q", name, f, c.line, c.column, c.message)
		}
	}
}

func TestCheckRunsTheTestsOfADraft(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t, useEnglish)
	i := strings.Index(b.text, "expect: allow")
	if i < 0 {
		t.Fatal("the example has no test that expects allow")
	}
	text := b.text[:i] + "expect: deny" + b.text[i+len("expect: allow"):]
	d := b.draft(owner, text)
	if len(d.Faults) == 0 {
		t.Fatal("a test that fails is no fault")
	}
	if f := d.Faults[0]; !strings.HasPrefix(f.Message, "tests[") ||
		!strings.Contains(f.Message, "expected deny, got allow") ||
		f.Line == 0 ||
		f.Column == 0 {
		t.Errorf("%+v", f)
	}
	if _, err := b.s.Policies.Publish(b.ctx, owner, text, "", 0, nil); !isInvalid(err) {
		t.Errorf("published: %v", err)
	}
	if d := b.draft(owner, b.text); len(d.Faults) > 0 {
		t.Errorf("the example: %+v", d.Faults)
	}
}

func TestDraftWarnsOfRulesWithoutEffect(t *testing.T) {
	b := newBench(t, useEnglish)
	at := strings.Index(b.text, "  laser:\n")
	if at < 0 {
		t.Fatal("the example's policy has no machine laser")
	}
	text := b.text[:at] + "  laser:\n    mode: warn\n" + b.text[at+len("  laser:\n"):]
	d := b.draft(owner, text)
	i := slices.IndexFunc(
		d.Warnings,
		func(f publish.Fault) bool { return strings.Contains(f.Message, "mode: warn lets every member in") },
	)
	if i < 0 || d.Warnings[i].Line == 0 {
		t.Errorf("%+v", d.Warnings)
	}
}

func TestDraftListsGainedAndLostRights(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t, useEnglish, addMembers)
	d := b.draft(owner, b.text)
	if d.Effect == nil || d.Same || d.Effect.Gaining != 1 || d.Effect.Losing != 0 || len(d.Effect.Lines) == 0 {
		t.Fatalf("the first policy: %+v", d.Effect)
	}
	b.publish(b.text, 0)
	if d := b.draft(owner, b.text); !d.Same || d.Effect != nil {
		t.Errorf("the same text: %+v", d)
	}
	if d := b.draft(owner, b.text+"# a comment\n"); !d.Same || d.Effect == nil || len(d.Effect.Lines) > 0 {
		t.Errorf("a comment: %+v", d)
	}
	d = b.draft(owner, b.editedPolicy("  laser:\n", "  laser2:\n"))
	if len(d.Faults) == 0 {
		t.Error("rules of a machine that is gone are no fault")
	}
	// Replace the badge in the policy, so that no member has the right to use the laser.
	text := strings.ReplaceAll(b.text, "laser-user", "laser-nobody")
	d = b.draft(owner, text)
	if len(d.Faults) > 0 {
		t.Fatalf("%+v", d.Faults)
	}
	e := d.Effect
	if e.Losing != 1 || e.Gaining != 0 || len(e.Loses) == 0 || e.Loses[0].Name != "Léa" || e.Loses[0].Member != "lea" ||
		e.Loses[0].Machine != "laser" {
		t.Errorf("%+v", e)
	}
	if len(e.Lines) == 0 || d.Same {
		t.Errorf("lines %q, same %v", e.Lines, d.Same)
	}
	mentor := actor.Actor{Account: "2", Name: "Karim", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}
	if e := b.draft(mentor, text).Effect; e == nil || len(e.Loses) > 0 || len(e.Lines) == 0 || e.Losing != 1 {
		t.Errorf("a mentor is told %+v", e)
	}
}

func TestDraftMessagesAreInTheRequestedLanguage(t *testing.T) {
	french := newBench(t, addMembers) // French is the language of the example policy
	french.publish(french.text, 0)
	text := french.editedPolicy("status-grace: 7d", "status-grace: 8d")
	if e := french.draft(owner, text).Effect; len(e.Lines) != 1 || e.Lines[0] != "status-grace : 7d → 8d" {
		t.Errorf("%q", e.Lines)
	}
	english := newBench(t, useEnglish)
	english.publish(english.text, 0)
	if e := english.draft(owner, text).Effect; len(e.Lines) != 1 || e.Lines[0] != "status-grace: 7d → 8d" {
		t.Errorf("%q", e.Lines)
	}
}

func TestAnalysisEndsWhenTheRequestIsCancelled(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t, func(b *bench) {
		b.o.Holders = func(context.Context, *policy.Policy, *policy.Policy) ([]publish.Holder, []string, error) {
			close(entered)
			<-leave
			return nil, nil, errors.New("no members")
		}
	})
	done := make(chan error)
	go func() {
		_, err := b.s.Drafts.Check(b.ctx, owner, b.text)
		done <- err
	}()
	<-entered
	ctx, cancel := context.WithCancel(b.ctx)
	cancel()
	if _, err := b.s.Drafts.Check(ctx, owner, b.text); !errors.Is(err, context.Canceled) {
		t.Errorf("a second analysis at once: %v", err)
	}
	close(leave)
	if err := <-done; err == nil || err.Error() != "no members" {
		t.Errorf("error of the check is %v", err)
	}
}

func FuzzDraft(f *testing.F) {
	f.Add("portillon: 1\nsite: biklab\n")
	f.Add("tests: [{")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := publish.New(publish.Options{Site: newSite(t), Signer: fakeKey{},
			Now: func() time.Time { return startTime }})
		if err != nil {
			t.Fatal(err)
		}
		d, err := s.Drafts.Check(t.Context(), owner, text)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range d.Faults {
			if f.Message == "" || f.Line < 0 || f.Line > strings.Count(text, "\n")+2 {
				t.Errorf("%+v", f)
			}
		}
	})
}
