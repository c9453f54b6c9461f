package web

import (
	"net/url"

	"portillon/hub/visitor"
)

// arrivalPages serves the form on a visitor's own phone, without a sign-in. The service answers *fault.NotFound
// unless the site permits the form. The address of a visit contains its key, so no other site learns the address.
type arrivalPages struct{ arrivals Arrivals }

// routes returns the pages of a visitor.
func (p *arrivalPages) routes() []route {
	return []route{{"GET /visit", p.form}, {"POST /visit", p.bring}, {"GET /visit/{key}", p.visit},
		{"POST /visit/{key}", p.confirm}}
}

// arrivalPage is the data of the pages of a visitor: the form of a new visit, or a visit.
type arrivalPage struct {
	Bring   form
	Refused *visitor.Refused
	Visit   *visitor.Visit // nil: the visitor has not brought a badge yet
	Text    string         // text of the consent
	Form    form
}

// show renders the page.
func (p *arrivalPages) show(q *request, status int, d arrivalPage) error {
	q.w.Header().Set("Referrer-Policy", "no-referrer")
	return q.render(status, "arrival", "", "arrival.title", d)
}

// form answers GET /visit.
func (p *arrivalPages) form(q *request) error {
	if _, err := p.arrivals.Form(ctxOf(q)); err != nil {
		return err
	}
	return p.show(q, 200, arrivalPage{Bring: bringForm("/visit", true)})
}

// bring answers POST /visit.
func (p *arrivalPages) bring(q *request) error {
	if _, err := p.arrivals.Form(ctxOf(q)); err != nil {
		return err
	}
	b, who, v, err := q.brought()
	if err != nil {
		return err
	}
	key, err := p.arrivals.Bring(ctxOf(q), b, who)
	if faults := invalid(err); faults != nil {
		d := arrivalPage{}
		d.Bring, d.Refused = refuseBadge(bringForm("/visit", true).withValues(v), err)
		return p.show(q, 422, d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/visit/"+url.PathEscape(key), "badge-good")
}

// page returns the data of the page of a visit.
func (p *arrivalPages) page(q *request) (arrivalPage, error) {
	keep, err := p.arrivals.Form(ctxOf(q))
	if err != nil {
		return arrivalPage{}, err
	}
	v, err := p.arrivals.Get(ctxOf(q), q.r.PathValue("key"))
	if err != nil {
		return arrivalPage{}, err
	}
	code := field{Name: "code", Kind: "text", Label: "visitor.code", Hint: "arrival.code.hint", Auto: "one-time-code"}
	return arrivalPage{Visit: &v, Text: q.tongue().of(visitor.Consent(keep)),
		Form: form{ID: "confirm", Fields: []field{code}}}, nil
}

// visit answers GET /visit/{key}.
func (p *arrivalPages) visit(q *request) error {
	d, err := p.page(q)
	if err != nil {
		return err
	}
	return p.show(q, 200, d)
}

// confirm answers POST /visit/{key}.
func (p *arrivalPages) confirm(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.arrivals.Confirm(ctxOf(q), q.r.PathValue("key"), v.Get("code"), v.Get("consent") != "")
	if faults := invalid(err); faults != nil {
		d, err := p.page(q)
		if err != nil {
			return err
		}
		d.Form = d.Form.withValues(v).refuse(faults)
		return p.show(q, 422, d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/visit/"+url.PathEscape(q.r.PathValue("key")), "saved")
}
