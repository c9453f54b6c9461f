package webtest

import (
	"context"
	"fmt"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fold"
	"portillon/hub/search"
	"portillon/policy"
)

// Search implements web.Search over the data of the site.
type Search struct{ Site *Site }

// Search finds members, cards, machines, badges, policy versions and audit entries.
func (s Search) Search(ctx context.Context, a actor.Actor, text string) ([]search.Group, error) {
	return search.New(
		search.Source{Kind: search.Members, Act: actor.ReadMembers, Find: s.members},
		search.Source{Kind: search.Cards, Act: actor.ReadMembers, Find: s.cards},
		search.Source{Kind: search.Machines, Act: actor.ReadMachines, Find: s.machines},
		search.Source{Kind: search.Badges, Act: actor.ReadPolicy, Find: s.badges},
		search.Source{Kind: search.Policies, Act: actor.ReadPolicy, Find: s.policies},
		search.Source{Kind: search.Audit, Act: actor.ReadAudit, Find: s.audit},
	).Search(ctx, a, text)
}

// both returns a name that is the same in both languages.
func both(s string) policy.Text { return policy.Text{FR: s, EN: s} }

func (s Search) members(ctx context.Context, a actor.Actor, text string, most int) (out []search.Hit, more bool,
	err error) {
	list, next, err := Directory(s).List(ctx, a, directory.Filter{Text: text}, directory.Page{Limit: most})
	for _, m := range list {
		out = append(out, search.Hit{ID: string(m.ID), Name: both(m.Name), Detail: m.Note})
	}
	return out, next != "", err
}

func (s Search) cards(ctx context.Context, a actor.Actor, text string, most int) (out []search.Hit, more bool,
	err error) {
	list, next, err := Directory(s).Held(ctx, a, directory.CardFilter{Text: text}, directory.Page{Limit: most})
	for _, c := range list {
		out = append(out, search.Hit{ID: c.ID, Name: both("…" + c.Last), Detail: c.Name, Member: c.Member})
	}
	return out, next != "", err
}

func (s Search) machines(ctx context.Context, a actor.Actor, text string, _ int) (out []search.Hit, more bool,
	err error) {
	list, err := Machines(s).List(ctx, a)
	for _, m := range list {
		if name := MachineName(m.ID); fold.Contains(text, string(m.ID), name.FR, name.EN) {
			out = append(out, search.Hit{ID: string(m.ID), Name: name})
		}
	}
	return out, false, err
}

func (s Search) badges(_ context.Context, a actor.Actor, text string, _ int) (out []search.Hit, more bool, err error) {
	leave, err := s.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return nil, false, err
	}
	defer leave()
	for _, b := range badges() {
		if fold.Contains(text, string(b.id), b.fr) {
			out = append(out, search.Hit{ID: string(b.id), Name: both(b.fr)})
		}
	}
	return out, false, nil
}

func (s Search) policies(_ context.Context, a actor.Actor, text string, _ int) (out []search.Hit, more bool,
	err error) {
	leave, err := s.Site.enter(a, actor.ReadPolicy, actor.Target{})
	if err != nil {
		return nil, false, err
	}
	defer leave()
	for _, v := range s.Site.policies {
		if fold.Contains(text, v.Comment, v.By) {
			out = append(out, search.Hit{ID: fmt.Sprint(v.Number), Detail: v.Comment, At: v.At})
		}
	}
	return out, false, nil
}

func (s Search) audit(_ context.Context, a actor.Actor, text string, _ int) (out []search.Hit, more bool, err error) {
	leave, err := s.Site.enter(a, actor.ReadAudit, actor.Target{})
	if err != nil {
		return nil, false, err
	}
	defer leave()
	for _, e := range s.Site.access.audit {
		if fold.Contains(text, e.Name, e.On, e.Detail) {
			out = append(out, search.Hit{ID: fmt.Sprint(e.Seq), Name: both(e.Name), Detail: e.Detail, Act: e.Act, About: e.On,
				At: e.At})
		}
	}
	return out, false, nil
}
