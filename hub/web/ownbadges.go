package web

import (
	"net/url"
	"strconv"
	"strings"

	"portillon/hub/issue"
	"portillon/openbadge"
)

// ownBadgePages serves the badges of the user's own member that the hub has issued, and their public pages.
type ownBadgePages struct {
	own     OwnBadges
	members Members
}

// routes returns the pages and forms.
func (p *ownBadgePages) routes() []route {
	return []route{{"GET /me/badges", p.badges}, {"POST /me/badges/{award}/show", p.show},
		{"GET /me/badges/{award}", p.sheet}}
}

// ownBadgesPage is the data of the list of the user's own badges.
type ownBadgesPage struct {
	Badges []issue.Own
	Name   string // name of the member, which a public page proposes
	Form   form   // faults of a rejected form
}

// badges answers GET /me/badges.
func (p *ownBadgePages) badges(q *request) error { return p.list(q, 200, form{}) }

// list renders the user's own badges. f has the faults of a rejected form.
func (p *ownBadgePages) list(q *request, status int, f form) error {
	all, err := p.own.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	m, err := p.members.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(status, "mebadges", "me", "me.badges", ownBadgesPage{all, m.Name, f})
}

// show answers POST /me/badges/{award}/show.
func (p *ownBadgePages) show(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	on := v.Get("shown") == "on"
	err = p.own.Show(ctxOf(q), q.actor, q.r.PathValue("award"), on, v.Get("name"))
	if faults := invalid(err); faults != nil {
		return p.list(q, 422, form{ID: "show", Faults: faults})
	}
	if err != nil {
		return err
	}
	if on {
		return q.redirect("/me/badges", "badge-shown")
	}
	return q.redirect("/me/badges", "badge-hidden")
}

// sheetPage is the data of the sheet of one badge for printing.
type sheetPage struct {
	Own    issue.Own
	Member string
	Square *qrCode // address of the public page; nil: the page is not public
}

// title returns the title of the page.
func (d sheetPage) title(tongue) string { return d.Own.Class.Name }

// sheet answers GET /me/badges/{award} with a page for printing.
func (p *ownBadgePages) sheet(q *request) error {
	all, err := p.own.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	m, err := p.members.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	for _, x := range all {
		if x.Issued.ID != q.r.PathValue("award") {
			continue
		}
		d := sheetPage{Own: x, Member: m.Name}
		if x.Shown {
			d.Member, d.Square = x.Name, newSquare(x.Address)
		}
		return q.render(200, "mebadge", "me", "me.badges", d)
	}
	return errNoPage
}

// linkedIn returns the address that adds a badge to the profile of its member at LinkedIn. The parameters are those of
// LinkedIn's "Add to profile" (addtoprofile.linkedin.com).
func linkedIn(x issue.Own) string {
	v := url.Values{"startTask": {"CERTIFICATION_NAME"}, "name": {x.Class.Name}, "certUrl": {x.Address},
		"certId":    {x.Issued.ID},
		"issueYear": {strconv.Itoa(x.Issued.At.Year())}, "issueMonth": {strconv.Itoa(int(x.Issued.At.Month()))}}
	if until := x.Issued.Until; !until.IsZero() {
		v.Set("expirationYear", strconv.Itoa(until.Year()))
		v.Set("expirationMonth", strconv.Itoa(int(until.Month())))
	}
	return "https://www.linkedin.com/profile/add?" + v.Encode()
}

// LinkedIn returns the address that adds a badge to the profile of its member.
func (ownBadgesPage) LinkedIn(x issue.Own) string { return linkedIn(x) }

// publicBadges serves the badges that their members show to everybody.
type publicBadges struct{ own OwnBadges }

// badgePage is the data of the public page of a badge.
type badgePage struct {
	issue.Shown
	Verdict *openbadge.Verdict // result of the verification; nil: the visitor has not asked for it
	Expired bool
}

// title returns the title of the page.
func (d badgePage) title(tongue) string { return d.Own.Class.Name }

// State returns the state of the badge: revoked, expired, or valid.
func (d badgePage) State() string {
	switch {
	case d.Own.Issued.Revoked != nil:
		return "revoked"
	case d.Expired:
		return "expired"
	}
	return "valid"
}

// Passed reports whether the outcome of a check is good, or the check does not apply.
func (badgePage) Passed(c openbadge.Check) bool {
	return c.Outcome == "ok" || c.Outcome == "none" || c.Outcome == "not used" || c.Outcome == "not judged"
}

// badge answers GET /issuer/badges/{badge}: with a page for browsers, and with the signed badge for programs, which ask
// for JSON or for the media type of a verifiable credential. The answer for an unknown badge and for a badge that its
// member does not show is the same.
func (p *publicBadges) badge(q *request) error {
	x, err := p.own.Public(ctxOf(q), q.r.PathValue("badge"))
	if err != nil {
		return err
	}
	h := q.w.Header()
	h.Set("Vary", "Accept, Accept-Language, Cookie")
	h.Set("X-Robots-Tag", "noindex")
	if asksForData(q.r.Header.Get("Accept")) {
		h.Set("Access-Control-Allow-Origin", "*") // verifiers in browsers read the badge
		return q.write(x.ContentType, x.Data)
	}
	until := x.Own.Issued.Until
	d := badgePage{Shown: x, Expired: !until.IsZero() && !q.p.o.Now().Before(until)}
	if q.r.URL.Query().Has("verify") {
		v, err := p.own.Verify(ctxOf(q), x.Own.Issued.ID)
		if err != nil {
			return err
		}
		d.Verdict = &v
	}
	return q.render(200, "badge", "", "badge.title", d)
}

// asksForData reports whether a client asks for the badge itself: for a JSON or JWT media type before, or without,
// HTML. Browsers ask for text/html first.
func asksForData(accept string) bool {
	for _, part := range strings.Split(accept, ",") {
		kind, _, _ := strings.Cut(part, ";")
		switch kind = strings.ToLower(strings.TrimSpace(kind)); {
		case kind == "text/html", kind == "application/xhtml+xml":
			return false
		case kind == "application/json", strings.HasSuffix(kind, "+json"), strings.HasSuffix(kind, "+jwt"):
			return true
		}
	}
	return false
}
