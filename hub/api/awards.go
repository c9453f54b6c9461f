package api

import (
	"io"
	"net/http"

	"portillon/hub/actor"
	"portillon/hub/issue"
	"portillon/policy"
)

// awardAPI serves the routes of the badges that the hub issues.
type awardAPI struct {
	issuing Issuing
}

// routes returns the routes of badges that the hub issues.
func (s *awardAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/awards", Act: actor.AwardBadges, Query: []string{"cursor", "limit", "member", "badge"},
			Answer: list[issue.Issued]{}, handle: s.listAwards},
		{Method: "POST", Path: "/awards", Act: actor.AwardBadges, Body: issue.Award{}, Answer: list[issue.Issued]{},
			handle: s.award},
		{Method: "GET", Path: "/awards/{award}", Act: actor.AwardBadges, Answer: issue.Issued{}, handle: s.getAward},
		{Method: "GET", Path: "/awards/{award}/badge.png", Act: actor.AwardBadges, Produces: []string{pngType},
			handle: s.bakedBadge},
		{Method: "POST", Path: "/awards/{award}/undo", Act: actor.AwardBadges, handle: s.undoAward},
		{Method: "POST", Path: "/awards/{award}/revoke", Act: actor.AwardBadges, Body: reasonInput{},
			handle: s.revokeAward},
		{Method: "GET", Path: "/badge-classes", Act: actor.AwardBadges, Answer: list[issue.Class]{},
			handle: s.listClasses},
		{Method: "GET", Path: "/badge-classes/{class}", Act: actor.AwardBadges, Answer: issue.Class{}, handle: s.getClass},
		{Method: "PUT", Path: "/badge-classes/{class}", Act: actor.AwardBadges, Body: issue.Texts{}, IfMatch: true,
			Answer: issue.Class{}, handle: s.setClass},
	}
}

const pngType = "image/png"

// listAwards returns the issued badges, the newest first.
func (s *awardAPI) listAwards(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	f := issue.Filter{Member: policy.MemberID(c.query.Get("member")), Badge: policy.BadgeID(c.query.Get("badge"))}
	all, next, err := s.issuing.Issued(c.ctx(), c.actor, f, issue.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return pageAnswer(c, all, next), nil
}

// award issues a badge to all members that the body names, or to none of them.
func (s *awardAPI) award(c *call) (answer, error) {
	var in issue.Award
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	all, err := s.issuing.Award(c.ctx(), c.actor, in)
	if err != nil {
		return answer{}, err
	}
	out := listAnswer(all)
	out.status = http.StatusCreated
	return out, nil
}

// getAward returns one issued badge.
func (s *awardAPI) getAward(c *call) (answer, error) {
	n, err := s.issuing.Get(c.ctx(), c.actor, c.id("award"))
	return answer{body: n}, err
}

// bakedBadge returns a picture that contains the badge.
func (s *awardAPI) bakedBadge(c *call) (answer, error) {
	name, data, err := s.issuing.Baked(c.ctx(), c.actor, c.id("award"))
	if err != nil {
		return answer{}, err
	}
	return answer{mime: pngType, file: fileName(name), stream: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}, nil
}

// undoAward takes a badge back within an hour after its issue.
func (s *awardAPI) undoAward(c *call) (answer, error) {
	return answer{}, s.issuing.Undo(c.ctx(), c.actor, c.id("award"))
}

// revokeAward revokes a badge.
func (s *awardAPI) revokeAward(c *call) (answer, error) {
	var in reasonInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	return answer{}, s.issuing.Revoke(c.ctx(), c.actor, c.id("award"), in.Reason)
}

// listClasses returns the badges that the hub can issue.
func (s *awardAPI) listClasses(c *call) (answer, error) {
	all, err := s.issuing.Classes(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return listAnswer(all), nil
}

// classAnswer returns the response with a badge that the hub can issue. The ETag of a class whose texts nobody has
// written is "0", which writeAnswer does not set by itself.
func classAnswer(c *call, x issue.Class) answer {
	if x.Version == 0 {
		c.w.Header().Set("ETag", etag(0))
	}
	return answer{body: x, version: x.Version}
}

// getClass returns one badge that the hub can issue.
func (s *awardAPI) getClass(c *call) (answer, error) {
	x, err := s.issuing.Class(c.ctx(), c.actor, policy.BadgeID(c.id("class")))
	if err != nil {
		return answer{}, err
	}
	return classAnswer(c, x), nil
}

// setClass writes the texts of a class.
func (s *awardAPI) setClass(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in issue.Texts
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	x, err := s.issuing.SetClass(c.ctx(), c.actor, policy.BadgeID(c.id("class")), version, in)
	if err != nil {
		return answer{}, err
	}
	return classAnswer(c, x), nil
}
