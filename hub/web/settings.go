package web

import (
	"bytes"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

func (p *Pages) settingRoutes() []route {
	return []route{
		{"GET /settings", p.settings}, {"POST /settings/password", p.changePassword},
		{"POST /settings/sessions/end", p.endSessions}, {"POST /settings/sessions/{session}/end", p.endSession},
		{"GET /settings/tokens", p.tokens}, {"POST /settings/tokens", p.newToken}, {"POST /settings/tokens/{id}/revoke",
			p.revokeToken},
		{"GET /settings/accounts", p.accounts}, {"POST /settings/accounts", p.addAccount},
		{"POST /settings/accounts/{id}", p.changeAccount}, {"POST /settings/accounts/{id}/reset", p.resetPassword},
		{"GET /settings/audit", p.audit}, {"GET /settings/audit.jsonl", p.exportAudit},
	}
}

type settingsPage struct {
	Sessions []account.Session
	Password form
	Version  string
}

func passwordForm() form {
	return form{ID: "password", Action: "/settings/password", Submit: "settings.password.change", Fields: []field{
		{Name: "old", Kind: "password", Label: "settings.password.old", Required: true, Auto: "current-password"},
		{Name: "password", Kind: "password", Label: "settings.password.new", Hint: "code.password.hint", Required: true,
			Auto: "new-password"}}}
}

func (q *request) showSettings(status int, change func(*settingsPage)) error {
	if q.actor.Account == "" { // the services' answer would be about the account "", which is nobody's
		return &actor.Denied{Act: actor.ReadOwn}
	}
	list, err := q.p.Accounts.Sessions(ctxOf(q), q.actor, q.actor.Account)
	if err != nil {
		return err
	}
	d := settingsPage{Sessions: list, Password: passwordForm(), Version: q.p.Version}
	if change != nil {
		change(&d)
	}
	return q.render(status, "settings", "settings", "settings.title", d)
}

func (p *Pages) settings(q *request) error { return q.showSettings(200, nil) }

func (p *Pages) changePassword(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.Accounts.ChangePassword(ctxOf(q), q.actor, v.Get("old"), v.Get("password"))
	if faults := invalid(err); faults != nil {
		return q.showSettings(422, func(d *settingsPage) { d.Password = d.Password.refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.to("/settings", "password-changed")
}

func (p *Pages) endSessions(q *request) error {
	if err := p.Accounts.SignOutEverywhere(ctxOf(q), q.actor, q.actor.Account); err != nil {
		return err
	}
	return q.to("/sign-in", "signed-out-everywhere")
}

func (p *Pages) endSession(q *request) error {
	if err := p.Accounts.EndSession(ctxOf(q), q.actor, q.actor.Account, q.r.PathValue("session")); err != nil {
		return err
	}
	return q.to("/settings", "session-ended")
}

type tokensPage struct {
	Tokens []account.Token
	Made   *account.Token // with its text, once
	Form   form
	Acts   []actor.Act
	Chosen map[string]bool
}

func (q *request) showTokens(status int, change func(*tokensPage)) error {
	list, err := q.p.Accounts.Tokens(ctxOf(q), q.actor, q.actor.Account)
	if err != nil {
		return err
	}
	d := tokensPage{Tokens: list, Chosen: map[string]bool{}, Form: form{ID: "token", Action: "/settings/tokens",
		Submit: "token.make", Fields: []field{
			{Name: "name", Kind: "text", Label: "token.name", Hint: "token.name.hint", Required: true, Auto: "off"},
			{Name: "expires", Kind: "date", Label: "token.expires", Value: q.p.Now().In(q.p.zone()).AddDate(0, 3,
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

func (p *Pages) tokens(q *request) error { return q.showTokens(200, nil) }

func (p *Pages) newToken(q *request) error {
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
	switch {
	case err != nil:
		err = &fault.Invalid{Faults: []fault.Field{{Field: "expires", Given: v.Get("expires"), Wrong: "not a date",
			Right: "2027-08-31"}}}
	case len(in.Scopes) == 0:
		err = &fault.Invalid{Faults: []fault.Field{{Field: "scopes", Wrong: "no scope was chosen"}}}
	default:
		in.Expires = day.AddDate(0, 0, 1)
		made, err = p.Accounts.NewToken(ctxOf(q), q.actor, in.Name, in.Scopes, in.Expires)
	}
	if faults := invalid(err); faults != nil {
		return q.showTokens(422, func(d *tokensPage) {
			d.Form = d.Form.keep(v).refuse(faults)
			for _, s := range v["scopes"] {
				d.Chosen[s] = true
			}
		})
	}
	if err != nil {
		return err
	}
	return q.showTokens(200, func(d *tokensPage) { d.Made = &made })
}

func (p *Pages) revokeToken(q *request) error {
	if err := p.Accounts.RevokeToken(ctxOf(q), q.actor, q.actor.Account, q.r.PathValue("id")); err != nil {
		return err
	}
	return q.to("/settings/tokens", "token-revoked")
}

type accountsPage struct {
	Accounts []account.Account
	Machines []policy.MachineID // for roles at one of them
	Next     string
	Form     form
	Code     string // a one-time code, shown once
	For      string
}

// Roles are those that a person gives to an account.
func (accountsPage) Roles() []actor.Role {
	return []actor.Role{actor.Member, actor.Administrator, actor.Owner}
}

func accountForm() form {
	return form{ID: "account", Action: "/settings/accounts", Submit: "add", Fields: []field{
		{Name: "name", Kind: "text", Label: "account.name", Hint: "account.name.hint", Required: true, Auto: "off"},
		{Name: "member", Kind: "text", Label: "account.member", Hint: "account.member.hint", Auto: "off"},
		{Name: "site", Kind: "select", Label: "account.role", Value: "member", Choices: []choice{
			{"member", "role.member"}, {"administrator", "role.administrator"}, {"owner", "role.owner"}}}}}
}

func (q *request) showAccounts(status int, change func(*accountsPage)) error {
	list, next, err := q.p.Accounts.Accounts(ctxOf(q), q.actor, account.Page{After: q.r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	d := accountsPage{Accounts: list, Form: accountForm()}
	if v := q.r.URL.Query(); q.r.Method == http.MethodGet && v.Get("member") != "" { // from the page of a member
		d.Form = d.Form.keep(v)
	}
	if q.p.Machines != nil {
		machines, err := q.p.Machines.Machines(ctxOf(q), q.actor)
		if err = optional(err); err != nil {
			return err
		}
		for _, m := range machines {
			d.Machines = append(d.Machines, m.ID)
		}
	}
	if next != "" {
		d.Next = "/settings/accounts?" + url.Values{"after": {next}}.Encode()
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "accounts", "settings", "accounts.title", d)
}

func (p *Pages) accounts(q *request) error { return q.showAccounts(200, nil) }

func (p *Pages) addAccount(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	made, err := p.Accounts.Add(ctxOf(q), q.actor, account.Account{Name: strings.TrimSpace(v.Get("name")),
		Site:   actor.Role(v.Get("site")),
		Member: policy.MemberID(strings.TrimSpace(v.Get("member")))}, "")
	if faults := invalid(err); faults != nil {
		return q.showAccounts(422, func(d *accountsPage) { d.Form = d.Form.keep(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return q.withCode(made.ID, made.Name)
}

// withCode shows a one-time code with which somebody chooses a password.
func (q *request) withCode(id, name string) error {
	code, err := q.p.Accounts.ResetCode(ctxOf(q), q.actor, id)
	if err != nil {
		return err
	}
	return q.showAccounts(200, func(d *accountsPage) { d.Code, d.For = code, name })
}

func (p *Pages) changeAccount(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.Accounts.Change(ctxOf(q), q.actor, q.r.PathValue("id"), version(v), func(a *account.Account) error {
		if v.Has("site") {
			a.Site = actor.Role(v.Get("site"))
		}
		if v.Has("disabled") {
			a.Disabled = v.Get("disabled") == "yes"
		}
		if m := policy.MachineID(v.Get("machine")); m != "" {
			setMachineRole(a, m, actor.Role(v.Get("machine_role")))
		}
		return nil
	})
	if err != nil {
		return err
	}
	return q.to("/settings/accounts", "account-changed")
}

// setMachineRole gives an account a role at a machine, or takes away the one that a person gave; empty: none.
func setMachineRole(a *account.Account, m policy.MachineID, r actor.Role) {
	a.Machines = maps.Clone(a.Machines)
	if r == "" {
		delete(a.Machines, m)
		return
	}
	if a.Machines == nil {
		a.Machines = map[policy.MachineID]actor.Role{}
	}
	a.Machines[m] = r
}

func (p *Pages) resetPassword(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	return q.withCode(q.r.PathValue("id"), v.Get("name"))
}

type auditPage struct {
	Entries []account.Entry
	Next    string
}

func (p *Pages) audit(q *request) error {
	list, next, err := p.Accounts.AuditLog(ctxOf(q), q.actor, account.Page{After: q.r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	d := auditPage{Entries: list}
	if next != "" {
		d.Next = "/settings/audit?" + url.Values{"after": {next}}.Encode()
	}
	return q.render(200, "audit", "settings", "audit.title", d)
}

func (p *Pages) exportAudit(q *request) error {
	var b bytes.Buffer
	if err := p.Accounts.ExportAudit(ctxOf(q), q.actor, &b); err != nil {
		return err
	}
	return q.download("audit-"+strconv.FormatInt(p.Now().Unix(), 10)+".jsonl", "application/jsonl", b.Bytes())
}
