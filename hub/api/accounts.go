package api

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/policy"
)

// accountEdit contains the fields of an account that a client may change.
type accountEdit struct {
	Name     string                          `json:"name"`
	Member   policy.MemberID                 `json:"member,omitempty"`
	Site     actor.Role                      `json:"role,omitempty"`
	Machines map[policy.MachineID]actor.Role `json:"machine_roles,omitempty"`
	Disabled bool                            `json:"disabled,omitempty"`
}

// apply copies the edited fields into an account.
func (e accountEdit) apply(a *account.Account) {
	a.Name, a.Member, a.Site, a.Machines, a.Disabled = e.Name, e.Member, e.Site, e.Machines, e.Disabled
}

// newToken is the body of a request for an API token. Scopes are the permissions of the token. A token without scopes
// has no permission.
type newToken struct {
	Name    string      `json:"name"`
	Scopes  []actor.Act `json:"scopes"`
	Expires time.Time   `json:"expires"`
}

// printInput is the body of a request for printed codes.
type printInput struct {
	Members []policy.MemberID `json:"members"`
	Each    int               `json:"each,omitempty"` // number of codes for each member; default 1
}

// resetCode is the response to a request for a code that sets a new password.
type resetCode struct {
	Code string `json:"code"` // the code works once, and no other response contains it
}

// me is the response that describes the account of the user who sent the request.
type me struct {
	Account  string                          `json:"account"`
	Name     string                          `json:"name"`
	Member   policy.MemberID                 `json:"member,omitempty"`
	Site     actor.Role                      `json:"role,omitempty"`
	Machines map[policy.MachineID]actor.Role `json:"machine_roles,omitempty"`
	// Permissions of the token; empty: the permissions of the roles.
	Scopes []actor.Act `json:"scopes,omitempty"`
	Token  string      `json:"token,omitempty"` // id of the token that the request used; empty for a browser
}

// accountAPI serves the routes of accounts and the audit log.
type accountAPI struct {
	accounts Accounts
	now      func() time.Time
}

// routes returns the routes for administrators.
func (s *accountAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/accounts", Act: actor.WriteAccounts, Query: []string{"cursor", "limit"},
			Answer: list[account.Account]{},
			handle: s.listAccounts},
		{Method: "POST", Path: "/accounts", Act: actor.WriteAccounts, Body: accountEdit{}, Answer: account.Account{},
			handle: s.addAccount},
		{Method: "GET", Path: "/accounts/{account}", Act: actor.WriteAccounts, Answer: account.Account{},
			handle: s.getAccount},
		{Method: "PATCH", Path: "/accounts/{account}", Act: actor.WriteAccounts, Body: accountEdit{},
			Types: []string{mergePatchType}, IfMatch: true,
			Answer: account.Account{}, handle: s.patchAccount},
		{Method: "POST", Path: "/accounts/{account}/reset", Act: actor.WriteAccounts, Answer: resetCode{},
			handle: s.resetAccount},
		{Method: "DELETE", Path: "/accounts/{account}", Act: actor.WriteAccounts, IfMatch: true, handle: s.removeAccount},
		{Method: "GET", Path: "/accounts/{account}/sessions", Act: actor.WriteAccounts, Answer: list[account.Session]{},
			handle: s.listSessions},
		{Method: "DELETE", Path: "/accounts/{account}/sessions", Act: actor.WriteAccounts, handle: s.signOutEverywhere},
		{Method: "GET", Path: "/accounts/{account}/tokens", Act: actor.WriteAccounts, Answer: list[account.Token]{},
			handle: s.listTokens},
		{Method: "DELETE", Path: "/accounts/{account}/tokens/{token}", Act: actor.WriteAccounts, handle: s.revokeToken},
		{Method: "POST", Path: "/printed-codes", Act: actor.WriteMembers, Body: printInput{},
			Answer: list[account.Printed]{}, handle: s.printCodes},
		{Method: "GET", Path: "/audit", Act: actor.ReadAudit, Query: []string{"cursor", "limit"},
			Answer: list[account.Entry]{}, handle: s.listAuditLog},
		{Method: "GET", Path: "/audit/export", Act: actor.ReadAudit, Produces: []string{auditType}, handle: s.exportAudit},
	}
}

// ownRoutes returns the routes with which users read and change their own account.
func (s *accountAPI) ownRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/me", Answer: me{}, handle: s.getMe},
		{Method: "GET", Path: "/me/sessions", Answer: list[account.Session]{}, handle: s.listSessions},
		{Method: "DELETE", Path: "/me/sessions", handle: s.signOutEverywhere},
		{Method: "DELETE", Path: "/me/sessions/{session}", handle: s.endSession},
		{Method: "GET", Path: "/me/tokens", Answer: list[account.Token]{}, handle: s.listTokens},
		{Method: "POST", Path: "/me/tokens", Body: newToken{}, Answer: account.Token{}, handle: s.newToken},
		{Method: "DELETE", Path: "/me/tokens/{token}", handle: s.revokeToken},
	}
}

const auditType = "application/octet-stream"

// listAccounts returns one page of the accounts, sorted by id.
func (s *accountAPI) listAccounts(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	found, next, err := s.accounts.Registry.List(c.ctx(), c.actor, account.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return pageAnswer(c, found, next), nil
}

// accountAnswer returns the response that contains an account. The response's ETag is the account's version.
func accountAnswer(a account.Account) answer { return answer{body: a, version: a.Version} }

// addAccount creates an account without a password. The response is 201 with the URL of the account.
func (s *accountAPI) addAccount(c *call) (answer, error) {
	var in accountEdit
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	var a account.Account
	in.apply(&a)
	// The account has no password yet: its owner sets one with a code that /reset creates.
	a, err := s.accounts.Registry.Add(c.ctx(), c.actor, a, "")
	if err != nil {
		return answer{}, err
	}
	out := accountAnswer(a)
	out.status, out.location = http.StatusCreated, pathFor("accounts", a.ID)
	return out, nil
}

// getAccount returns the account in the path.
func (s *accountAPI) getAccount(c *call) (answer, error) {
	a, err := s.accounts.Registry.Get(c.ctx(), c.actor, c.id("account"))
	if err != nil {
		return answer{}, err
	}
	return accountAnswer(a), nil
}

// patchAccount changes an account by a JSON merge patch (RFC 7396). If-Match must name the account's version.
func (s *accountAPI) patchAccount(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	patch, err := io.ReadAll(c.r.Body)
	if err != nil {
		return answer{}, err
	}
	a, err := s.accounts.Registry.Change(c.ctx(), c.actor, c.id("account"), version, func(a *account.Account) error {
		edit, err := applyPatch(accountEdit{a.Name, a.Member, a.Site, maps.Clone(a.Machines), a.Disabled}, patch, c.lang)
		if err != nil {
			return err
		}
		edit.apply(a)
		return nil
	})
	if err != nil {
		return answer{}, err
	}
	return accountAnswer(a), nil
}

// resetAccount creates a code with which the account's owner sets a new password. No other response contains the code.
func (s *accountAPI) resetAccount(c *call) (answer, error) {
	text, err := s.accounts.Recovery.ResetCode(c.ctx(), c.actor, c.id("account"))
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: resetCode{text}}, nil
}

// listAuditLog returns one page of the audit log, the newest entry first.
func (s *accountAPI) listAuditLog(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	found, next, err := s.accounts.Audit.Entries(c.ctx(), c.actor, account.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return pageAnswer(c, found, next), nil
}

// exportAudit streams the whole audit log as a file. The file's name contains the date, in UTC.
func (s *accountAPI) exportAudit(c *call) (answer, error) {
	name := fmt.Sprintf("audit-%s.log", s.now().UTC().Format(time.DateOnly))
	return answer{mime: auditType, file: name, stream: func(w io.Writer) error {
		return s.accounts.Audit.Export(c.ctx(), c.actor, w)
	}}, nil
}

// getMe returns the account of the signed-in user. The route requires no permission.
func (s *accountAPI) getMe(c *call) (answer, error) {
	a := c.actor
	if a.Account == "" {
		return answer{}, &actor.Denied{Act: actor.ReadOwn, Actor: a}
	}
	return answer{body: me{Account: a.Account, Name: a.Name, Member: a.Member, Site: a.Site, Machines: a.Machines,
		Scopes: a.Scopes, Token: a.Token}}, nil
}

// account returns the id of the account whose sessions and tokens a route handles: the account in the path, or the
// user's own account if the path contains no account.
func (c *call) account() string {
	if id := c.id("account"); id != "" {
		return id
	}
	return c.actor.Account
}

// removeAccount removes an account. If-Match must name the account's version.
func (s *accountAPI) removeAccount(c *call) (answer, error) {
	version, err := c.version()
	if err != nil {
		return answer{}, err
	}
	return answer{}, s.accounts.Registry.Remove(c.ctx(), c.actor, c.id("account"), version)
}

// endSession ends one session of an account, so that the person is signed out in one browser.
func (s *accountAPI) endSession(c *call) (answer, error) {
	return answer{}, s.accounts.Sessions.End(c.ctx(), c.actor, c.account(), c.id("session"))
}

// printCodes creates codes on paper. A member can sign in once with each code.
func (s *accountAPI) printCodes(c *call) (answer, error) {
	in := printInput{Each: 1}
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	codes, err := s.accounts.PrintedCodes.Print(c.ctx(), c.actor, in.Members, in.Each)
	if err != nil {
		return answer{}, err
	}
	out := listAnswer(codes)
	out.status = http.StatusCreated
	return out, nil
}

// listSessions lists the sessions of an account.
func (s *accountAPI) listSessions(c *call) (answer, error) {
	found, err := s.accounts.Sessions.Active(c.ctx(), c.actor, c.account())
	if err != nil {
		return answer{}, err
	}
	return listAnswer(found), nil
}

// signOutEverywhere ends all sessions of an account.
func (s *accountAPI) signOutEverywhere(c *call) (answer, error) {
	return answer{}, s.accounts.Sessions.EndAll(c.ctx(), c.actor, c.account())
}

// listTokens lists the API tokens of an account, without the secret texts of the tokens.
func (s *accountAPI) listTokens(c *call) (answer, error) {
	found, err := s.accounts.Tokens.Issued(c.ctx(), c.actor, c.account())
	if err != nil {
		return answer{}, err
	}
	return listAnswer(found), nil
}

// newToken creates an API token for the actor's own account. Only the response of newToken contains the token's secret
// text.
func (s *accountAPI) newToken(c *call) (answer, error) {
	var in newToken
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	t, err := s.accounts.Tokens.Issue(c.ctx(), c.actor, in.Name, in.Scopes, in.Expires)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: t}, nil
}

// revokeToken revokes an API token. A later request with the token gets status 401.
func (s *accountAPI) revokeToken(c *call) (answer, error) {
	return answer{}, s.accounts.Tokens.Revoke(c.ctx(), c.actor, c.account(), c.id("token"))
}
