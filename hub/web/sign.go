package web

import (
	"errors"
	"net/http"
	"net/url"

	"portillon/hub/account"
	"portillon/hub/fault"
	"portillon/policy"
)

// signPages serves the pages for sign-in: with name and password, with links by e-mail, and with codes.
type signPages struct {
	accounts Accounts
	address  func(*http.Request) string
}

// routes returns the pages and forms.
func (p *signPages) routes() []route {
	return []route{
		{"GET /sign-in", p.signInPage}, {"POST /sign-in", p.signIn}, {"POST /sign-in/mail", p.mailLink}, {"POST /sign-out",
			p.signOut},
		{"GET /sign-in/link", p.linkPage}, {"POST /sign-in/link", p.useLink},
		{"GET /code", p.codePage}, {"POST /code", p.useCode},
		{"GET /code/owner", p.ownerPage}, {"POST /code/owner", p.redeem},
		{"GET /code/password", p.resetPage}, {"POST /code/password", p.reset},
	}
}

// signPage is the data of the sign-in page with its two forms.
type signPage struct {
	Password, Link form
	Refused        bool // true: the name or the password was wrong; the page does not reveal which of them
}

// newSignPage returns the sign-in page with empty forms. Hidden fields of both forms contain the return address and
// the language.
func newSignPage(q *request) signPage {
	v := url.Values{}
	if back := localPath(q.r.URL.Query().Get("back")); back != "/" {
		v.Set("back", back)
	}
	if l := known(q.r.URL.Query().Get("lang")); l != "" {
		v.Set("lang", l)
	}
	with := ""
	if len(v) > 0 {
		with = "?" + v.Encode()
	}
	return signPage{
		Password: form{ID: "password", Action: "/sign-in" + with, Submit: "sign.in", Fields: []field{
			{Name: "name", Kind: "text", Label: "sign.name", Hint: "sign.name.hint", Required: true, Auto: "username"},
			{Name: "password", Kind: "password", Label: "sign.password", Required: true, Auto: "current-password"}}},
		Link: form{ID: "link", Action: "/sign-in/mail" + with, Submit: "sign.link.send", Fields: []field{
			{Name: "email", Kind: "email", Label: "sign.email", Hint: "sign.email.hint", Required: true, Auto: "email"}}}}
}

// signInPage answers GET /sign-in.
func (p *signPages) signInPage(q *request) error {
	if q.actor.Account != "" {
		return q.redirect(localPath(q.r.URL.Query().Get("back")), "")
	}
	return q.render(200, "signin", "", "sign.title", newSignPage(q))
}

// signIn answers POST /sign-in.
func (p *signPages) signIn(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.accounts.Passwords.SignIn(ctxOf(q), v.Get("name"), v.Get("password"), p.address(q.r))
	if errors.Is(err, account.ErrWrong) || invalid(err) != nil {
		d := newSignPage(q)
		d.Password, d.Refused = d.Password.withValues(v).refuse(invalid(err)), true
		return q.render(http.StatusUnauthorized, "signin", "", "sign.title", d)
	}
	if err != nil {
		return err
	}
	return q.redirect(localPath(q.r.URL.Query().Get("back")), "")
}

// mailLink answers POST /sign-in/mail. The response is the same for known and unknown addresses, so that it does not
// reveal members.
func (p *signPages) mailLink(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = p.accounts.Links.MailLink(ctxOf(q), v.Get("email"))
	if faults := invalid(err); faults != nil {
		d := newSignPage(q)
		d.Link = d.Link.withValues(v).refuse(faults)
		return q.render(422, "signin", "", "sign.title", d)
	}
	if err != nil {
		return err
	}
	return q.redirect("/sign-in", "link-sent")
}

// signOut answers POST /sign-out.
func (p *signPages) signOut(q *request) error {
	if err := p.accounts.Sessions.SignOut(ctxOf(q)); err != nil {
		return err
	}
	return q.redirect("/sign-in", "signed-out")
}

// linkPage answers GET /sign-in/link with a page that has a button. Opening the link must not sign anyone in, because
// mail scanners open links.
func (p *signPages) linkPage(q *request) error {
	q.w.Header().Set("Referrer-Policy", "no-referrer")
	code := q.r.URL.Query().Get("code")
	people, err := p.accounts.Links.Link(ctxOf(q), code)
	if err != nil {
		return err
	}
	return q.render(200, "link", "", "link.title", linkPage{code, people})
}

// linkPage is the data of the page of a sign-in link: the members whom the link may sign in.
type linkPage struct {
	Code   string
	People []account.Person
}

// useLink answers POST /sign-in/link.
func (p *signPages) useLink(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	_, err = p.accounts.Links.UseLink(ctxOf(q), v.Get("code"), policy.MemberID(v.Get("member")))
	var which *account.Choose
	if errors.As(err, &which) {
		return q.render(200, "link", "", "link.title", linkPage{v.Get("code"), which.Members})
	}
	if err != nil {
		return err
	}
	return q.redirect("/", "")
}

// codeForm returns a form with a field for a code, and more fields.
func codeForm(action string, more ...field) form {
	return form{ID: "code", Action: action, Submit: "code.use", Fields: append([]field{
		{Name: "code", Kind: "text", Label: "code.code", Hint: "code.code.hint", Required: true, Auto: "one-time-code"}},
		more...)}
}

// newPassword returns the form field for a new password.
func newPassword() field {
	return field{Name: "password", Kind: "password", Label: "code.password", Hint: "code.password.hint", Required: true,
		Auto: "new-password"}
}

// printedForm returns the form in which a person enters a printed sign-in code.
func printedForm() form { return codeForm("/code") }

// resetForm returns the web form in which a person enters a code and a new password.
func resetForm() form { return codeForm("/code/password", newPassword()) }

// ownerForm returns the form in which the first owner enters the code of the hub's first start.
func ownerForm() form {
	return codeForm("/code/owner", field{Name: "name", Kind: "text", Label: "sign.name", Hint: "code.name.hint",
		Required: true, Auto: "username"},
		newPassword())
}

// showCode renders a form for a code. showCode fills in the code from the request's query, because the hub prints an
// address with the code at its first start.
func (p *signPages) showCode(q *request, f form, title string) error {
	return q.render(200, "code", "", title, f.withValues(url.Values{"code": {q.r.URL.Query().Get("code")}}))
}

// codePage answers GET /code.
func (p *signPages) codePage(q *request) error { return p.showCode(q, printedForm(), "code.title") }

// ownerPage answers GET /code/owner.
func (p *signPages) ownerPage(q *request) error { return p.showCode(q, ownerForm(), "code.owner") }

// resetPage answers GET /code/password.
func (p *signPages) resetPage(q *request) error { return p.showCode(q, resetForm(), "code.reset") }

// useCode answers POST /code.
func (p *signPages) useCode(q *request) error {
	return p.withForm(q, printedForm(), "code.title", func(v url.Values) error {
		_, err := p.accounts.PrintedCodes.UseCode(ctxOf(q), v.Get("code"))
		return err
	})
}

// redeem answers POST /code/owner: it creates the first owner.
func (p *signPages) redeem(q *request) error {
	return p.withForm(q, ownerForm(), "code.owner", func(v url.Values) error {
		_, err := p.accounts.Ownership.Redeem(ctxOf(q), v.Get("code"), v.Get("name"), v.Get("password"))
		return err
	})
}

// reset answers POST /code/password.
func (p *signPages) reset(q *request) error {
	return p.withForm(q, resetForm(), "code.reset", func(v url.Values) error {
		_, err := p.accounts.Recovery.ResetPassword(ctxOf(q), v.Get("code"), v.Get("password"))
		return err
	})
}

// withForm calls the function use with the values of the form. If use rejects the code, withForm shows the form again
// with the faults.
func (p *signPages) withForm(q *request, f form, title string, use func(url.Values) error) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	err = use(v)
	faults := invalid(err)
	if errors.Is(err, account.ErrCode) {
		faults = []fault.Field{{Field: "code", Wrong: err.Error()}}
	}
	if faults != nil {
		return q.render(422, "code", "", title, f.withValues(v).refuse(faults))
	}
	if err != nil {
		return err
	}
	return q.redirect("/", "")
}
