package web

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/hub/issue"
	"portillon/openbadge"
	"portillon/policy"
)

// awardPages serves the pages of the badges that the hub issues.
type awardPages struct {
	issuing   Issuing
	directory Directory
	zone      func() *time.Location
}

// routes returns the pages and forms.
func (p *awardPages) routes() []route {
	return []route{
		{"GET /awards", p.awards}, {"GET /awards/new", p.newAward}, {"POST /awards", p.award},
		{"GET /awards/{award}/badge.png", p.baked}, {"POST /awards/{award}/undo", p.undo},
		{"POST /awards/{award}/revoke", p.revoke}, {"GET /badge-classes/{class}", p.class},
		{"POST /badge-classes/{class}", p.setClass},
	}
}

// awardsPage is the data of the list of issued badges.
type awardsPage struct {
	Issued  []issue.Issued
	Names   map[policy.MemberID]string
	Classes []issue.Class
	Next    string
	Form    form // faults of the policy, and of a rejected revocation
}

// Name returns the name of a member, or the id if the user may not read names.
func (d awardsPage) Name(id policy.MemberID) string { return nameIn(d.Names, id) }

// nameIn returns the name of a member in names, or the id.
func nameIn(names map[policy.MemberID]string, id policy.MemberID) string {
	if s := names[id]; s != "" {
		return s
	}
	return string(id)
}

// awards answers GET /awards.
func (p *awardPages) awards(q *request) error { return p.showAwards(q, 200, nil) }

// showAwards renders the list of issued badges. faults are those of a rejected revocation.
func (p *awardPages) showAwards(q *request, status int, faults []fault.Field) error {
	v := q.r.URL.Query()
	f := issue.Filter{Member: policy.MemberID(v.Get("member")), Badge: policy.BadgeID(v.Get("badge"))}
	all, next, err := p.issuing.Issued(ctxOf(q), q.actor, f, issue.Page{After: v.Get("after")})
	if err != nil {
		return err
	}
	d := awardsPage{Issued: all, Form: form{ID: "awards", Faults: faults}}
	if next != "" {
		d.Next = "/awards?" + url.Values{"member": {string(f.Member)}, "badge": {string(f.Badge)}, "after": {next}}.Encode()
	}
	var ids []policy.MemberID
	for _, n := range all {
		ids = append(ids, n.Member)
	}
	if d.Names, err = p.names(q, ids); err != nil {
		return err
	}
	// If the policy does not have the hub's key, show what the policy lacks.
	d.Classes, err = p.issuing.Classes(ctxOf(q), q.actor)
	if missing := invalid(err); missing != nil {
		d.Form.Faults = append(d.Form.Faults, missing...)
	} else if err != nil {
		return err
	}
	return q.render(status, "awards", "awards", "awards.title", d)
}

// names returns the names of members. names leaves out members whom the user may not read, and former members.
func (p *awardPages) names(q *request, ids []policy.MemberID) (map[policy.MemberID]string, error) {
	out := map[policy.MemberID]string{}
	if q.actor.May(actor.ReadMembers, actor.Target{}) != nil {
		return out, nil
	}
	for _, id := range ids {
		if _, known := out[id]; known || id == "" {
			continue
		}
		m, err := p.directory.Members.Get(ctxOf(q), q.actor, id)
		if err != nil && !isMissing(err) {
			return nil, err
		}
		out[id] = m.Name
	}
	return out, nil
}

// isMissing reports whether err means that an object does not exist.
func isMissing(err error) bool {
	var missing *fault.NotFound
	return errors.As(err, &missing)
}

// newAwardPage is the data of the page on which a user chooses a badge and members, and then decides.
type newAwardPage struct {
	Classes []issue.Class
	Class   *issue.Class // the chosen badge; nil: none is chosen
	Chosen  []directory.Member
	Found   []directory.Member // members whom the search finds and who are not chosen
	Text    string
	Decide  bool // true: badge and members are chosen
	Form    form
}

// mostFound is the number of members that the search shows.
const mostFound = 20

// newAward answers GET /awards/new. The form of the choice is sent with GET, so that the address contains the choice.
func (p *awardPages) newAward(q *request) error {
	v := q.r.URL.Query()
	d, err := p.choice(q, v)
	if err != nil {
		return err
	}
	if d.Decide = v.Get("step") == "decide" && d.Class != nil && len(d.Chosen) > 0; d.Decide {
		return q.render(200, "newaward", "awards", "award.title", d)
	}
	if v.Get("step") == "decide" {
		d.Form.Faults = []fault.Field{{Field: "members", Wrong: "no member was chosen"}}
	}
	list, _, err := p.directory.Members.List(ctxOf(q), q.actor, directory.Filter{Text: d.Text},
		directory.Page{Limit: mostFound})
	if err != nil {
		return err
	}
	for _, m := range list {
		if !slices.ContainsFunc(d.Chosen, func(c directory.Member) bool { return c.ID == m.ID }) {
			d.Found = append(d.Found, m)
		}
	}
	return q.render(200, "newaward", "awards", "award.title", d)
}

// choice returns the badge and the members of a form.
func (p *awardPages) choice(q *request, v url.Values) (d newAwardPage, err error) {
	if d.Classes, err = p.issuing.Classes(ctxOf(q), q.actor); err != nil {
		return d, err
	}
	for i := range d.Classes {
		if string(d.Classes[i].ID) == v.Get("badge") {
			d.Class = &d.Classes[i]
		}
	}
	d.Text = strings.TrimSpace(v.Get("q"))
	ids := slices.Clone(v["member"])
	slices.Sort(ids)
	for _, id := range slices.Compact(ids) {
		m, err := p.directory.Members.Get(ctxOf(q), q.actor, policy.MemberID(id))
		if err != nil {
			return d, err
		}
		d.Chosen = append(d.Chosen, m)
	}
	d.Form = form{ID: "award", Action: "/awards", Submit: "award.do", Fields: []field{
		{Name: "why", Kind: "text", Label: "award.why", Hint: "award.why.hint", Required: true, Auto: "off"},
		{Name: "evidence", Kind: "area", Label: "award.evidence", Hint: "award.evidence.hint", Rows: 3},
		{Name: "urls", Kind: "area", Label: "award.urls", Hint: "award.urls.hint", Rows: 2},
		{Name: "until", Kind: "date", Label: "award.until", Hint: "award.until.hint"}}}
	return d, nil
}

// award answers POST /awards.
func (p *awardPages) award(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	w := issue.Award{Badge: policy.BadgeID(v.Get("badge")), Why: v.Get("why"),
		Evidence: issue.Evidence{Text: v.Get("evidence"), URLs: lines(v.Get("urls"))}}
	for _, id := range v["member"] {
		w.Members = append(w.Members, policy.MemberID(id))
	}
	if w.Until, err = p.endOf(v.Get("until")); err == nil {
		_, err = p.issuing.Award(ctxOf(q), q.actor, w)
	}
	if faults := invalid(err); faults != nil {
		d, err := p.choice(q, v)
		if err != nil {
			return err
		}
		d.Decide = d.Class != nil
		d.Form = d.Form.withValues(v).refuse(faults)
		return q.render(422, "newaward", "awards", "award.title", d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/awards", "badge-awarded")
}

// endOf returns the end of a day in the site's time zone; zero: no day is given.
func (p *awardPages) endOf(day string) (time.Time, error) {
	if day = strings.TrimSpace(day); day == "" {
		return time.Time{}, nil
	}
	t, err := time.ParseInLocation(time.DateOnly, day, p.zone())
	if err != nil {
		return t, &fault.Invalid{Faults: []fault.Field{{Field: "until", Given: day, Wrong: "not a date",
			Right: "2027-08-31"}}}
	}
	return t.AddDate(0, 0, 1).Add(-time.Second), nil
}

// baked answers GET /awards/{award}/badge.png.
func (p *awardPages) baked(q *request) error {
	name, data, err := p.issuing.Baked(ctxOf(q), q.actor, q.r.PathValue("award"))
	if err != nil {
		return err
	}
	return q.download(name, "image/png", data)
}

// undo answers POST /awards/{award}/undo.
func (p *awardPages) undo(q *request) error {
	return p.after(q, p.issuing.Undo(ctxOf(q), q.actor, q.r.PathValue("award")), "badge-undone")
}

// revoke answers POST /awards/{award}/revoke.
func (p *awardPages) revoke(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	return p.after(q, p.issuing.Revoke(ctxOf(q), q.actor, q.r.PathValue("award"), v.Get("reason")), "badge-revoked")
}

// after answers a form of the list of issued badges: with the list and the faults of err, or with a redirect.
func (p *awardPages) after(q *request, err error, done string) error {
	if faults := invalid(err); faults != nil {
		return p.showAwards(q, 422, faults)
	}
	if err != nil {
		return err
	}
	return q.redirect("/awards", done)
}

// classPage is the data of the page of a badge that the hub issues.
type classPage struct {
	issue.Class
	Form form
}

// title returns the title of the page.
func (d classPage) title(tongue) string { return d.Name }

// class answers GET /badge-classes/{class}.
func (p *awardPages) class(q *request) error {
	c, err := p.issuing.Class(ctxOf(q), q.actor, policy.BadgeID(q.r.PathValue("class")))
	if err != nil {
		return err
	}
	return q.render(200, "class", "awards", "awards.title", classPageOf(c))
}

// classPageOf returns the data of the page of a badge, with its form.
func classPageOf(c issue.Class) classPage {
	var aligned []string
	for _, x := range c.Alignments {
		aligned = append(aligned, x.URL+" "+x.Name)
	}
	return classPage{c, form{ID: "class", Action: "/badge-classes/" + url.PathEscape(string(c.ID)), Submit: "save",
		Fields: []field{
			{Name: "description", Kind: "area", Label: "class.description", Value: c.Description, Rows: 2},
			{Name: "criteria", Kind: "area", Label: "class.criteria", Hint: "class.criteria.hint", Value: c.Criteria, Rows: 4,
				Required: true},
			{Name: "alignments", Kind: "area", Label: "class.alignments", Hint: "class.alignments.hint",
				Value: strings.Join(aligned, "\n"), Rows: 2}}}}
}

// setClass answers POST /badge-classes/{class}.
func (p *awardPages) setClass(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	t := issue.Texts{Description: v.Get("description"), Criteria: v.Get("criteria")}
	for _, l := range lines(v.Get("alignments")) {
		address, name, _ := strings.Cut(l, " ")
		t.Alignments = append(t.Alignments, openbadge.Alignment{URL: address, Name: strings.TrimSpace(name)})
	}
	id := policy.BadgeID(q.r.PathValue("class"))
	_, err = p.issuing.SetClass(ctxOf(q), q.actor, id, version(v), t)
	if faults := invalid(err); faults != nil {
		c, err := p.issuing.Class(ctxOf(q), q.actor, id)
		if err != nil {
			return err
		}
		d := classPageOf(c)
		d.Form = d.Form.withValues(v).refuse(faults)
		return q.render(422, "class", "awards", "awards.title", d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/awards#classes", "class-saved")
}
