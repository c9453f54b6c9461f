package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"portillon/hub/account"
	"portillon/hub/httpd"
	"portillon/policy"
)

// signIn signs a person in, in the browser that sent the request of ctx. signIn calls the same services as the hub's
// own pages. A member signs in with a printed code that is created for this one sign-in. An owner or administrator
// signs in with a password that the demo creates the first time.
func (d *demo) signIn(ctx context.Context, p *demoPerson) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	accounts := d.hub.Accounts()
	switch {
	case p.member != "":
		codes, err := accounts.PrintedCodes.Print(ctx, demoActor, []policy.MemberID{p.member}, 1)
		if err != nil {
			return err
		}
		_, err = accounts.PrintedCodes.UseCode(ctx, codes[0].Code)
		return err
	case p.password != "":
		_, err := accounts.Passwords.SignIn(ctx, p.address, p.password, "")
		return err
	}
	password := rand.Text()
	if err := d.setPassword(ctx, p, password); err != nil {
		return err
	}
	p.password = password
	return nil
}

// setPassword sets the first password of an owner or administrator, and signs that person in.
func (d *demo) setPassword(ctx context.Context, p *demoPerson, password string) error {
	accounts := d.hub.Accounts()
	if p.account == "" {
		_, err := accounts.Ownership.Redeem(ctx, d.hub.OwnerCode(), p.address, password)
		return err
	}
	code, err := accounts.Recovery.ResetCode(ctx, demoActor, p.account)
	if err != nil {
		return err
	}
	_, err = accounts.Recovery.ResetPassword(ctx, code, password)
	return err
}

// signInPath is the only route of the demo that starts a session at the hub. A real hub has no route that signs a
// person in without a password or a code.
const signInPath = "/as"

// signInRoute answers POST /as (person, page, lang) by signing the browser in and redirecting it to a page of the hub.
// Cookies belong to a host, not to a port (RFC 6265 §8.5), so the session is valid at the hub. Both the protection that
// every listener of the hub has and the service of accounts refuse requests from other web sites.
func (p *demoPage) signInRoute() (http.Handler, error) {
	return httpd.Handler(httpd.Options{Now: p.d.now}, p.d.hub.Accounts().Requests.Handler(http.HandlerFunc(p.openHub)))
}

// openHub signs a person in and redirects the browser to the hub.
func (p *demoPage) openHub(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 4096)
	i := slices.IndexFunc(p.d.people, func(x *demoPerson) bool { return x.id == r.PostFormValue("person") })
	page := r.PostFormValue("page")
	if i < 0 || !p.isHubPage(page) {
		http.Error(w, "demo's page has no button for this person", http.StatusBadRequest)
		return
	}
	if err := p.d.signIn(r.Context(), p.d.people[i]); err != nil {
		status, why := signInFault(p.d.people[i], err)
		http.Error(w, why, status)
		return
	}
	to := url.URL{Scheme: "http", Host: net.JoinHostPort(hostOf(r.Host), p.d.hubPort()), Path: page}
	if lang := r.PostFormValue("lang"); lang == "fr" || lang == "en" {
		to.RawQuery = "lang=" + lang
	}
	http.Redirect(w, r, to.String(), http.StatusSeeOther)
}

// isHubPage accepts the paths of the hub's first page and of the pages of the demo's machines. signInRoute refuses to
// redirect the browser to any other page.
func (p *demoPage) isHubPage(path string) bool {
	return path == "/" || slices.ContainsFunc(p.d.machines, func(m *demoMachine) bool { return path == m.hubPage() })
}

// signInFault returns the HTTP status and the sentence for a failed sign-in.
func signInFault(p *demoPerson, err error) (status int, why string) {
	status = account.Status(err)
	if errors.Is(err, account.ErrWrong) {
		return status, fmt.Sprintf("%[1]s : le mot de passe a été changé au hub\n%[1]s: the password was changed at the hub",
			p.name)
	}
	if status == 0 {
		status = http.StatusConflict
	}
	return status, fmt.Sprintf("%[1]s ne peut pas se connecter : %[2]v\n%[1]s cannot sign in: %[2]v", p.name, err)
}

// hubPort returns the port of the hub's pages.
func (d *demo) hubPort() string {
	u, err := url.Parse(d.hub.WebURL())
	if err != nil {
		return ""
	}
	return u.Port()
}

// hostOf returns a request's host without the port.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.Trim(host, "[]")
}
