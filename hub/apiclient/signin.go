package apiclient

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"time"
)

// SignIn contains the credentials with which a person signs in to create an API token.
type SignIn struct {
	Name, Password string
	OwnerCode      string // code that creates the first owner's account; empty: the account exists
}

// Token is a new API token.
type Token struct {
	ID      string    `json:"id"`
	Expires time.Time `json:"expires"`
	Text    string    `json:"token"`
}

// NewToken signs in as a browser does, creates an API token, and signs out. NewToken does not read Options.TokenFile.
func NewToken(ctx context.Context, o Options, in SignIn, name string, scopes []string, expires time.Time) (Token,
	error) {
	c, err := newClient(o)
	if err != nil {
		return Token{}, err
	}
	if c.http.Jar, err = cookiejar.New(nil); err != nil {
		return Token{}, err
	}
	form, path := url.Values{"name": {in.Name}, "password": {in.Password}}, "/sign-in"
	if in.OwnerCode != "" {
		path = "/code/owner"
		form.Set("code", in.OwnerCode)
	}
	status, err := c.form(ctx, path, form)
	switch {
	case err != nil:
		return Token{}, err
	case status == http.StatusUnauthorized || status == http.StatusUnprocessableEntity:
		return Token{}, &Problem{Status: status, Title: refusedSignIn(c.language, in.OwnerCode != "")}
	case status != http.StatusSeeOther:
		return Token{}, &Unreachable{c.base.Host, fmt.Errorf("sign-in returned status %d, want 303 from a hub", status)}
	}
	var t Token
	a, err := c.Do(ctx, Request{Method: http.MethodPost, Path: "/me/tokens",
		JSON: map[string]any{"name": name, "scopes": scopes, "expires": expires}})
	if err == nil {
		err = json.Unmarshal(a.Body, &t)
	}
	// Ignore errors of the sign-out: the session expires anyway, and the token is valid.
	_, _ = c.form(ctx, "/sign-out", nil)
	return t, err
}

// refusedSignIn returns a sentence that says why a sign-in was refused. first is true if the person signs in with the
// first owner's code.
func refusedSignIn(language string, first bool) string {
	switch {
	case language == "fr" && first:
		return "le hub refuse : le code du premier propriétaire a servi ou n’est pas le bon, ou le mot de passe a moins de " +
			"10 caractères"
	case language == "fr":
		return "le hub refuse ce nom ou ce mot de passe"
	case first:
		return "the hub refuses: the first owner’s code was used or is wrong, or the password has less than 10 characters"
	}
	return "the hub refuses this name or password"
}

// form sends an HTML form to a page of the hub and returns the status of the response.
func (c *Client) form(ctx context.Context, path string, form url.Values) (int, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base.String()+path, strings.NewReader(form.Encode()))
	if err != nil {
		return 0, err
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept-Language", c.language)
	r.Header.Set("User-Agent", "portillon")
	resp, err := c.http.Do(r)
	if err != nil {
		return 0, &Unreachable{c.base.Host, bare(err)}
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, io.LimitReader(resp.Body, maxPage))
	return resp.StatusCode, err
}

// maxPage is the maximum number of bytes read from a page; the hub's pages have at most 60 kB.
const maxPage = 1 << 20
