package api

import (
	"io"
	"net/http"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// badgeURL is the body of a request to add a badge by its address.
type badgeURL struct {
	URL string `json:"url"`
}

// badgeTypes returns the accepted content types of a badge: a form, a credential as JSON or JWT, a picture with a
// badge, or a ZIP with several of these.
func badgeTypes() []string {
	return []string{formType, jsonType, "application/ld+json", "application/vc+ld+json", "application/jwt",
		"application/vc+jwt",
		"image/png", "image/svg+xml", "application/zip", "text/plain", "application/octet-stream"}
}

// badgeAPI serves the routes of members' badges.
type badgeAPI struct {
	texts     *texts
	directory Directory
}

// routes returns the routes of badges. An upload may be larger than other bodies (uploadBody).
func (s *badgeAPI) routes() []Route {
	return []Route{
		{Method: "POST", Path: "/members/{member}/badges", Act: actor.WriteBadges, Query: []string{"name"},
			Types:   badgeTypes(),
			MaxBody: uploadBody, Answer: list[directory.Badge]{}, handle: s.addBadges},
		{Method: "POST", Path: "/badges", Act: actor.WriteBadges, Query: []string{"name"}, Types: badgeTypes(),
			MaxBody: uploadBody, Answer: list[directory.Badge]{}, handle: s.addBadges},
		{Method: "POST", Path: "/members/{member}/badges/url", Act: actor.WriteBadges, Body: badgeURL{},
			Answer: directory.Badge{}, handle: s.addBadgeURL},
		{Method: "GET", Path: "/members/{member}/badges/{badge}", Act: actor.ReadMembers, Produces: []string{fileType},
			handle: s.badgeFile},
		{Method: "DELETE", Path: "/members/{member}/badges/{badge}", Act: actor.WriteBadges, handle: s.removeBadge},
	}
}

// addBadges adds the badges of one member, or, at /badges, of the members that the badges name.
func (s *badgeAPI) addBadges(c *call) (answer, error) {
	if err := c.mayUpload(actor.WriteBadges); err != nil {
		return answer{}, err
	}
	name, data, _, err := c.upload()
	if err != nil {
		return answer{}, err
	}
	added, err := s.directory.Badges.AddBadges(c.ctx(), c.actor, c.member(), name, data)
	if err != nil {
		return answer{}, err
	}
	out := listOf(s.texts.saidBadges(c.lang, added))
	out.status = http.StatusCreated
	return out, nil
}

// mayUpload checks the permission before megabytes are read. The service would reject the request too, but only after
// the upload.
func (c *call) mayUpload(act actor.Act) error { return c.actor.May(act, c.ofMember()) }

// addBadgeURL fetches a badge from its https address and adds it to a member. The badge is stored whatever the result
// of its verification; the answer contains the result.
func (s *badgeAPI) addBadgeURL(c *call) (answer, error) {
	var in badgeURL
	if err := c.body(&in); err != nil {
		return answer{}, err
	}
	b, err := s.directory.Badges.AddBadgeURL(c.ctx(), c.actor, c.member(), in.URL)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: b}, nil
}

const fileType = "application/octet-stream"

// badgeFile returns the badge as it was added. It comes from outside the hub, so it is always sent as a file to save,
// never as a page.
func (s *badgeAPI) badgeFile(c *call) (answer, error) {
	name, data, err := s.directory.Badges.BadgeData(c.ctx(), c.actor, c.member(), c.id("badge"))
	if err != nil {
		return answer{}, err
	}
	return answer{mime: fileType, file: fileName(name), stream: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}, nil
}

// fileName returns a name that is safe in a header and as a file: letters, digits, dots and dashes.
func fileName(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '.' || r == '-' {
			return r
		}
		return '-'
	}, s[strings.LastIndexByte(s, '/')+1:])
	if s = strings.TrimLeft(s, ".-"); s == "" {
		return "badge"
	}
	return clip(s)
}

// removeBadge removes a badge from a member. This does not revoke the badge, so it can be added again.
func (s *badgeAPI) removeBadge(c *call) (answer, error) {
	return answer{}, s.directory.Badges.RemoveBadge(c.ctx(), c.actor, c.member(), c.id("badge"))
}
