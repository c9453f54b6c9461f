package web

import (
	"net/url"

	"portillon/hub/cardkey"
	"portillon/hub/fault"
)

// cardKeyPages serves the page of the site's card key with its forms.
type cardKeyPages struct {
	keys CardKeys
}

// routes returns the page and the forms of the card key.
func (p *cardKeyPages) routes() []route {
	return []route{
		{"GET /card-key", p.cardKey}, {"POST /card-key/rotate", p.rotateCardKey}, {"POST /card-key/end", p.endCardKey},
	}
}

// cardKeyPage is the data of the page of the card key.
type cardKeyPage struct {
	cardkey.Status
	Rotate, End form
}

// refuse adds the faults of a rejected form to both forms of the page. The page may show a different form than
// before, because another administrator may have started or ended a key change in the meantime.
func (d *cardKeyPage) refuse(given url.Values, faults []fault.Field) {
	d.Rotate, d.End = d.Rotate.withValues(given).refuse(faults), d.End.refuse(faults)
}

// showCardKey renders the page of the card key. change may modify the page's data, for example to show the faults of a
// form.
func (p *cardKeyPages) showCardKey(q *request, status int, change func(*cardKeyPage)) error {
	s, err := p.keys.Status(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d := cardKeyPage{Status: s,
		Rotate: form{ID: "rotate", Action: "/card-key/rotate", Submit: "cardkey.rotate", Version: s.Version, Fields: []field{
			{Name: "reason", Kind: "text", Label: "cardkey.reason", Hint: "cardkey.reason.hint", Required: true, Auto: "off"}}},
		End: form{ID: "end", Action: "/card-key/end", Submit: "cardkey.end", Version: s.Version, Danger: true}}
	if change != nil {
		change(&d)
	}
	return q.render(status, "cardkey", "machines", "cardkey.title", d)
}

// cardKey answers GET /card-key.
func (p *cardKeyPages) cardKey(q *request) error { return p.showCardKey(q, 200, nil) }

// rotateCardKey answers POST /card-key/rotate.
func (p *cardKeyPages) rotateCardKey(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.keys.Rotate(ctxOf(q), q.actor, version(v), v.Get("reason"))
	if faults := invalid(err); faults != nil {
		return p.showCardKey(q, 422, func(d *cardKeyPage) { d.refuse(v, faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect("/card-key", "cardkey-rotated")
}

// endCardKey answers POST /card-key/end.
func (p *cardKeyPages) endCardKey(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.keys.End(ctxOf(q), q.actor, version(v))
	if faults := invalid(err); faults != nil {
		return p.showCardKey(q, 422, func(d *cardKeyPage) { d.refuse(v, faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect("/card-key", "cardkey-ended")
}
