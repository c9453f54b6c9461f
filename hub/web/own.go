package web

import (
	"slices"
	"time"

	"portillon/hub/directory"
	"portillon/hub/fault"
)

// ownPages serves the pages on which members read and change their own data, below /me.
type ownPages struct {
	directory Directory
	reports   Reports   // nil: the hub has no reports
	audit     Audit     // nil: the hub has no audit log
	badges    OwnBadges // nil: the hub issues no badges
	waiting   Waiting   // nil: there are no trainings
	now       func() time.Time
	zone      func() *time.Location
}

// routes returns the pages and forms.
func (p *ownPages) routes() []route {
	return []route{
		{"GET /me/machines", p.machines}, {"GET /me/path", p.path}, {"GET /me/hours", p.hours},
		{"GET /me/data", p.data}, {"GET /me/record.json", p.record}, {"GET /me/erasure", p.askErasure},
		{"POST /me/erasure", p.requestErasure}, {"POST /me/erasure/withdraw", p.withdrawErasure},
		{"GET /me/cards", p.cards}, {"GET /me/cards/{card}/lost", p.askLost}, {"POST /me/cards/{card}/lost", p.reportLost},
	}
}

// ownCards is the data of the page of the user's own cards.
type ownCards struct {
	directory.Member
	Active bool // true: at least one card is active
}

// cards answers GET /me/cards.
func (p *ownPages) cards(q *request) error {
	m, err := p.directory.Members.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	active := slices.ContainsFunc(m.Cards, func(c directory.Card) bool { return c.State == directory.Active })
	return q.render(200, "mecards", "me", "me.cards", ownCards{m, active})
}

// askLost answers GET /me/cards/{card}/lost with the page on which the user confirms that the card is lost. The page
// of a card that is not active would have nothing to confirm, so askLost redirects to the list of cards.
func (p *ownPages) askLost(q *request) error {
	m, err := p.directory.Members.Own(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	at := slices.IndexFunc(m.Cards, func(c directory.Card) bool { return c.ID == q.r.PathValue("card") })
	if at < 0 {
		return &fault.NotFound{What: "card", ID: q.r.PathValue("card")}
	}
	if m.Cards[at].State != directory.Active {
		return q.redirect("/me/cards", "")
	}
	return q.render(200, "mecardlost", "me", "me.card.lost.title", m.Cards[at])
}

// reportLost answers POST /me/cards/{card}/lost.
func (p *ownPages) reportLost(q *request) error {
	if err := p.directory.Cards.ReportLost(ctxOf(q), q.actor, q.r.PathValue("card")); err != nil {
		return err
	}
	return q.redirect("/me/cards", "own-card-lost")
}

// machines answers GET /me/machines.
func (p *ownPages) machines(q *request) error {
	access, err := p.directory.Own.Machines(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(200, "memachines", "me", "me.machines", access)
}

// path answers GET /me/path.
func (p *ownPages) path(q *request) error {
	all, err := p.directory.Own.Path(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	return q.render(200, "mepath", "me", "me.path", all)
}
