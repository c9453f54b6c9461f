package web

import (
	"net/url"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fold"
	"portillon/hub/search"
)

// searchPages serves the search over members, cards, machines, badges, policy versions, the audit log and pages.
type searchPages struct {
	search Search
	words  words
	menu   func(actor.Actor) []entry
}

// routes returns the page.
func (p *searchPages) routes() []route { return []route{{"GET /search", p.find}} }

// searchPage is the data of the page.
type searchPage struct {
	Text   string
	Pages  []entry // pages of the navigation whose names match
	Groups []searchGroup
	Count  int
	Bad    []string // why the search was refused
}

// searchGroup is a group of hits with the address of the list that contains all hits.
type searchGroup struct {
	search.Group
	All string // address of the list with all results; empty: no list
}

// find answers GET /search. The script fetches this page while the user types, and shows its element with the id finds.
func (p *searchPages) find(q *request) error {
	d := searchPage{Text: strings.TrimSpace(q.r.URL.Query().Get("q"))}
	groups, err := p.search.Search(ctxOf(q), q.actor, d.Text)
	if faults := invalid(err); faults != nil {
		for _, f := range faults {
			d.Bad = append(d.Bad, f.Wrong)
		}
		return q.render(422, "search", "", "search.title", d)
	}
	if err != nil {
		return err
	}
	d.Pages = p.pages(q.actor, d.Text)
	d.Count = len(d.Pages)
	for _, g := range groups {
		d.Groups = append(d.Groups, searchGroup{g, allOf(g, d.Text)})
		d.Count += len(g.Hits)
	}
	return q.render(200, "search", "", "search.title", d)
}

// pages returns the pages of the user's navigation whose names contain all words of a text, in either language.
func (p *searchPages) pages(a actor.Actor, text string) (out []entry) {
	for _, e := range p.menu(a) {
		name := p.words["nav."+e.Key]
		if fold.Contains(text, name.FR, name.EN) {
			out = append(out, e)
		}
	}
	return out
}

// allOf returns the address of the list that contains all results of a group; empty: the group is complete, or there is
// no such list.
func allOf(g search.Group, text string) string {
	if !g.More {
		return ""
	}
	query := "?" + url.Values{"q": {text}}.Encode()
	switch g.Kind {
	case search.Members:
		return "/members" + query
	case search.Cards:
		return "/cards" + query
	case search.Machines:
		return "/machines"
	case search.Badges, search.Policies:
		return "/policy"
	case search.Audit:
		return "/settings/audit"
	}
	return ""
}

// Link returns the address of a hit's page.
func (g searchGroup) Link(a actor.Actor, h search.Hit) string {
	id := url.PathEscape(h.ID)
	switch g.Kind {
	case search.Members:
		return "/members/" + id
	case search.Cards:
		return "/members/" + url.PathEscape(string(h.Member)) + "#cards"
	case search.Machines:
		return "/machines/" + id
	case search.Badges:
		if a.May(actor.ReadMembers, actor.Target{}) == nil { // the members who have the badge
			return "/members?" + url.Values{"badge": {h.ID}}.Encode()
		}
		return "/policy"
	case search.Policies:
		return "/policy/versions/" + id
	}
	return "/settings/audit"
}
