package web

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/httpd"
	"portillon/hub/visitor"
	"portillon/policy"
)

// request is one request to a page.
type request struct {
	p     *Pages
	w     http.ResponseWriter
	r     *http.Request
	actor actor.Actor
	lang  string
	reqID string
}

// view is the data of a template: the data of the layout, and D, the data of the page itself.
type view struct {
	Page    string
	Title   string // title of the page: a message key, or a text
	Lang    string
	Other   string // address of the same page in the other language
	Site    string
	Actor   actor.Actor
	Section string // key of the current entry of the navigation
	Has     map[string]bool
	Done    string // key of the message about the action that was just completed
	Keep    string // "?lang=fr" before sign-in, when no cookie may store the language; otherwise empty
	Request string
	D       any
}

// serve returns a handler that finds the user and the language, calls do, and converts errors to pages.
func (p *Pages) serve(do func(*request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		q := &request{p: p, w: w, r: r, reqID: p.o.RequestID(r)}
		who, err := p.o.Who(r)
		q.actor = who
		if q.actor.Request == "" {
			q.actor.Request = q.reqID
		}
		q.lang = q.language()
		httpd.SetLanguage(r.Context(), map[string]policy.Language{"fr": policy.French, "en": policy.English}[q.lang])
		if err == nil {
			r.Body = http.MaxBytesReader(w, r.Body, q.bodyLimit())
			err = do(q)
		}
		if err != nil {
			q.writeError(err)
		}
	}
}

// bodyLimit returns the maximum size of a request's form in bytes. Clients without an account may upload nothing but a
// visitor's badge.
func (q *request) bodyLimit() int64 {
	switch {
	case q.r.URL.Path == "/visit":
		return visitor.MaxBadge + smallForm
	case q.actor.Account == "":
		return smallForm
	case strings.HasPrefix(q.r.Header.Get("Content-Type"), "multipart/form-data"):
		return maxUpload
	case strings.HasPrefix(q.r.URL.Path, "/policy"):
		return maxForm
	}
	return smallForm
}

const langCookie = "portillon-lang"

// language returns the language in ?lang=, in the cookie or in Accept-Language, whichever exists first. If the user
// is signed in, language stores the language of ?lang= in a cookie.
func (q *request) language() string {
	if l := known(q.r.URL.Query().Get("lang")); l != "" {
		if q.actor.Account != "" {
			http.SetCookie(q.w, &http.Cookie{Name: langCookie, Value: l, Path: "/", MaxAge: 365 * 24 * 3600,
				HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: q.r.TLS != nil})
		}
		return l
	}
	if c, err := q.r.Cookie(langCookie); err == nil && known(c.Value) != "" {
		return c.Value
	}
	return accepted(q.r.Header.Get("Accept-Language"))
}

// known returns lang if the hub has pages in this language, and an empty text otherwise.
func known(lang string) string {
	for _, l := range languages {
		if l == lang {
			return l
		}
	}
	return ""
}

// accepted returns the language of the pages that has the highest weight in an Accept-Language header (RFC 9110,
// section 12.5.4). accepted returns English if the header names only other languages, and French if the header is
// empty.
func accepted(header string) string {
	best, weight := "", 0.0
	parts := strings.Split(header, ",")
	for _, part := range parts[:min(len(parts), 20)] {
		tag, q, weighted := strings.Cut(strings.TrimSpace(part), ";q=")
		w := 1.0
		if weighted {
			w, _ = strconv.ParseFloat(q, 64)
		}
		base, _, _ := strings.Cut(strings.ToLower(tag), "-")
		if l := known(base); l != "" && w > weight && w <= 1 {
			best, weight = l, w
		}
	}
	switch {
	case best != "":
		return best
	case strings.TrimSpace(header) == "" || strings.TrimSpace(header) == "*":
		return languages[0]
	}
	return "en"
}

// render writes a page. title is a message key.
func (q *request) render(status int, page, section, title string, d any) error {
	return q.renderIn("layout.html", status, page, section, title, d)
}

// renderIn writes a page whose outermost template is layout.
func (q *request) renderIn(layout string, status int, page, section, title string, d any) error {
	v := q.p.views[q.lang]
	site, mail := q.p.o.Live()
	out := view{Page: page, Title: v.t(title), Lang: q.lang, Other: q.otherLanguage(), Site: site, Actor: q.actor,
		Section: section, Done: q.done(), Request: q.reqID, D: d,
		Has: map[string]bool{
			"directory": q.p.o.Directory != (Directory{}),
			"machines":  q.p.o.Machines != nil,
			"policies":  q.p.o.Policies != nil,
			"issuing":   q.p.o.Issuing != nil,
			"badges":    q.p.o.OwnBadges != nil,
			"reports":   q.p.o.Reports != nil,
			"accounts":  q.p.o.Accounts != (Accounts{}),
			"display":   q.p.o.Display != (Display{}),
			"search":    q.p.o.Search != nil && q.actor.May(actor.ReadMachines, actor.Target{}) == nil,
			"mail":      mail,
		}}
	// Some pages have a title that depends on the page's data.
	if named, ok := d.(interface{ title(tongue) string }); ok {
		out.Title = named.title(v.tongue)
	}
	if q.actor.Account == "" && known(q.r.URL.Query().Get("lang")) != "" {
		out.Keep = "?lang=" + q.lang
	}
	// Render the whole page before sending the status, so that an error can still lead to an error page.
	var b bytes.Buffer
	if err := v.pages[page].ExecuteTemplate(&b, layout, out); err != nil {
		return err
	}
	q.w.Header().Set("Content-Type", "text/html; charset=utf-8")
	q.w.Header().Set("Content-Language", q.lang)
	q.w.Header().Set("Content-Length", strconv.Itoa(b.Len()))
	q.w.WriteHeader(status)
	_, err := q.w.Write(b.Bytes())
	if err != nil {
		q.p.o.Log.Debug("sending a page to the browser failed", "page", page, "request", q.reqID, "err", err)
	}
	return nil
}

// done returns the message of the completed action that a redirect named. done ignores the keys of other messages.
func (q *request) done() string {
	if k := "done." + q.r.URL.Query().Get("done"); q.p.views[q.lang].has(k) {
		return k
	}
	return ""
}

// otherLanguage returns the address of this page in the other language. For the response to a POST, it is the address
// of the page that contains the form.
func (q *request) otherLanguage() string {
	l := languages[0]
	if q.lang == l {
		l = languages[1]
	}
	u := url.URL{Path: q.r.URL.Path}
	if q.r.Method != http.MethodGet {
		u.Path = q.section()
	}
	v := url.Values{}
	if q.r.Method == http.MethodGet {
		v = q.r.URL.Query()
	}
	v.Del("done")
	v.Set("lang", l)
	u.RawQuery = v.Encode()
	return u.RequestURI()
}

// section returns the address of the page that contains the form of a POST: for /members/m-1/cards, this is
// /members/m-1.
func (q *request) section() string {
	parts := strings.Split(strings.TrimPrefix(q.r.URL.Path, "/"), "/")
	return "/" + url.PathEscape(parts[0])
}

// redirect redirects a POST to a page that shows a message about the completed action. All parts of path must be
// escaped.
func (q *request) redirect(path, done string) error {
	path, part, _ := strings.Cut(path, "#")
	sep := "?"
	if strings.Contains(path, "?") {
		sep = "&"
	}
	if done != "" {
		path += sep + "done=" + url.QueryEscape(done)
		sep = "&"
	}
	if l := known(q.r.URL.Query().Get("lang")); l != "" {
		path += sep + "lang=" + l
	}
	if part != "" {
		path += "#" + part
	}
	q.w.Header().Set("Location", path)
	q.w.WriteHeader(http.StatusSeeOther)
	return nil
}

// problem is the data of an error page.
type problem struct {
	Status int
	What   string // prefix of the message keys for the heading and the explanation on the page
	Why    string
}

// title returns the title of the page.
func (p problem) title(l tongue) string { return l.t(p.What) }

// writeError writes the page for an error, and logs internal errors.
func (q *request) writeError(err error) {
	var denied *actor.Denied
	if errors.As(err, &denied) && denied.SignIn() {
		q.signInFirst()
		return
	}
	if faults := invalid(err); faults != nil {
		q.writePlainError(q.render(422, "invalid", "", "error.422", faults))
		return
	}
	pr := problemOf(q.w.Header(), err)
	if pr.Status == 500 {
		q.p.o.Log.Error("request failed", "path", q.r.URL.Path, "request", q.reqID, "err", err)
	}
	q.writePlainError(q.render(pr.Status, "problem", "", pr.What, pr))
}

// writePlainError writes plain text if even the error page could not be rendered.
func (q *request) writePlainError(err error) {
	if err != nil {
		q.p.o.Log.Error("rendering the error page failed", "request", q.reqID, "err", err)
		http.Error(q.w, "500 "+q.reqID, http.StatusInternalServerError)
	}
}

// problemOf returns the data of the error page for err, and sets the headers of the response. An unknown error has
// status 500.
func problemOf(h http.Header, err error) problem {
	var denied *actor.Denied
	var missing *fault.NotFound
	var conflict *fault.Conflict
	var large *http.MaxBytesError
	var often *account.Throttled
	var busy *account.Busy
	var silent *enrol.Unreachable
	var refused *enrol.Refused
	say := func(status int, what string) problem { return problem{status, what, what + ".why"} }
	switch {
	case errors.As(err, &denied):
		return say(403, "error.403")
	case errors.As(err, &missing), errors.Is(err, errNoPage), errors.Is(err, account.ErrNoMail):
		return say(404, "error.404")
	case errors.As(err, &conflict):
		return say(412, "error.412")
	case errors.As(err, &silent):
		return say(http.StatusGatewayTimeout, "error.silent")
	case errors.As(err, &refused):
		return say(http.StatusConflict, "error.refused")
	case errors.As(err, &large):
		return say(413, "error.413")
	case errors.Is(err, errForm), errors.Is(err, account.ErrBoth):
		return say(400, "error.400")
	case errors.Is(err, account.ErrCode), errors.Is(err, account.ErrWrong):
		return say(401, "link.old")
	case errors.As(err, &often):
		h.Set("Retry-After", strconv.Itoa(often.Seconds()))
		return say(429, "error.429")
	case errors.As(err, &busy):
		h.Set("Retry-After", "1")
		return say(503, "error.503")
	}
	return say(500, "error.500")
}

// signInFirst redirects a visitor to the sign-in page. After the sign-in, the hub redirects the visitor to the page
// that the visitor requested.
func (q *request) signInFirst() {
	back := q.r.URL.RequestURI()
	if q.r.Method != http.MethodGet {
		back = q.section()
	}
	v := url.Values{"back": {back}}
	if l := known(q.r.URL.Query().Get("lang")); l != "" {
		v.Set("lang", l)
	}
	q.w.Header().Set("Location", "/sign-in?"+v.Encode())
	q.w.WriteHeader(http.StatusSeeOther)
}

// localPath returns back if it is a path on this hub, and "/" otherwise, so that a link cannot redirect to another
// site.
func localPath(back string) string {
	u, err := url.Parse(back)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(back, "/") || len(back) > 500 ||
		strings.HasPrefix(back, "//") || strings.ContainsAny(back, "\\\r\n\t") || strings.HasPrefix(u.Path, "/sign-in") {
		return "/"
	}
	return u.RequestURI()
}

// ignoreDenied returns nil for a *actor.Denied error, so that a page leaves out a part that the user may not see.
func ignoreDenied(err error) error {
	var denied *actor.Denied
	if errors.As(err, &denied) && !denied.SignIn() {
		return nil
	}
	return err
}

// tongue returns the formatter of dates and numbers for the language of the response.
func (q *request) tongue() tongue { return q.p.views[q.lang].tongue }

// download sends a file as the response.
func (q *request) download(name, kind string, data []byte) error {
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=%q", name))
	h.Set("Content-Length", fmt.Sprint(len(data)))
	if _, err := q.w.Write(data); err != nil {
		q.p.o.Log.Debug("sending a file to the browser failed", "file", name, "request", q.reqID, "err", err)
	}
	return nil
}
