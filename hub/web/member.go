package web

import (
	"net/url"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/policy"
)

// recordPages serves the forms that change a member's cards, badges and codes, and the forms that merge or erase a
// member.
type recordPages struct {
	members   *memberPages
	accounts  Accounts
	directory Directory
}

// routes returns the forms.
func (p *recordPages) routes() []route {
	return []route{
		{"POST /members/{id}/cards", p.addCard}, {"POST /members/{id}/cards/{card}", p.setCard},
		{"POST /members/{id}/badges", p.addBadges}, {"POST /members/{id}/badges/url", p.addBadgeURL},
		{"POST /members/{id}/badges/{badge}/remove", p.removeBadge}, {"POST /members/{id}/codes", p.printCodes},
		{"GET /members/{id}/merge", p.mergePage}, {"POST /members/{id}/merge", p.merge},
		{"GET /members/{id}/erase", p.erasePage}, {"POST /members/{id}/erase", p.erase},
	}
}

// addCard answers POST /members/{id}/cards.
func (p *recordPages) addCard(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.directory.Cards.AddCard(ctxOf(q), q.actor, memberID(q), directory.Card{Number: v.Get("number"),
		State: directory.Active, Note: v.Get("note")})
	if faults := invalid(err); faults != nil {
		return p.members.showAgain(q, 422, func(d *memberPage) { d.Card = d.Card.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect(memberHome(q)+"#cards", "card-added")
}

// setCard answers POST /members/{id}/cards/{card}.
func (p *recordPages) setCard(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	state := directory.CardState(v.Get("state"))
	err = p.directory.Cards.SetCard(ctxOf(q), q.actor, memberID(q), q.r.PathValue("card"), state, v.Get("note"))
	if err != nil {
		return err
	}
	return q.redirect(memberHome(q)+"#cards", "card-changed")
}

// addBadges answers POST /members/{id}/badges.
func (p *recordPages) addBadges(q *request) error {
	name, data, err := q.file("file")
	if err != nil {
		return err
	}
	var made []directory.Badge
	if name == "" {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "file", Wrong: "no file was chosen"}}}
	} else {
		made, err = p.directory.Badges.AddBadges(ctxOf(q), q.actor, memberID(q), name, data)
	}
	if faults := invalid(err); faults != nil {
		return p.members.showAgain(q, 422, func(d *memberPage) { d.File = d.File.refuse(faults) })
	}
	if err != nil {
		return err
	}
	refused := slices.DeleteFunc(slices.Clone(made), func(b directory.Badge) bool { return b.Refused == "" })
	if len(refused) > 0 {
		return p.members.showAgain(q, 200, func(d *memberPage) { d.Refused = refused })
	}
	return q.redirect(memberHome(q)+"#badges", "badge-added")
}

// printCodes answers POST /members/{id}/codes. The response to the POST is the page with the codes itself, without a
// redirect, because the codes are shown only once.
func (p *recordPages) printCodes(q *request) error {
	if p.accounts == (Accounts{}) {
		return errNoPage
	}
	codes, err := p.accounts.PrintedCodes.Print(ctxOf(q), q.actor, []policy.MemberID{memberID(q)}, printedCodes)
	if err != nil {
		return err
	}
	return p.members.showAgain(q, 200, func(d *memberPage) { d.Codes = codes })
}

// printedCodes is the number of sign-in codes that are printed for a member at once.
const printedCodes = 5

// addBadgeURL answers POST /members/{id}/badges/url.
func (p *recordPages) addBadgeURL(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.directory.Badges.AddBadgeURL(ctxOf(q), q.actor, memberID(q), v.Get("url"))
	if faults := invalid(err); faults != nil {
		return p.members.showAgain(q, 422, func(d *memberPage) { d.URL = d.URL.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect(memberHome(q)+"#badges", "badge-added")
}

// removeBadge answers POST /members/{id}/badges/{badge}/remove.
func (p *recordPages) removeBadge(q *request) error {
	if err := p.directory.Badges.RemoveBadge(ctxOf(q), q.actor, memberID(q), q.r.PathValue("badge")); err != nil {
		return err
	}
	return q.redirect(memberHome(q)+"#badges", "badge-removed")
}

// mergePage is the data of the page on which a user selects another member to merge into this one, and then confirms
// the merge.
type mergePage struct {
	Keep  directory.Member
	Drop  *directory.Member
	Found found
	Form  form
}

// mergePage answers GET /members/{id}/merge.
func (p *recordPages) mergePage(q *request) error {
	if err := q.actor.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	keep, err := p.directory.Members.Get(ctxOf(q), q.actor, memberID(q))
	if err != nil {
		return err
	}
	d := mergePage{Keep: keep}
	if drop := q.r.URL.Query().Get("drop"); drop != "" && drop != string(keep.ID) {
		m, err := p.directory.Members.Get(ctxOf(q), q.actor, policy.MemberID(drop))
		if err != nil {
			return err
		}
		d.Drop = &m
	} else if d.Found, err = p.members.find(q, memberHome(q)+"/merge", 20); err != nil {
		return err
	}
	return q.render(200, "merge", "members", "merge.title", d)
}

// merge answers POST /members/{id}/merge.
func (p *recordPages) merge(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	m, err := p.directory.Members.Merge(ctxOf(q), q.actor, memberID(q), policy.MemberID(v.Get("drop")))
	if err != nil {
		return err
	}
	return q.redirect("/members/"+url.PathEscape(string(m.ID)), "member-merged")
}

// erasePage answers GET /members/{id}/erase.
func (p *recordPages) erasePage(q *request) error {
	if err := q.actor.May(actor.EraseMembers, actor.Target{Member: memberID(q)}); err != nil {
		return err
	}
	m, err := p.directory.Members.Get(ctxOf(q), q.actor, memberID(q))
	if err != nil {
		return err
	}
	return q.render(200, "erase", "members", "erase.title", m)
}

// erase answers POST /members/{id}/erase.
func (p *recordPages) erase(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if err := p.directory.Erasures.Erase(ctxOf(q), q.actor, memberID(q), version(v)); err != nil {
		return err
	}
	return q.redirect("/members", "member-erased")
}
