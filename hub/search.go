package hub

import (
	"context"
	"strconv"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/directory"
	"portillon/hub/fold"
	"portillon/hub/publish"
	"portillon/hub/search"
	"portillon/policy"
)

// Limits of what a search reads, because a search runs while a person types.
const (
	searchedVersions = 200
	searchedEntries  = 500 // newest entries of the audit log
)

// openSearch opens the search over all services.
func openSearch(h *Hub) {
	f := finder{h.services}
	h.pagesServer.search = search.New(
		search.Source{Kind: search.Members, Act: actor.ReadMembers, Find: f.searchMembers},
		search.Source{Kind: search.Cards, Act: actor.ReadMembers, Find: f.searchCards},
		search.Source{Kind: search.Machines, Act: actor.ReadMachines, Find: h.enrolments.searchMachines},
		search.Source{Kind: search.Badges, Act: actor.ReadPolicy, Find: f.searchBadges},
		search.Source{Kind: search.Policies, Act: actor.ReadPolicy, Find: f.searchPolicies},
		search.Source{Kind: search.Audit, Act: actor.ReadAudit, Find: f.searchAudit},
	)
}

// finder searches in the services of the hub.
type finder struct{ services *services }

// sameName returns a name that is the same in both languages.
func sameName(s string) policy.Text { return policy.Text{FR: s, EN: s} }

// searchMembers finds members by name, address, number, card and note.
func (f finder) searchMembers(ctx context.Context, a actor.Actor, text string, most int) ([]search.Hit, bool,
	error) {
	list, next, err := f.services.directory.Members.List(ctx, a, directory.Filter{Text: text}, directory.Page{Limit: most})
	var out []search.Hit
	for _, m := range list {
		h := search.Hit{ID: string(m.ID), Name: sameName(m.Name)}
		if len(m.Emails) > 0 {
			h.Detail = m.Emails[0]
		}
		out = append(out, h)
	}
	return out, next != "", err
}

// searchCards finds cards by member, number and note.
func (f finder) searchCards(ctx context.Context, a actor.Actor, text string, most int) ([]search.Hit, bool, error) {
	list, next, err := f.services.directory.Cards.Held(ctx, a, directory.CardFilter{Text: text},
		directory.Page{Limit: most})
	var out []search.Hit
	for _, c := range list {
		out = append(out, search.Hit{ID: c.ID, Name: sameName("…" + c.Last), Detail: c.Name, Member: c.Member})
	}
	return out, next != "", err
}

// searchMachines finds machines by id and name.
func (en *enrolments) searchMachines(ctx context.Context, a actor.Actor, text string, most int) (out []search.Hit,
	more bool, err error) {
	list, err := en.machines.Machines.List(ctx, a)
	for _, m := range list {
		name := en.services.policies.machineName(m.ID)
		if !fold.Contains(text, string(m.ID), name.FR, name.EN) {
			continue
		}
		if len(out) == most {
			return out, true, err
		}
		if name == (policy.Text{}) {
			name = sameName(string(m.ID))
		}
		out = append(out, search.Hit{ID: string(m.ID), Name: name})
	}
	return out, false, err
}

// searchBadges finds the badges of the policy in force by id and name. A hit has the badge's name.
func (f finder) searchBadges(_ context.Context, a actor.Actor, text string, most int) (out []search.Hit, more bool,
	err error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return nil, false, err
	}
	now := f.services.policies.forNames()
	if now == nil {
		return nil, false, nil
	}
	for _, b := range now.Badges {
		if !fold.Contains(text, string(b.ID), b.Name.FR, b.Name.EN) {
			continue
		}
		if len(out) == most {
			return out, true, nil
		}
		out = append(out, search.Hit{ID: string(b.ID), Name: b.Name})
	}
	return out, false, nil
}

// searchPolicies finds the newest versions of the policy by number, comment and author.
func (f finder) searchPolicies(ctx context.Context, a actor.Actor, text string, most int) (out []search.Hit,
	more bool, err error) {
	list, _, err := f.services.publish.Policies.Versions(ctx, a, publish.Page{Limit: searchedVersions})
	for _, v := range list {
		number := strconv.FormatInt(v.Number, 10)
		if !fold.Contains(text, number, v.Comment, v.By) {
			continue
		}
		if len(out) == most {
			return out, true, err
		}
		out = append(out, search.Hit{ID: number, Name: sameName(number), Detail: v.Comment, At: v.At})
	}
	return out, false, err
}

// searchAudit finds the newest entries of the audit log by author, object and details.
func (f finder) searchAudit(ctx context.Context, a actor.Actor, text string, most int) (out []search.Hit, more bool,
	err error) {
	list, _, err := f.services.audit.Entries(ctx, a, audit.Page{Limit: searchedEntries})
	for _, e := range list {
		if !fold.Contains(text, e.Name, e.On, e.Detail) {
			continue
		}
		if len(out) == most {
			return out, true, err
		}
		out = append(out, search.Hit{ID: strconv.FormatUint(e.Seq, 10), Name: sameName(e.Name), Detail: e.Detail, Act: e.Act,
			About: e.On, At: e.At})
	}
	return out, false, err
}
