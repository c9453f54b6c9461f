package api

import (
	"time"

	"portillon/hub/actor"
	"portillon/hub/search"
	"portillon/policy"
)

// hit is the JSON form of a search.Hit, with names in the language of the response.
type hit struct {
	ID     string          `json:"id"`
	Name   string          `json:"name"`
	Detail string          `json:"detail,omitempty"`
	Member policy.MemberID `json:"member,omitempty"`
	Act    actor.Act       `json:"act,omitempty"`
	About  string          `json:"about,omitempty"`
	At     time.Time       `json:"at,omitzero"`
}

// hitGroup is the JSON form of a search.Group.
type hitGroup struct {
	Kind search.Kind `json:"kind"`
	Hits []hit       `json:"hits"`
	More bool        `json:"more,omitempty"`
}

// searchAPI serves the search.
type searchAPI struct{ search Search }

// routes returns the route of the search. A search needs the permission of at least one kind of object, and its
// response leaves out the kinds for which the client has no permission.
func (s *searchAPI) routes() []Route {
	return []Route{{Method: "GET", Path: "/search", Act: actor.ReadMachines, Query: []string{"q"},
		Answer: list[hitGroup]{}, handle: s.find}}
}

// find returns the first results of each kind.
func (s *searchAPI) find(c *call) (answer, error) {
	groups, err := s.search.Search(c.ctx(), c.actor, c.query.Get("q"))
	if err != nil {
		return answer{}, err
	}
	var out []hitGroup
	for _, g := range groups {
		to := hitGroup{Kind: g.Kind, More: g.More}
		for _, h := range g.Hits {
			to.Hits = append(to.Hits, hit{ID: h.ID, Name: h.Name.In(c.lang), Detail: h.Detail, Member: h.Member, Act: h.Act,
				About: h.About, At: h.At})
		}
		out = append(out, to)
	}
	return listAnswer(out), nil
}
