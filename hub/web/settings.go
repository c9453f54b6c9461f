package web

import (
	"strings"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/fault"
)

// settingPages serves the pages of the user's own account: password, sessions and tokens.
type settingPages struct {
	accounts Accounts
	now      func() time.Time
	version  string
	zone     func() *time.Location
}

// routes returns the pages and forms.
func (p *settingPages) routes() []route {
	return []route{
		{"GET /settings", p.settings}, {"POST /settings/password", p.changePassword},
		{"POST /settings/sessions/end", p.endSessions}, {"POST /settings/sessions/{session}/end", p.endSession},
		{"GET /settings/tokens", p.tokens}, {"POST /settings/tokens", p.newToken}, {"POST /settings/tokens/{id}/revoke",
			p.revokeToken},
	}
}

// settingsPage is the data of the settings page.
type settingsPage struct {
	Sessions []account.Session
	Password form
	Version  string
}

// passwordForm returns the empty form of a password change.
func passwordForm() form {
	return form{ID: "password", Action: "/settings/password", Submit: "settings.password.change", Fields: []field{
		{Name: "old", Kind: "password", Label: "settings.password.old", Required: true, Auto: "current-password"},
		{Name: "password", Kind: "password", Label: "settings.password.new", Hint: "code.password.hint", Required: true,
			Auto: "new-password"}}}
}

// showSettings renders the settings page. change may modify the page's data.
func (p *settingPages) showSettings(q *request, status int, change func(*settingsPage)) error {
	if q.actor.Account == "" { // stop here, because the services would answer for the account with the empty id
		return &actor.Denied{Act: actor.ReadOwn}
	}
	list, err := p.accounts.Sessions.Active(ctxOf(q), q.actor, q.actor.Account)
	if err != nil {
		return err
	}
	d := settingsPage{Sessions: list, Password: passwordForm(), Version: p.version}
	if change != nil {
		change(&d)
	}
	return q.render(status, "settings", "settings", "settings.title", d)
}

// settings answers GET /settings.
func (p *settingPages) settings(q *request) error { return p.showSettings(q, 200, nil) }

// changePassword answers POST /settings/password.
func (p *settingPages) changePassword(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.accounts.Passwords.ChangePassword(ctxOf(q), q.actor, v.Get("old"), v.Get("password"))
	if faults := invalid(err); faults != nil {
		return p.showSettings(q, 422, func(d *settingsPage) { d.Password = d.Password.refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.redirect("/settings", "password-changed")
}

// endSessions answers POST /settings/sessions/end.
func (p *settingPages) endSessions(q *request) error {
	if err := p.accounts.Sessions.EndAll(ctxOf(q), q.actor, q.actor.Account); err != nil {
		return err
	}
	return q.redirect("/sign-in", "signed-out-everywhere")
}

// endSession answers POST /settings/sessions/{session}/end.
func (p *settingPages) endSession(q *request) error {
	if err := p.accounts.Sessions.End(ctxOf(q), q.actor, q.actor.Account, q.r.PathValue("session")); err != nil {
		return err
	}
	return q.redirect("/settings", "session-ended")
}

// tokensPage is the data of the page of tokens.
type tokensPage struct {
	Tokens []account.Token
	Made   *account.Token // the new token with its secret text, which the page shows only once
	Form   form
	Acts   []actor.Act
	Chosen map[string]bool
}

// showTokens renders the page of tokens. change may modify the page's data.
func (p *settingPages) showTokens(q *request, status int, change func(*tokensPage)) error {
	list, err := p.accounts.Tokens.Issued(ctxOf(q), q.actor, q.actor.Account)
	if err != nil {
		return err
	}
	d := tokensPage{Tokens: list, Chosen: map[string]bool{}, Form: form{ID: "token", Action: "/settings/tokens",
		Submit: "token.make", Fields: []field{
			{Name: "name", Kind: "text", Label: "token.name", Hint: "token.name.hint", Required: true, Auto: "off"},
			{Name: "expires", Kind: "date", Label: "token.expires", Value: p.now().In(p.zone()).AddDate(0, 3,
				0).Format("2006-01-02"), Required: true},
			{Name: "scopes", Kind: "scopes", Label: "token.scopes"}}}}
	for _, act := range actor.Acts() {
		if q.actor.May(act, actor.Target{}) == nil {
			d.Acts = append(d.Acts, act)
		}
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "tokens", "settings", "tokens.title", d)
}

// tokens answers GET /settings/tokens.
func (p *settingPages) tokens(q *request) error { return p.showTokens(q, 200, nil) }

// newToken answers POST /settings/tokens.
func (p *settingPages) newToken(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	in := account.Token{Name: strings.TrimSpace(v.Get("name"))}
	for _, s := range v["scopes"] {
		in.Scopes = append(in.Scopes, actor.Act(s))
	}
	day, err := time.ParseInLocation("2006-01-02", v.Get("expires"), p.zone())
	made := account.Token{}
	// Check the date and the scopes. The service checks the name of the token and the user's permissions.
	switch {
	case err != nil:
		err = &fault.Invalid{Faults: []fault.Field{{Field: "expires", Given: v.Get("expires"), Wrong: "not a date",
			Right: "2027-08-31"}}}
	case len(in.Scopes) == 0:
		err = &fault.Invalid{Faults: []fault.Field{{Field: "scopes", Wrong: "no scope was chosen"}}}
	default:
		in.Expires = day.AddDate(0, 0, 1)
		made, err = p.accounts.Tokens.Issue(ctxOf(q), q.actor, in.Name, in.Scopes, in.Expires)
	}
	if faults := invalid(err); faults != nil {
		return p.showTokens(q, 422, func(d *tokensPage) {
			d.Form = d.Form.withValues(v).refuse(faults)
			for _, s := range v["scopes"] {
				d.Chosen[s] = true
			}
		})
	}
	if err != nil {
		return err
	}
	return p.showTokens(q, 200, func(d *tokensPage) { d.Made = &made })
}

// revokeToken answers POST /settings/tokens/{id}/revoke.
func (p *settingPages) revokeToken(q *request) error {
	if err := p.accounts.Tokens.Revoke(ctxOf(q), q.actor, q.actor.Account, q.r.PathValue("id")); err != nil {
		return err
	}
	return q.redirect("/settings/tokens", "token-revoked")
}
