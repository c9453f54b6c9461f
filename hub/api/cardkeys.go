package api

import (
	"portillon/hub/actor"
	"portillon/hub/cardkey"
)

func (s *API) cardKeyRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/card-key", Act: actor.EnrolMachines, Answer: cardkey.Status{}, handle: s.getCardKey},
		{Method: "POST", Path: "/card-key/rotate", Act: actor.EnrolMachines, Body: reasonInput{}, IfMatch: true,
			handle: s.rotateCardKey},
		{Method: "POST", Path: "/card-key/end", Act: actor.EnrolMachines, IfMatch: true, handle: s.endCardKey},
	}
}

// getCardKey says which cards and machines still hang on the card key before. The key itself is never in an answer.
func (s *API) getCardKey(c *call) (answer, error) {
	k, err := s.o.CardKeys.Status(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: k, version: k.Version}, nil
}

func (s *API) rotateCardKey(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in reasonInput
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.o.CardKeys.Rotate(c.ctx(), c.actor, version, in.Reason)
}

func (s *API) endCardKey(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.o.CardKeys.End(c.ctx(), c.actor, version)
}
