package webtest

import (
	"context"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/memberlist"
)

// SilentList is the name of a list whose program cannot be reached.
const SilentList = "atelier"

// FetchedLists returns four lists, one for each outcome and one without a run.
func (d Directory) FetchedLists(_ context.Context, a actor.Actor) ([]directory.SourceState, error) {
	leave, err := d.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	at := func(days int) time.Time {
		return time.Date(2026, 11, 30+days, 2, 30, 0, 0, time.UTC)
	}
	return []directory.SourceState{
		{Name: "helloasso", Program: memberlist.HelloAsso, Next: at(1), Outcome: directory.Waiting, Ended: at(0),
			Since: at(-2), RunCounts: directory.RunCounts{Added: 3, Gone: 41, Same: 12, Losing: 9}},
		{Name: SilentList, Program: memberlist.MemberMatters, Next: at(1), Outcome: directory.Failed, Ended: at(0),
			Since: at(0), Why: "the program refuses the credentials (status 401)"},
		{Name: "fab", Program: memberlist.FabManager, Next: at(1), Outcome: directory.Applied, Ended: at(0), Since: at(0),
			RunCounts: directory.RunCounts{Added: 1, Changed: 2, Same: 120}},
		{Name: "new", Program: memberlist.FabManager, Next: at(1)}}, nil
}

// FetchList returns the preview of two members. The program of SilentList cannot be reached.
func (d Directory) FetchList(ctx context.Context, a actor.Actor, name string) (directory.Preview, error) {
	lists, err := d.FetchedLists(ctx, a)
	if err != nil {
		return directory.Preview{}, err
	}
	for _, l := range lists {
		switch {
		case l.Name != name:
		case name == SilentList:
			return directory.Preview{}, bad("source", name, "the program cannot be reached", "")
		default:
			return d.Preview(ctx, a, directory.Import{Name: name, Data: []byte("Ada Exemple\nBob Exemple\n")})
		}
	}
	return directory.Preview{}, missing("source", name)
}
