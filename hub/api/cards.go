package api

import (
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/policy"
)

// newCard is the body of a request to add a card.
type newCard struct {
	Number string `json:"number"` // the card's id as a card reader reports it, or "hmac:" and 64 hexadecimal digits
	Note   string `json:"note,omitempty"`
}

// cardState is the body of a request to change the state of a card.
type cardState struct {
	State directory.CardState `json:"state"`
	Note  string              `json:"note,omitempty"`
}

// assignInput is the body of a request to assign a tapped card to a member.
type assignInput struct {
	Member policy.MemberID `json:"member"`
}

// cardAPI serves the routes of cards, and the routes of unknown cards that were tapped at a machine.
type cardAPI struct {
	directory Directory
}

// routes returns the routes of cards and of taps of unknown cards.
func (s *cardAPI) routes() []Route {
	return []Route{
		{Method: "POST", Path: "/members/{member}/cards", Act: actor.WriteCards, Body: newCard{}, Answer: directory.Card{},
			handle: s.addCard},
		{Method: "PUT", Path: "/members/{member}/cards/{card}", Act: actor.WriteCards, Body: cardState{}, handle: s.setCard},
		{Method: "DELETE", Path: "/members/{member}/cards/{card}", Act: actor.WriteCards, handle: s.removeCard},
		{Method: "GET", Path: "/taps", Act: actor.ReadTaps, Query: []string{"cursor", "limit"},
			Answer: list[directory.Tap]{}, handle: s.listTaps},
		{Method: "POST", Path: "/taps/{tap}/assign", Act: actor.WriteCards, Body: assignInput{}, Answer: directory.Card{},
			handle: s.assignTap},
	}
}

// addCard adds an active card to a member. A card that belongs to another member is refused.
func (s *cardAPI) addCard(c *call) (answer, error) {
	var in newCard
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	card, err := s.directory.Cards.AddCard(c.ctx(), c.actor, c.member(),
		directory.Card{Number: in.Number, Note: in.Note, State: directory.Active})
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: card}, nil
}

// setCard changes a card's state, for example to "lost".
func (s *cardAPI) setCard(c *call) (answer, error) {
	var in cardState
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.directory.Cards.SetCard(c.ctx(), c.actor, c.member(), c.id("card"), in.State, in.Note)
}

// removeCard removes a card from the card's member. After the removal, machines treat the card as unknown.
func (s *cardAPI) removeCard(c *call) (answer, error) {
	return answer{}, s.directory.Cards.RemoveCard(c.ctx(), c.actor, c.member(), c.id("card"))
}

// listTaps returns one page of the unknown cards that were tapped within the last 24 hours, the last tap first.
func (s *cardAPI) listTaps(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	found, next, err := s.directory.Taps.Unknown(c.ctx(), c.actor, directory.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return pageAnswer(c, found, next), nil
}

// assignTap assigns the unknown card of a tap to a member.
func (s *cardAPI) assignTap(c *call) (answer, error) {
	var in assignInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	card, err := s.directory.Taps.Assign(c.ctx(), c.actor, c.id("tap"), in.Member)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: card}, nil
}
