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
	"portillon/policy"
)

// accountPages serves the pages of accounts and of the audit log.
type accountPages struct {
	accounts Accounts
	machines Machines
	now      func() time.Time
}

// routes returns the pages and forms of accounts.
func (p *accountPages) routes() []route {
	return []route{
		{"GET /settings/accounts", p.list}, {"POST /settings/accounts", p.addAccount},
		{"POST /settings/accounts/{id}", p.changeAccount}, {"POST /settings/accounts/{id}/reset", p.resetPassword},
		{"GET /settings/audit", p.audit}, {"GET /settings/audit.jsonl", p.exportAudit},
	}
}

// accountsPage is the data of the page of accounts.
type accountsPage struct {
	Accounts []account.Account
	Machines []policy.MachineID // machines at which the page can give an account a role
	Next     string
	Form     form
	Code     string // one-time code, which is shown only once
	For      string
}

// Roles returns the roles that an administrator can give to an account.
func (accountsPage) Roles() []actor.Role {
	return []actor.Role{actor.Member, actor.Administrator, actor.Owner}
}

// accountForm returns the empty form of a new account.
func accountForm() form {
	return form{ID: "account", Action: "/settings/accounts", Submit: "add", Fields: []field{
		{Name: "name", Kind: "text", Label: "account.name", Hint: "account.name.hint", Required: true, Auto: "off"},
		{Name: "member", Kind: "text", Label: "account.member", Hint: "account.member.hint", Auto: "off"},
		{Name: "site", Kind: "select", Label: "account.role", Value: "member", Choices: []choice{
			{"member", "role.member"}, {"administrator", "role.administrator"}, {"owner", "role.owner"}}}}}
}

// showAccounts renders the page of accounts. change may modify the page's data, for example to show the faults of a
// form.
func (p *accountPages) showAccounts(q *request, status int, change func(*accountsPage)) error {
	list, next, err := p.accounts.Registry.List(ctxOf(q), q.actor, account.Page{After: q.r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	d := accountsPage{Accounts: list, Form: accountForm()}
	// A link on a member's page opens this page with the member's id in the form.
	if v := q.r.URL.Query(); q.r.Method == http.MethodGet && v.Get("member") != "" {
		d.Form = d.Form.withValues(v)
	}
	if p.machines != nil {
		machines, err := p.machines.List(ctxOf(q), q.actor)
		if err = ignoreDenied(err); err != nil {
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

// list answers GET /settings/accounts.
func (p *accountPages) list(q *request) error { return p.showAccounts(q, 200, nil) }

// addAccount answers POST /settings/accounts.
func (p *accountPages) addAccount(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	made, err := p.accounts.Registry.Add(ctxOf(q), q.actor, account.Account{Name: strings.TrimSpace(v.Get("name")),
		Site:   actor.Role(v.Get("site")),
		Member: policy.MemberID(strings.TrimSpace(v.Get("member")))}, "")
	if faults := invalid(err); faults != nil {
		return p.showAccounts(q, 422, func(d *accountsPage) { d.Form = d.Form.withValues(v).refuse(faults) })
	}
	if err != nil {
		return err
	}
	return p.withCode(q, made.ID, made.Name)
}

// withCode renders the page of accounts with a one-time code. The person who has the account enters this code to
// choose a password.
func (p *accountPages) withCode(q *request, id, name string) error {
	code, err := p.accounts.Recovery.ResetCode(ctxOf(q), q.actor, id)
	if err != nil {
		return err
	}
	return p.showAccounts(q, 200, func(d *accountsPage) { d.Code, d.For = code, name })
}

// changeAccount answers POST /settings/accounts/{id}.
func (p *accountPages) changeAccount(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	id := q.r.PathValue("id")
	_, err = p.accounts.Registry.Change(ctxOf(q), q.actor, id, version(v), func(a *account.Account) error {
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
	return q.redirect("/settings/accounts", "account-changed")
}

// setMachineRole sets the role of an account at a machine. An empty role removes the role that an administrator gave.
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

// resetPassword answers POST /settings/accounts/{id}/reset.
func (p *accountPages) resetPassword(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	return p.withCode(q, q.r.PathValue("id"), v.Get("name"))
}

// auditPage is the data of the page of the audit log.
type auditPage struct {
	Entries []account.Entry
	Next    string
}

// audit answers GET /settings/audit.
func (p *accountPages) audit(q *request) error {
	list, next, err := p.accounts.Audit.Entries(ctxOf(q), q.actor, account.Page{After: q.r.URL.Query().Get("after")})
	if err != nil {
		return err
	}
	d := auditPage{Entries: list}
	if next != "" {
		d.Next = "/settings/audit?" + url.Values{"after": {next}}.Encode()
	}
	return q.render(200, "audit", "settings", "audit.title", d)
}

// exportAudit answers GET /settings/audit.jsonl.
func (p *accountPages) exportAudit(q *request) error {
	var b bytes.Buffer
	if err := p.accounts.Audit.Export(ctxOf(q), q.actor, &b); err != nil {
		return err
	}
	return q.download("audit-"+strconv.FormatInt(p.now().Unix(), 10)+".jsonl", "application/jsonl", b.Bytes())
}
