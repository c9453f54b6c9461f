package web

import (
	"net/url"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

func (p *Pages) cardRoutes() []route {
	return []route{{"GET /cards", p.cards}, {"GET /cards/unknown/{tap}", p.assignPage}, {"POST /cards/unknown/{tap}",
		p.assign}}
}

// held is a card and who has it.
type held struct {
	directory.Card
	Member directory.Member
}

type cardsPage struct {
	Cards []held
	State string
	Next  string
	Taps  []directory.Tap
}

// States are the states that a card can have.
func (cardsPage) States() []directory.CardState {
	return []directory.CardState{directory.Active, directory.Lost, directory.Blocked, directory.Replaced}
}

// maxWalk bounds how many members one page looks through for cards of the state asked for.
const maxWalk = 500

// cards lists the cards of members, in the members' order.
func (p *Pages) cards(q *request) error {
	v := q.r.URL.Query()
	d := cardsPage{State: v.Get("state")}
	after, walked := v.Get("after"), 0
	for {
		limit := 50
		if d.State != "" {
			limit = maxWalk
		}
		list, next, err := p.Directory.Members(ctxOf(q), q.actor, directory.Filter{}, directory.Page{After: after,
			Limit: limit})
		if err != nil {
			return err
		}
		for _, m := range list {
			for _, c := range m.Cards {
				if d.State == "" || string(c.State) == d.State {
					d.Cards = append(d.Cards, held{c, m})
				}
			}
		}
		after, walked = next, walked+len(list)
		if next == "" || len(d.Cards) >= 50 || walked >= maxWalk {
			break
		}
	}
	if after != "" {
		d.Next = "/cards?" + url.Values{"state": {d.State}, "after": {after}}.Encode()
	}
	taps, _, err := p.Directory.Taps(ctxOf(q), q.actor, directory.Page{Limit: 20})
	if err = optional(err); err != nil {
		return err
	}
	d.Taps = taps
	return q.render(200, "cards", "cards", "cards.title", d)
}

type assignPage struct {
	Tap   directory.Tap
	Found found
}

// maxTaps bounds how far back an unknown tap is looked for.
const maxTaps = 500

func (p *Pages) assignPage(q *request) error {
	if err := q.actor.May(actor.WriteCards, actor.Target{}); err != nil {
		return err
	}
	taps, _, err := p.Directory.Taps(ctxOf(q), q.actor, directory.Page{Limit: maxTaps})
	if err != nil {
		return err
	}
	for _, t := range taps {
		if t.ID != q.r.PathValue("tap") {
			continue
		}
		f, err := q.find("/cards/unknown/"+url.PathEscape(t.ID), 20)
		if err != nil {
			return err
		}
		return q.render(200, "assign", "cards", "assign.title", assignPage{t, f})
	}
	return errNoPage
}

func (p *Pages) assign(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	id := policy.MemberID(v.Get("member"))
	if _, err := p.Directory.Assign(ctxOf(q), q.actor, q.r.PathValue("tap"), id); err != nil {
		return err
	}
	return q.to("/members/"+url.PathEscape(string(id))+"#cards", "card-assigned")
}
