package search_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/search"
)

// source returns a source of n objects, and counts in asked how often the source is asked.
func source(kind search.Kind, act actor.Act, n int, asked *int) search.Source {
	return search.Source{Kind: kind, Act: act, Find: func(_ context.Context, a actor.Actor, _ string,
		most int) (out []search.Hit, more bool, err error) {
		*asked++
		if err := a.May(act, actor.Target{}); err != nil {
			return nil, false, err
		}
		for i := range n {
			out = append(out, search.Hit{ID: fmt.Sprint(i)})
		}
		return out, false, nil
	}}
}

func TestSearchLeavesOutWhatTheActorMayNotRead(t *testing.T) {
	asked := 0
	s := search.New(source(search.Members, actor.ReadMembers, 3, &asked), source(search.Machines, actor.ReadMachines, 25,
		&asked), source(search.Policies, actor.ReadPolicy, 0, &asked), source(search.Audit, actor.ReadAudit, 1, &asked))
	for name, c := range map[string]struct {
		a    actor.Actor
		text string
		want string
	}{
		"owner":  {actor.Local("root"), "x", "members 3 false, machines 10 true, audit 1 false"},
		"member": {actor.Actor{Account: "a", Site: actor.Member}, "x", "machines 10 true"},
		"token": {actor.Actor{Account: "a", Site: actor.Owner, Scopes: []actor.Act{actor.ReadAudit}}, "x",
			"audit 1 false"},
		"without words": {actor.Local("root"), " \t", ""},
	} {
		got, err := s.Search(t.Context(), c.a, c.text)
		var groups []string
		for _, g := range got {
			groups = append(groups, fmt.Sprint(g.Kind, " ", len(g.Hits), " ", g.More))
		}
		if have := strings.Join(groups, ", "); err != nil || have != c.want {
			t.Errorf("%s: %s, %v, want %s", name, have, err, c.want)
		}
	}
	asked = 0
	for _, a := range []actor.Actor{{}, {Account: "a"}, {Account: "a", Site: actor.Owner, Scopes: []actor.Act{}}} {
		for _, text := range []string{"x", "", strings.Repeat("x", 201)} {
			var denied *actor.Denied
			if _, err := s.Search(t.Context(), a, text); !errors.As(err, &denied) || denied.SignIn() != (a.Account == "") {
				t.Errorf("%+v: %v, want a denial", a, err)
			}
		}
	}
	var invalid *fault.Invalid
	if _, err := s.Search(t.Context(), actor.Local("root"), strings.Repeat("x", 201)); !errors.As(err, &invalid) {
		t.Errorf("a text of 201 bytes: %v", err)
	}
	if asked != 0 {
		t.Errorf("%d sources were asked for refused searches, want 0", asked)
	}
}

func TestSearchReportsTheErrorOfASource(t *testing.T) {
	broken := errors.New("the disk is full")
	s := search.New(search.Source{Kind: search.Members, Act: actor.ReadMembers,
		Find: func(context.Context, actor.Actor, string, int) ([]search.Hit, bool, error) { return nil, false, broken }})
	if _, err := s.Search(t.Context(), actor.Local("root"), "x"); !errors.Is(err, broken) {
		t.Error(err)
	}
}
