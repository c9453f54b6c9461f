package api

import (
	"portillon/hub/actor"
	"portillon/hub/cardkey"
)

// cardKeyAPI serves the routes of the site's card key.
type cardKeyAPI struct {
	keys CardKeys
}

// routes returns the routes of the site's card key.
func (s *cardKeyAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/card-key", Act: actor.EnrolMachines, Answer: cardkey.Status{}, handle: s.getCardKey},
		{Method: "POST", Path: "/card-key/rotate", Act: actor.EnrolMachines, Body: reasonInput{}, IfMatch: true,
			handle: s.rotateCardKey},
		{Method: "POST", Path: "/card-key/end", Act: actor.EnrolMachines, IfMatch: true, handle: s.endCardKey},
	}
}

// getCardKey returns the state of the card key, with the cards and machines that still depend on the previous key. No
// response of the API contains a card key.
func (s *cardKeyAPI) getCardKey(c *call) (answer, error) {
	k, err := s.keys.Status(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: k, version: k.Version}, nil
}

// rotateCardKey begins a change of the card key. If-Match must name the version of the state of the card key.
func (s *cardKeyAPI) rotateCardKey(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in reasonInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.keys.Rotate(c.ctx(), c.actor, version, in.Reason)
}

// endCardKey ends a change of the card key. Cards that still depend on the previous key stop working.
func (s *cardKeyAPI) endCardKey(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.keys.End(c.ctx(), c.actor, version)
}
