package hub_test

import (
	"bufio"
	"fmt"
	"io"
	"mime/quotedprintable"
	"net"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"portillon/hub"
	"portillon/hub/directory"
)

// mailSink is a mail server that stores all mails that it receives.
type mailSink struct {
	net.Listener
	in chan string
	wg sync.WaitGroup
}

func newMailSink(t *testing.T) *mailSink {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &mailSink{Listener: l, in: make(chan string, 100)}
	s.wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.wg.Go(func() { s.serveSMTP(c) })
		}
	})
	t.Cleanup(func() { l.Close(); s.wg.Wait() })
	return s
}

// configureHub returns a change of hub.yaml that makes the hub send mails to this server.
func (s *mailSink) configureHub(t *testing.T) func(*hub.Config) {
	return func(c *hub.Config) {
		_, port, _ := net.SplitHostPort(s.Addr().String())
		c.Mail = filepath.Join(t.TempDir(), "mail.yaml")
		write(t, c.Mail, fmt.Sprintf("host: 127.0.0.1\nport: %s\ntls: none\nfrom: portillon@biklab.example\n", port))
		c.Web.URL = &url.URL{Scheme: "http", Host: "localhost"}
	}
}

// serveSMTP runs the server's side of an SMTP connection (RFC 5321).
func (s *mailSink) serveSMTP(c net.Conn) {
	defer c.Close()
	in := bufio.NewReader(c)
	answer := "220 sink ESMTP"
	for {
		if _, err := io.WriteString(c, answer+"\r\n"); err != nil {
			return
		}
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		answer = "250 ok"
		switch command, _, _ := strings.Cut(strings.ToUpper(strings.TrimSpace(line)), " "); command {
		case "QUIT":
			_, _ = io.WriteString(c, "221 bye\r\n")
			return
		case "DATA":
			if _, err := io.WriteString(c, "354 go on\r\n"); err != nil {
				return
			}
			mail := ""
			for !strings.HasSuffix(mail, "\r\n.\r\n") {
				more, err := in.ReadString('\n')
				if err != nil {
					return
				}
				mail += more
			}
			s.in <- mail
		}
	}
}

// nextMail returns the raw headers and the text of the next mail.
func (s *mailSink) nextMail(t *testing.T) string {
	t.Helper()
	var mail string
	eventually(t, func() bool {
		select {
		case mail = <-s.in:
			return true
		default:
			return false
		}
	})
	head, body, _ := strings.Cut(mail, "\r\n\r\n")
	if strings.Contains(strings.ToLower(head), "quoted-printable") {
		b, err := io.ReadAll(quotedprintable.NewReader(strings.NewReader(strings.TrimSuffix(body, ".\r\n"))))
		if err != nil {
			t.Fatal(err)
		}
		body = string(b)
	}
	return head + "\r\n\r\n" + body
}

var linkCode = regexp.MustCompile(`/sign-in/link\?code=(\w+)`)

// requestLink requests a sign-in link as the browser of a visitor, and returns the browser and the link's code.
func (r *rig) requestLink(t *testing.T, address string) (*reader, string) {
	t.Helper()
	r.dropMails(t)
	got := r.post(nil, "/sign-in/mail", nil, "email", address)
	if got.status != 303 {
		t.Fatalf("asking for a link: %d", got.status)
	}
	c := cookieOf(got)
	m := linkCode.FindStringSubmatch(r.mails.nextMail(t))
	if c == nil || m == nil {
		t.Fatal("no cookie, or no link in the mail")
	}
	return &reader{cookie: c.Value}, m[1]
}

// dropMails waits until all mails are sent, and deletes the mails.
func (r *rig) dropMails(t *testing.T) {
	t.Helper()
	r.forgetAttempts()
	eventually(t, func() bool {
		var n int
		err := r.h.Rows().Site("biklab").QueryRow(t.Context(), `SELECT count(*) FROM account_mail WHERE site = $1`).Scan(&n)
		return err == nil && n == 0
	})
	for {
		select {
		case <-r.mails.in:
		default:
			return
		}
	}
}

// memberOfCookie returns the member who is signed in by the reader's cookie; empty: nobody is signed in.
func (r *rig) memberOfCookie(who *reader) string {
	got := r.ask(who, request{method: "GET", path: "/api/v1/me"})
	if m := regexp.MustCompile(`"member":"([^"]*)"`).FindSubmatch(got.body); got.status == 200 && m != nil {
		return string(m[1])
	}
	return ""
}

// A sign-in link can be used once, even by the browser that requested it.
func replayedLink(t *testing.T, r *rig) {
	w, code := r.requestLink(t, "lea@example.org")
	got := r.post(w, "/sign-in/link", nil, "code", code)
	c := cookieOf(got)
	if c == nil || r.memberOfCookie(&reader{cookie: c.Value}) != string(r.victim.member) {
		t.Fatalf("the link does not sign in: %d", got.status)
	}
	for name, who := range map[string]*reader{"the same browser": {cookie: c.Value}, "before signing in": w,
		"no cookie": nil} {
		again := r.post(who, "/sign-in/link", nil, "code", code)
		if c := cookieOf(again); again.status < 400 && c != nil && r.memberOfCookie(&reader{cookie: c.Value}) != "" {
			t.Errorf("%s: the link signs in again", name)
		}
	}
}

// A mail scanner may open each link of a mail repeatedly, with and without the browser's cookie; the link stays usable.
func scannedLink(t *testing.T, r *rig) {
	w, code := r.requestLink(t, "lea@example.org")
	for range 2 { // only twice, because the test has the visitor's address, so the rate limit applies to both
		for _, method := range []string{"GET", "HEAD"} {
			for _, who := range []*reader{nil, w} {
				r.ask(who, request{method: method, path: "/sign-in/link?code=" + code})
			}
		}
	}
	if r.memberOfCookie(w) != "" {
		t.Error("opening the link signed in")
	}
	got := r.post(w, "/sign-in/link", nil, "code", code)
	if c := cookieOf(got); c == nil || r.memberOfCookie(&reader{cookie: c.Value}) == "" {
		t.Errorf("after the scanner the button signs nobody in: %d", got.status)
	}
}

// A person who gets a forwarded mail does not have the browser that requested the link, so the link does not sign that
// person in. A sign-in link never signs in an administrator.
func forwardedLink(t *testing.T, r *rig) {
	_, code := r.requestLink(t, "lea@example.org")
	for name, who := range map[string]*reader{"no cookie": nil, "another visitor": {cookie: visitorCookie(r)},
		"somebody else": r.readers["member"]} {
		before := ""
		if who != nil {
			before = r.memberOfCookie(who)
		}
		got := r.post(who, "/sign-in/link", nil, "code", code)
		c := cookieOf(got)
		if got.status != 401 || c != nil && c.Value != "" && r.memberOfCookie(&reader{cookie: c.Value}) != before {
			t.Errorf("%s: %d", name, got.status)
		}
	}
	r.dropMails(t)
	for _, address := range []string{"nour@example.org", "rosa@example.org", "nobody@example.org", "tom@example.org"} {
		if got := r.post(nil, "/sign-in/mail", nil, "email", address); got.status != 303 {
			t.Errorf("%s: %d, want the same answer for every address", address, got.status)
		}
	}
	// The hub sent no mail to the addresses above: the next mail is for the next request.
	w, code := r.requestLink(t, "lea@example.org")
	if got := r.post(w, "/sign-in/link", nil, "code", code); got.status != 303 {
		t.Errorf("an administrator, an owner, a blocked member or nobody was sent a link: %d", got.status)
	}
}

// A blocked member is signed out at once in all browsers, and the member's event streams end.
func blockedMember(t *testing.T, r *rig) {
	who := r.readers["member"]
	stream := r.stream(t, who)
	if r.memberOfCookie(who) == "" {
		t.Fatal("the member is not signed in before")
	}
	r.change(who.member, func(m *directory.Member) { m.Blocked = true })
	select {
	case <-stream:
	case <-t.Context().Done():
		t.Fatal("the event stream goes on")
	}
	byToken := *who
	byToken.cookie = ""
	if r.memberOfCookie(who) != "" || r.memberOfCookie(&byToken) != "" {
		t.Error("a blocked member is signed in")
	}
	r.dropMails(t)
	printed := r.ask(r.readers["owner"], request{method: "POST", path: "/api/v1/printed-codes", kind: "application/json",
		body: mustJSON(map[string]any{"members": []string{string(who.member)}})})
	if m := regexp.MustCompile(`"code":"([^"]+)"`).FindSubmatch(printed.body); m != nil {
		if got := r.post(nil, "/code", nil, "code", string(m[1])); got.status < 400 {
			t.Errorf("a printed code: %d", got.status)
		}
	}
	r.change(who.member, func(m *directory.Member) { m.Blocked = false })
	if r.memberOfCookie(who) == "" {
		t.Error("the member is not signed in after the block is lifted")
	}
}

// stream opens a reader's event stream, and returns a channel that is closed when the stream ends.
func (r *rig) stream(t *testing.T, who *reader) <-chan struct{} {
	t.Helper()
	q, err := newRequest(t, r.base+"/api/v1/events", who)
	if err != nil {
		t.Fatal(err)
	}
	res, err := r.client.Do(q)
	if err != nil || res.StatusCode != 200 {
		t.Fatal(res, err)
	}
	ended, begun := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer res.Body.Close()
		in := bufio.NewReader(res.Body)
		_, _ = in.ReadString('\n')
		close(begun)
		_, _ = io.Copy(io.Discard, in)
	}()
	<-begun
	return ended
}
