package webtest

import (
	"context"
	"fmt"
	"io"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Accounts implements the services of accounts that the pages call.
type Accounts struct{ Site *Site }

// These codes and links are valid on every test site.
const (
	OwnerCode   = "OWNER-CODE"
	PaperCode   = "PAPER-CODE"
	ResetWith   = "RESET-CODE"
	LinkCode    = "link-code"
	SharedCode  = "shared-code" // code of a sign-in link for an e-mail address that two members share
	newPassword = 12            // minimum length of a password, in bytes
)

// SignIn signs the browser in if the account exists and the password is Password.
func (s Accounts) SignIn(ctx context.Context, name, password, _ string) (actor.Actor, error) {
	s.Site.mu.Lock()
	defer s.Site.mu.Unlock()
	if s.Site.broken != nil {
		return actor.Actor{}, s.Site.broken
	}
	if x := s.Site.account(accountID(name)); x != nil && x.Name == name && password == Password && !x.Disabled {
		begin(ctx, x.ID)
		return actorOf(*x), nil
	}
	return actor.Actor{}, account.ErrWrong
}

// SignOut signs the browser out.
func (s Accounts) SignOut(ctx context.Context) error { begin(ctx, ""); return nil }

// short rejects passwords that are shorter than newPassword.
func short(password string) error {
	if len(password) < newPassword {
		return bad("password", "", "shorter than 12 bytes", "at least 12")
	}
	return nil
}

// Redeem signs in as the owner, if the code is OwnerCode.
func (s Accounts) Redeem(ctx context.Context, code, name, password string) (actor.Actor, error) {
	if code != OwnerCode {
		return actor.Actor{}, account.ErrCode
	}
	return s.as(ctx, OwnerName, short(password))
}

// ResetPassword signs in as the administrator, if the code is ResetWith. ResetPassword stores no password.
func (s Accounts) ResetPassword(ctx context.Context, code, password string) (actor.Actor, error) {
	if code != ResetWith {
		return actor.Actor{}, account.ErrCode
	}
	return s.as(ctx, AdminName, short(password))
}

// UseCode signs in as a member, if the code is PaperCode.
func (s Accounts) UseCode(ctx context.Context, code string) (actor.Actor, error) {
	if code != PaperCode {
		return actor.Actor{}, account.ErrCode
	}
	return s.as(ctx, MemberName, nil)
}

// as signs the browser in to the account with this name. If err is not nil, as only returns err.
func (s Accounts) as(ctx context.Context, name string, err error) (actor.Actor, error) {
	if err != nil {
		return actor.Actor{}, err
	}
	begin(ctx, accountID(name))
	return actorOf(*s.Site.account(accountID(name))), nil
}

// MailLink checks the form of the address, but sends nothing.
func (s Accounts) MailLink(_ context.Context, email string) error {
	if len(email) < 3 {
		return bad("email", email, "not an e-mail address", "lea@lab.example")
	}
	return nil
}

// Link returns the members whom a link can sign in. For SharedCode, Link returns two members.
func (s Accounts) Link(_ context.Context, code string) ([]account.Person, error) {
	switch code {
	case LinkCode:
		return []account.Person{{ID: "m-lea", Name: "Léa Morvan"}}, nil
	case SharedCode:
		return []account.Person{{ID: "m-lea", Name: "Léa Morvan"}, {ID: "m-tom", Name: "Tom Le Goff"}}, nil
	}
	return nil, account.ErrCode
}

// UseLink signs in as Léa. If the link is valid for two members, m must be one of the two.
func (s Accounts) UseLink(ctx context.Context, code string, m policy.MemberID) (actor.Actor, error) {
	people, err := s.Link(ctx, code)
	if err != nil {
		return actor.Actor{}, err
	}
	if m == "" && len(people) > 1 {
		return actor.Actor{}, &account.Choose{Members: people}
	}
	return s.as(ctx, MemberName, nil)
}

// List returns all accounts on one page.
func (s Accounts) List(_ context.Context, a actor.Actor, _ account.Page) ([]account.Account, string, error) {
	leave, err := s.Site.enter(a, actor.WriteAccounts, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	return append([]account.Account(nil), s.Site.access.accounts...), "", nil
}

// Add adds an account.
func (s Accounts) Add(_ context.Context, a actor.Actor, in account.Account, _ string) (account.Account, error) {
	leave, err := s.Site.enter(a, actor.WriteAccounts, actor.Target{})
	if err != nil {
		return in, err
	}
	defer leave()
	if in.Name == "" || len(in.Name) > 200 {
		return in, bad("name", in.Name, "empty or longer than 200 bytes", "a name")
	}
	in.ID, in.Version, in.Made = s.Site.next("a-new"), 1, s.Site.now
	s.Site.access.accounts = append(s.Site.access.accounts, in)
	return in, nil
}

// Change changes an account if the version is current.
func (s Accounts) Change(_ context.Context, a actor.Actor, id string, version int64,
	change func(*account.Account) error) (account.Account, error) {
	leave, err := s.Site.enter(a, actor.WriteAccounts, actor.Target{})
	if err != nil {
		return account.Account{}, err
	}
	defer leave()
	x := s.Site.account(id)
	switch {
	case x == nil:
		return account.Account{}, missing("account", id)
	case x.Version != version:
		return *x, &fault.Conflict{What: "account", ID: id, Have: x.Version, Got: version}
	}
	if err := change(x); err != nil {
		return *x, err
	}
	x.Version++
	return *x, nil
}

// ResetCode returns a code for a new password. The code is always ResetWith.
func (s Accounts) ResetCode(_ context.Context, a actor.Actor, id string) (string, error) {
	leave, err := s.Site.enter(a, actor.WriteAccounts, actor.Target{})
	if err != nil {
		return "", err
	}
	defer leave()
	return ResetWith, nil
}

// Print returns invented codes for members.
func (s Accounts) Print(_ context.Context, a actor.Actor, members []policy.MemberID,
	each int) (out []account.Printed, err error) {
	leave, err := s.Site.enter(a, actor.WriteMembers, actor.Target{})
	if err != nil {
		return nil, err
	}
	defer leave()
	for _, m := range members {
		for i := range each {
			out = append(
				out,
				account.Printed{Member: m, Code: fmt.Sprintf("7K2Q-%04d-M9XH", i), Expires: s.Site.now.AddDate(0, 0,
					90)},
			)
		}
	}
	return out, nil
}

// ChangePassword checks both passwords, but stores nothing.
func (s Accounts) ChangePassword(_ context.Context, a actor.Actor, old, password string) error {
	if old != Password {
		return bad("old", "", "wrong password", "the current one")
	}
	return short(password)
}

// Issued returns the tokens that were issued in this test.
func (s Accounts) Issued(_ context.Context, a actor.Actor, id string) ([]account.Token, error) {
	if a.Account == "" || a.Account != id {
		return nil, &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	s.Site.mu.Lock()
	defer s.Site.mu.Unlock()
	return append([]account.Token(nil), s.Site.access.tokens...), s.Site.broken
}

// Issue adds a token. The token's text is always the same.
func (s Accounts) Issue(_ context.Context, a actor.Actor, name string, scopes []actor.Act,
	expires time.Time) (account.Token, error) {
	if a.Account == "" {
		return account.Token{}, &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	if name == "" || len(name) > 200 {
		return account.Token{}, bad("name", name, "empty or longer than 200 bytes", "what the token is for")
	}
	s.Site.mu.Lock()
	defer s.Site.mu.Unlock()
	t := account.Token{ID: s.Site.next("k-new"), Name: name, Scopes: scopes, Made: s.Site.now, Expires: expires}
	s.Site.access.tokens = append(s.Site.access.tokens, t)
	t.Text = "ptl_7Qm2Zk9Xw4Tn8Vb3Rc6Yd1Hf5Js0Lg"
	return t, nil
}

// Revoke removes a token.
func (s Accounts) Revoke(_ context.Context, a actor.Actor, id, token string) error {
	if a.Account == "" || a.Account != id {
		return &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	s.Site.mu.Lock()
	defer s.Site.mu.Unlock()
	for i := range s.Site.access.tokens {
		if s.Site.access.tokens[i].ID == token {
			s.Site.access.tokens = append(s.Site.access.tokens[:i:i], s.Site.access.tokens[i+1:]...)
			return nil
		}
	}
	return missing("token", token)
}

// Active returns two sessions, in two browsers.
func (s Accounts) Active(_ context.Context, a actor.Actor, id string) ([]account.Session, error) {
	if a.Account == "" || a.Account != id {
		return nil, &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	return []account.Session{{ID: "s-1", Made: s.Site.now, Seen: s.Site.now, Address: "192.0.2.7", Agent: "Firefox, Linux",
		Current: true},
		{ID: "s-2", Made: s.Site.now.AddDate(0, 0, -3), Seen: s.Site.now.AddDate(0, 0, -1), Address: "192.0.2.31",
			Agent: "Chrome, Android"}}, nil
}

// End checks the permission, but ends no session.
func (s Accounts) End(_ context.Context, a actor.Actor, id, _ string) error {
	_, err := s.Issued(context.Background(), a, id)
	return err
}

// EndAll signs the browser out.
func (s Accounts) EndAll(ctx context.Context, a actor.Actor, id string) error {
	if a.Account == "" || a.Account != id {
		return &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	begin(ctx, "")
	return nil
}

// Entries returns the whole audit log on one page.
func (s Accounts) Entries(_ context.Context, a actor.Actor, _ account.Page) ([]account.Entry, string, error) {
	leave, err := s.Site.enter(a, actor.ReadAudit, actor.Target{})
	if err != nil {
		return nil, "", err
	}
	defer leave()
	return append([]account.Entry(nil), s.Site.access.audit...), "", nil
}

// Export writes the number of entries as JSON.
func (s Accounts) Export(_ context.Context, a actor.Actor, w io.Writer) error {
	leave, err := s.Site.enter(a, actor.ReadAudit, actor.Target{})
	if err != nil {
		return err
	}
	defer leave()
	_, err = fmt.Fprintf(w, "{\"entries\":%d}\n", len(s.Site.access.audit))
	return err
}
