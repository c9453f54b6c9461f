package account_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/policy"
)

const good = "four random words are long"

// bench contains the services on a separate database, with a clock that advances only when a test advances the clock.
type bench struct {
	*account.Services
	t    *testing.T
	o    account.Options
	db   *store.DB
	site *store.Site
	key  note.Verifier
	log  *bytes.Buffer
	sink *outbox

	mu  sync.Mutex
	now time.Time
}

// outbox is an account.Sender that stores mails in a slice. Each call of Send returns the next error of the list fail;
// after the last error, Send stores mails.
type outbox struct {
	mu    sync.Mutex
	fail  []error
	mails []account.Mail
}

func (o *outbox) Send(_ context.Context, m account.Mail) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.fail) > 0 {
		err := o.fail[0]
		o.fail = o.fail[1:]
		return err
	}
	o.mails = append(o.mails, m)
	return nil
}

func (b *bench) clock() time.Time     { b.mu.Lock(); defer b.mu.Unlock(); return b.now }
func (b *bench) pass(d time.Duration) { b.mu.Lock(); defer b.mu.Unlock(); b.now = b.now.Add(d) }

// quickHash contains weak hash parameters that make tests fast.
var quickHash = account.Argon{MiB: 1, Passes: 1, Lanes: 1}

func open(t *testing.T, change ...func(*account.Options)) *bench {
	t.Helper()
	dir := storetest.Dir(t)
	db := storetest.OpenIn(t, dir)
	b := &bench{t: t, db: db, site: db.Site("biklab"), now: time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC),
		log: &bytes.Buffer{}, sink: &outbox{}}
	private, public, err := note.GenerateKey(rand.Reader, "portillon:hub:biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	b.key, _ = note.NewVerifier(public)
	l, err := audit.New(audit.Options{Site: b.site, Signer: signer, Key: b.key, Now: b.clock})
	if err != nil {
		t.Fatal(err)
	}
	u, _ := url.Parse("https://hub.biklab.example")
	b.o = account.Options{Site: b.site, Folder: dir, Audit: l, Now: b.clock, Hash: quickHash, URL: u, Mail: b.sink,
		People: people(),
		Log:    slog.New(slog.NewTextHandler(&lockedWriter{w: b.log}, nil))}
	for _, c := range change {
		c(&b.o)
	}
	b.restart()
	return b
}

// lockedWriter is a writer that several goroutines may use at the same time.
type lockedWriter struct {
	mu sync.Mutex
	w  *bytes.Buffer
}

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

// restart recreates the services on the same database.
func (b *bench) restart() {
	b.t.Helper()
	s, err := account.New(b.o)
	if err != nil {
		b.t.Fatal(err)
	}
	b.Services = s
}

// people returns a directory of four members: Léa is a mentor of the laser by her badges. Karim and his sister Inès
// share an address. Zoé is a minor with her guardian's address.
func people() account.People {
	all := []struct {
		account.Person
		address string
	}{
		{account.Person{ID: "m-lea", Name: "Léa", Language: "fr"}, "lea@biklab.example"},
		{account.Person{ID: "m-karim", Name: "Karim"}, "family@biklab.example"},
		{account.Person{ID: "m-ines", Name: "Inès"}, "family@biklab.example"},
		{account.Person{ID: "m-zoe", Name: "Zoé"}, "guardian@biklab.example"},
	}
	return account.People{
		ByAddress: func(_ context.Context, address string) (out []account.Person, err error) {
			for _, p := range all {
				if p.address == address {
					out = append(out, p.Person)
				}
			}
			return out, nil
		},
		Member: func(_ context.Context, id policy.MemberID) (account.Person, error) {
			for _, p := range all {
				if p.ID == id {
					return p.Person, nil
				}
			}
			return account.Person{}, &fault.NotFound{What: "member", ID: string(id)}
		},
		Roles: func(_ context.Context, id policy.MemberID) (map[policy.MachineID]actor.Role, error) {
			if id == "m-lea" {
				return map[policy.MachineID]actor.Role{"laser": actor.Mentor, "lathe": actor.Administrator, "saw": actor.Owner}, nil
			}
			return nil, nil
		},
	}
}

var root = actor.Local("root")

// add adds an account whose password is the constant good.
func (b *bench) add(x account.Account) account.Account {
	b.t.Helper()
	got, err := b.Registry.Add(b.t.Context(), root, x, good)
	if err != nil {
		b.t.Fatal(err)
	}
	return got
}

func (b *bench) owner() account.Account {
	b.t.Helper()
	return b.add(account.Account{Name: "owner", Site: actor.Owner})
}

func (b *bench) count(query string, args ...any) (n int) {
	b.t.Helper()
	if err := b.site.QueryRow(b.t.Context(), query, args...).Scan(&n); err != nil {
		b.t.Fatal(err)
	}
	return n
}

// verifyAudit checks the signatures of the audit log and returns the text of the log.
func (b *bench) verifyAudit() string {
	b.t.Helper()
	var out bytes.Buffer
	if err := b.o.Audit.Export(b.t.Context(), root, &out); err != nil {
		b.t.Fatal(err)
	}
	text := out.String()
	if _, err := audit.Verify(&out, b.key); err != nil {
		b.t.Fatal(err)
	}
	return text
}

// browser stores cookies, and sends requests through Requests.Handler to a handler of the test.
type browser struct {
	b       *bench
	cookies map[string]*http.Cookie
	header  http.Header
	from    string // RemoteAddr
	host    string
	seen    actor.Actor // the actor of the last request
	answer  *httptest.ResponseRecorder
}

func (b *bench) browser() *browser {
	return &browser{b: b, cookies: map[string]*http.Cookie{}, header: http.Header{}, from: "192.0.2.1:1234",
		host: "hub.biklab.example"}
}

// do sends a new request, and calls f in the handler with the context of the request.
func (w *browser) do(method string, f func(ctx context.Context) error) (err error) {
	w.b.t.Helper()
	r := httptest.NewRequest(method, "https://"+w.host+"/x", strings.NewReader(""))
	r.RemoteAddr = w.from
	r.Header = w.header.Clone()
	for _, c := range w.cookies {
		r.AddCookie(c)
	}
	w.seen, w.answer = actor.Actor{}, httptest.NewRecorder()
	w.b.Requests.Handler(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w.seen = account.ActorOf(r.Context())
		if f != nil {
			err = f(r.Context())
		}
		fmt.Fprint(rw, "ok")
	})).ServeHTTP(w.answer, r)
	for _, c := range w.answer.Result().Cookies() {
		if c.MaxAge < 0 {
			delete(w.cookies, c.Name)
		} else {
			w.cookies[c.Name] = c
		}
	}
	return err
}

func (w *browser) get() actor.Actor {
	w.b.t.Helper()
	if err := w.do("GET", nil); err != nil {
		w.b.t.Fatal(err)
	}
	return w.seen
}

func (w *browser) signIn(name, password string) error {
	w.b.t.Helper()
	return w.do(
		"POST",
		func(ctx context.Context) error { _, err := w.b.Passwords.SignIn(ctx, name, password, ""); return err },
	)
}

func (w *browser) cookie() string {
	if c := w.cookies["__Host-portillon"]; c != nil {
		return c.Value
	}
	return ""
}

func invalid(err error) bool    { var x *fault.Invalid; return errors.As(err, &x) }
func denied(err error) bool     { var x *actor.Denied; return errors.As(err, &x) }
func missing(err error) bool    { var x *fault.NotFound; return errors.As(err, &x) }
func throttled(err error) bool  { var x *account.Throttled; return errors.As(err, &x) }
func conflicted(err error) bool { var x *fault.Conflict; return errors.As(err, &x) }

var linkIn = regexp.MustCompile(`https://hub\.biklab\.example/sign-in/link\?code=(\w+)`)

// fill writes n rows of rate limits to the database. In each row, some attempts are already used.
func (b *bench) fill(n int) error {
	return b.site.Write(b.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(b.t.Context(), `WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $2)
			INSERT INTO account_throttle (site, name, until) SELECT $1, 'x/' || i, $3 + i FROM n`, n,
			b.now.Add(time.Hour).UnixMilli())
		return err
	})
}
