package web

import (
	"net/url"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// cardPages serves the pages of members' cards, and of unknown cards that were tapped.
type cardPages struct {
	members   *memberPages
	directory Directory
}

// routes returns the pages and forms of cards.
func (p *cardPages) routes() []route {
	return []route{{"GET /cards", p.cards}, {"GET /cards/unknown/{tap}", p.assignPage}, {"POST /cards/unknown/{tap}",
		p.assign}}
}

// cardsPage is a part of the list of cards, with the filters that selected it.
type cardsPage struct {
	Cards []directory.HeldCard
	State string
	Text  string
	Idle  bool
	Next  string
	Taps  []directory.Tap
}

// States returns the states of a card, for the filter.
func (cardsPage) States() []directory.CardState {
	return []directory.CardState{directory.Active, directory.Lost, directory.Blocked, directory.Replaced}
}

// cards answers GET /cards with the members' cards, sorted by member, and the latest taps of unknown cards.
func (p *cardPages) cards(q *request) error {
	v := q.r.URL.Query()
	d := cardsPage{State: v.Get("state"), Text: strings.TrimSpace(v.Get("q")), Idle: v.Get("state") == "idle"}
	f := directory.CardFilter{State: directory.CardState(d.State), Text: d.Text, Idle: d.Idle}
	if d.Idle {
		f.State = ""
	}
	list, next, err := p.directory.Cards.Held(ctxOf(q), q.actor, f, directory.Page{After: v.Get("after")})
	if err != nil {
		return err
	}
	d.Cards = list
	if next != "" {
		d.Next = "/cards?" + url.Values{"state": {d.State}, "q": {d.Text}, "after": {next}}.Encode()
	}
	taps, _, err := p.directory.Taps.Unknown(ctxOf(q), q.actor, directory.Page{Limit: 20})
	if err = ignoreDenied(err); err != nil {
		return err
	}
	d.Taps = taps
	return q.render(200, "cards", "cards", "cards.title", d)
}

// assignPage is the data of the page on which an unknown card is assigned to a member.
type assignPage struct {
	Tap   directory.Tap
	Found found
}

// maxTaps is the number of recent taps among which a page searches for an unknown card.
const maxTaps = 500

// assignPage answers GET /cards/unknown/{tap}.
func (p *cardPages) assignPage(q *request) error {
	if err := q.actor.May(actor.WriteCards, actor.Target{}); err != nil {
		return err
	}
	taps, _, err := p.directory.Taps.Unknown(ctxOf(q), q.actor, directory.Page{Limit: maxTaps})
	if err != nil {
		return err
	}
	for _, t := range taps {
		if t.ID != q.r.PathValue("tap") {
			continue
		}
		f, err := p.members.find(q, "/cards/unknown/"+url.PathEscape(t.ID), 20)
		if err != nil {
			return err
		}
		return q.render(200, "assign", "cards", "assign.title", assignPage{t, f})
	}
	return errNoPage
}

// assign answers POST /cards/unknown/{tap}.
func (p *cardPages) assign(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	id := policy.MemberID(v.Get("member"))
	if _, err := p.directory.Taps.Assign(ctxOf(q), q.actor, q.r.PathValue("tap"), id); err != nil {
		return err
	}
	return q.redirect("/members/"+url.PathEscape(string(id))+"#cards", "card-assigned")
}
