package web

import (
	"net/url"
	"slices"

	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/fault"
	"portillon/policy"
)

func (p *Pages) addCard(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.Directory.AddCard(ctxOf(q), q.actor, q.id(), directory.Card{Number: v.Get("number"),
		State: directory.Active, Note: v.Get("note")})
	if faults := invalid(err); faults != nil {
		return q.again(422, func(d *memberPage) { d.Card = d.Card.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(q.memberHome()+"#cards", "card-added")
}

func (p *Pages) setCard(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.Directory.SetCard(ctxOf(q), q.actor, q.id(), q.r.PathValue("card"), directory.CardState(v.Get("state")),
		v.Get("note"))
	if err != nil {
		return err
	}
	return q.to(q.memberHome()+"#cards", "card-changed")
}

func (p *Pages) addBadges(q *request) error {
	name, data, err := q.file("file")
	if err != nil {
		return err
	}
	var made []directory.Badge
	if name == "" {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "file", Wrong: "no file was chosen"}}}
	} else {
		made, err = p.Directory.AddBadges(ctxOf(q), q.actor, q.id(), name, data)
	}
	if faults := invalid(err); faults != nil {
		return q.again(422, func(d *memberPage) { d.File = d.File.refuse(faults) })
	}
	if err != nil {
		return err
	}
	refused := slices.DeleteFunc(slices.Clone(made), func(b directory.Badge) bool { return b.Refused == "" })
	if len(refused) > 0 {
		return q.again(200, func(d *memberPage) { d.Refused = refused })
	}
	return q.to(q.memberHome()+"#badges", "badge-added")
}

// printCodes shows codes on paper in the answer to the POST: they exist once.
func (p *Pages) printCodes(q *request) error {
	if p.Accounts == nil {
		return errNoPage
	}
	codes, err := p.Accounts.PrintedCodes(ctxOf(q), q.actor, []policy.MemberID{q.id()}, printed)
	if err != nil {
		return err
	}
	return q.again(200, func(d *memberPage) { d.Codes = codes })
}

// printed is how many codes a member gets on paper at once.
const printed = 5

func (p *Pages) addBadgeURL(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.Directory.AddBadgeURL(ctxOf(q), q.actor, q.id(), v.Get("url"))
	if faults := invalid(err); faults != nil {
		return q.again(422, func(d *memberPage) { d.URL = d.URL.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to(q.memberHome()+"#badges", "badge-added")
}

func (p *Pages) removeBadge(q *request) error {
	if err := p.Directory.RemoveBadge(ctxOf(q), q.actor, q.id(), q.r.PathValue("badge")); err != nil {
		return err
	}
	return q.to(q.memberHome()+"#badges", "badge-removed")
}

// mergePage chooses, then confirms, the record that is merged into another.
type mergePage struct {
	Keep  directory.Member
	Drop  *directory.Member
	Found found
	Form  form
}

func (p *Pages) mergePage(q *request) error {
	if err := q.actor.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	keep, err := p.Directory.Member(ctxOf(q), q.actor, q.id())
	if err != nil {
		return err
	}
	d := mergePage{Keep: keep}
	if drop := q.r.URL.Query().Get("drop"); drop != "" && drop != string(keep.ID) {
		m, err := p.Directory.Member(ctxOf(q), q.actor, policy.MemberID(drop))
		if err != nil {
			return err
		}
		d.Drop = &m
	} else if d.Found, err = q.find(q.memberHome()+"/merge", 20); err != nil {
		return err
	}
	return q.render(200, "merge", "members", "merge.title", d)
}

func (p *Pages) merge(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	m, err := p.Directory.Merge(ctxOf(q), q.actor, q.id(), policy.MemberID(v.Get("drop")))
	if err != nil {
		return err
	}
	return q.to("/members/"+url.PathEscape(string(m.ID)), "member-merged")
}

func (p *Pages) erasePage(q *request) error {
	if err := q.actor.May(actor.EraseMembers, actor.Target{Member: q.id()}); err != nil {
		return err
	}
	m, err := p.Directory.Member(ctxOf(q), q.actor, q.id())
	if err != nil {
		return err
	}
	return q.render(200, "erase", "members", "erase.title", m)
}

func (p *Pages) erase(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if err := p.Directory.Erase(ctxOf(q), q.actor, q.id(), version(v)); err != nil {
		return err
	}
	return q.to("/members", "member-erased")
}
