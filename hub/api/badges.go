package api

import (
	"io"
	"net/http"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/directory"
)

// badgeURL is the body of a request to add a badge by the badge's URL.
type badgeURL struct {
	URL string `json:"url"`
}

// badgeTypes returns the accepted content types of a badge: a form, a credential as JSON or JWT, a picture that
// contains a badge, or a ZIP file with several badges.
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

// routes returns the routes of badges. An upload of badges may be larger than other request bodies (uploadBody).
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
			handle: s.downloadBadge},
		{Method: "DELETE", Path: "/members/{member}/badges/{badge}", Act: actor.WriteBadges, handle: s.removeBadge},
	}
}

// addBadges adds the uploaded badges. If the path contains a member, that member gets the badges; at the path /badges,
// each badge goes to the member whom the badge names.
func (s *badgeAPI) addBadges(c *call) (answer, error) {
	if err := c.checkUploadPermission(actor.WriteBadges); err != nil {
		return answer{}, err
	}
	name, data, _, err := c.readUpload()
	if err != nil {
		return answer{}, err
	}
	added, err := s.directory.Badges.AddBadges(c.ctx(), c.actor, c.member(), name, data)
	if err != nil {
		return answer{}, err
	}
	out := listAnswer(s.texts.translateBadges(c.lang, added))
	out.status = http.StatusCreated
	return out, nil
}

// checkUploadPermission checks the permission before the upload is read. The service also checks the permission, but
// only after the upload.
func (c *call) checkUploadPermission(act actor.Act) error { return c.actor.May(act, c.memberTarget()) }

// addBadgeURL fetches a badge from an https URL and adds the badge to a member. The badge is stored even if its
// verification fails. The response contains the result of the verification.
func (s *badgeAPI) addBadgeURL(c *call) (answer, error) {
	var in badgeURL
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	b, err := s.directory.Badges.AddBadgeURL(c.ctx(), c.actor, c.member(), in.URL)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: b}, nil
}

const fileType = "application/octet-stream"

// downloadBadge returns the original file of a badge. The response is always a download, never a page, because the file
// comes from outside the hub and is not trusted.
func (s *badgeAPI) downloadBadge(c *call) (answer, error) {
	name, data, err := s.directory.Badges.BadgeData(c.ctx(), c.actor, c.member(), c.id("badge"))
	if err != nil {
		return answer{}, err
	}
	return answer{mime: fileType, file: fileName(name), stream: func(w io.Writer) error {
		_, err := w.Write(data)
		return err
	}}, nil
}

// fileName returns a name that is safe in a header and in a file system, with only letters, digits, dots and dashes.
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

// removeBadge removes a badge from a member. The removed badge is not revoked, so an administrator can add the badge
// again.
func (s *badgeAPI) removeBadge(c *call) (answer, error) {
	return answer{}, s.directory.Badges.RemoveBadge(c.ctx(), c.actor, c.member(), c.id("badge"))
}
