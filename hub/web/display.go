package web

import (
	"net/url"
	"strings"

	"portillon/hub/display"
	"portillon/hub/fault"
)

// displayPages serves the page on which administrators choose what the site shows without a sign-in.
type displayPages struct{ display Display }

// routes returns the page and its forms.
func (p *displayPages) routes() []route {
	return []route{
		{"GET /settings/public", p.settings}, {"POST /settings/public", p.change},
		{"POST /settings/screens", p.addScreen}, {"POST /settings/screens/{id}/revoke", p.revokeScreen},
	}
}

// displayPage is the data of the page.
type displayPage struct {
	Values  display.Values
	Status  form
	Screens []display.Screen
	Screen  form
	Made    *display.Screen // the new screen with its secret address, which the page shows only once
}

// SpaceAPI reports whether the site publishes a SpaceAPI document.
func (d displayPage) SpaceAPI() bool { return d.Values.Website != "" && d.Values.Logo != "" }

// statusForm returns the form of the public status.
func statusForm(v display.Values) form {
	on := "off"
	if v.Public {
		on = "on"
	}
	return form{ID: "status", Action: "/settings/public", Submit: "save", Version: v.Version, Fields: []field{
		{Name: "public", Kind: "select", Label: "display.public", Value: on, Required: true,
			Choices: []choice{{"off", "display.off"}, {"on", "display.on"}}},
		{Name: "website", Kind: "url", Label: "display.website", Hint: "display.website.hint", Value: v.Website, Auto: "off"},
		{Name: "logo", Kind: "url", Label: "display.logo", Hint: "display.logo.hint", Value: v.Logo, Auto: "off"},
		{Name: "email", Kind: "email", Label: "display.email", Hint: "display.email.hint", Value: v.Email, Auto: "off"},
		{Name: "address", Kind: "text", Label: "display.address", Value: v.Address, Auto: "off"},
		{Name: "position", Kind: "text", Label: "display.position", Hint: "display.position.hint", Value: v.Position,
			Auto: "off"},
	}}
}

// screenForm returns the empty form of a new wall screen.
func screenForm() form {
	return form{ID: "screen", Action: "/settings/screens", Submit: "screen.make", Fields: []field{
		{Name: "name", Kind: "text", Label: "screen.name", Hint: "screen.name.hint", Required: true, Auto: "off"}}}
}

// show renders the page. change may modify the page's data.
func (p *displayPages) show(q *request, status int, change func(*displayPage)) error {
	v, err := p.display.Settings.Get(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	list, err := p.display.Screens.List(ctxOf(q), q.actor)
	if err != nil {
		return err
	}
	d := displayPage{Values: v, Status: statusForm(v), Screens: list, Screen: screenForm()}
	if change != nil {
		change(&d)
	}
	return q.render(status, "display", "settings", "display.title", d)
}

// settings answers GET /settings/public.
func (p *displayPages) settings(q *request) error { return p.show(q, 200, nil) }

// change answers POST /settings/public.
func (p *displayPages) change(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.display.Settings.Change(ctxOf(q), q.actor, version(v), func(s *display.Values) error {
		switch on := v.Get("public"); on {
		case "on", "off":
			s.Public = on == "on"
		default:
			return &fault.Invalid{Faults: []fault.Field{{Field: "public", Given: on, Wrong: "neither on nor off", Right: "off"}}}
		}
		for name, to := range map[string]*string{"website": &s.Website, "logo": &s.Logo, "email": &s.Email,
			"address": &s.Address, "position": &s.Position} {
			*to = strings.TrimSpace(v.Get(name))
		}
		return nil
	})
	if faults := invalid(err); faults != nil {
		return p.show(q, 422, func(d *displayPage) { d.Status = d.Status.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect("/settings/public", "saved")
}

// addScreen answers POST /settings/screens. The answer contains the screen's secret address, which the hub shows only
// once.
func (p *displayPages) addScreen(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	made, err := p.display.Screens.Add(ctxOf(q), q.actor, v.Get("name"))
	if faults := invalid(err); faults != nil {
		return p.show(q, 422, func(d *displayPage) { d.Screen = d.Screen.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	made.Link += "&" + url.Values{"lang": {q.lang}}.Encode()
	return p.show(q, 200, func(d *displayPage) { d.Made = &made })
}

// revokeScreen answers POST /settings/screens/{id}/revoke.
func (p *displayPages) revokeScreen(q *request) error {
	if err := p.display.Screens.Revoke(ctxOf(q), q.actor, q.r.PathValue("id")); err != nil {
		return err
	}
	return q.redirect("/settings/public", "screen-revoked")
}
