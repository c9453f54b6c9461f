package hub_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/memberlist"
	"portillon/hub/membersource"
	"portillon/hub/membersource/membersourcetest"
	"portillon/hub/store/storetest"
)

// nights is a hub that fetches a list from a program, with a clock that the test sets. The hub does not run: the test
// calls RunDue.
type nights struct {
	t      *testing.T
	h      *hub.Hub
	c      hub.Config
	now    time.Time
	log    bytes.Buffer
	server *membersourcetest.Server
}

// newNights creates a hub on 24 October 2026, the day before the clocks in Paris go back, with the list of a server.
func newNights(t *testing.T, people ...membersourcetest.Person) *nights {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	n := &nights{t: t, now: time.Date(2026, 10, 24, 10, 0, 0, 0, time.UTC), server: membersourcetest.New(t, people...)}
	made, err := hub.Create(storetest.Dir(t), hub.NewHub{Site: "biklab", Host: "localhost", Web: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secret"), membersourcetest.Secret+"\n")
	write(t, filepath.Join(dir, "mail"), "host: 127.0.0.1\nport: 9\ntls: none\nfrom: portillon@biklab.example\n")
	more := "\nsources:\n  helloasso: { kind: helloasso, url: \"" + n.server.URL + "\", organization: fablab, " +
		"form: adhesion, client-id: " + membersourcetest.ClientID + ", until: 2027-08-31, at: \"02:30\", " +
		"secret-file: " + filepath.Join(dir, "secret") + " }\nmail: " + filepath.Join(dir, "mail") + "\n"
	config := strings.NewReplacer("0.0.0.0:8443", "127.0.0.1:0", "0.0.0.0:8883", "127.0.0.1:0").Replace(string(text))
	write(t, made.Config, config+more)
	if n.c, err = hub.ReadConfig(made.Config); err != nil {
		t.Fatal(err)
	}
	n.c.Web.URL = &url.URL{Scheme: "https", Host: "hub.lab.example"}
	storetest.Place(t, n.c.Data)
	n.start()
	t.Cleanup(n.stop)
	if _, err := n.h.Accounts().Registry.Add(t.Context(), root, account.Account{Name: "adele@lab.example",
		Site: actor.Administrator}, ""); err != nil {
		t.Fatal(err)
	}
	return n
}

func (n *nights) start() {
	n.t.Helper()
	h, err := hub.New(n.c, hub.Options{Now: func() time.Time { return n.now },
		Log: slog.New(slog.NewTextHandler(&n.log, nil))})
	if err != nil {
		n.t.Fatal(err)
	}
	n.h = h
}

func (n *nights) stop() {
	if err := n.h.Close(); err != nil {
		n.t.Error(err)
	}
}

// run sets the clock, runs what is due, and returns the state of the list.
func (n *nights) run(at string) directory.SourceState {
	n.t.Helper()
	now, err := time.Parse(time.RFC3339, at)
	if err != nil {
		n.t.Fatal(err)
	}
	n.now = now
	if err := n.h.Directory().Sources.RunDue(n.t.Context()); err != nil {
		n.t.Fatal(err)
	}
	return n.state()
}

func (n *nights) state() directory.SourceState {
	n.t.Helper()
	all, err := n.h.Directory().Sources.FetchedLists(n.t.Context(), root)
	if err != nil || len(all) != 1 {
		n.t.Fatal(len(all), err)
	}
	return all[0]
}

// members returns the number of members who are not suspended.
func (n *nights) members() (count int) {
	n.t.Helper()
	all, _, err := n.h.Directory().Members.List(n.t.Context(), root, directory.Filter{}, directory.Page{Limit: 500})
	if err != nil {
		n.t.Fatal(err)
	}
	for _, m := range all {
		if !m.Gone {
			count++
		}
	}
	return count
}

// mails returns the subjects and bodies of the mails in the outbox.
func (n *nights) mails() (out []string) {
	n.t.Helper()
	rows, err := n.h.Rows().Site("biklab").Query(n.t.Context(), `SELECT recipient, subject, body FROM account_mail
		WHERE site = $1 ORDER BY next, id`)
	if err != nil {
		n.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var to, subject, body string
		if err := rows.Scan(&to, &subject, &body); err != nil {
			n.t.Fatal(err)
		}
		out = append(out, to+"\n"+subject+"\n"+body)
	}
	return out
}

// subscribers returns members of the numbers 1 to n.
func subscribers(n int) (out []membersourcetest.Person) {
	for i := range n {
		name := strings.Repeat("i", i+1)
		out = append(out, membersourcetest.Person{ID: int64(i + 1), First: name, Last: "Kerneis",
			Email: name + "@example.org"})
	}
	return out
}

func TestListIsFetchedFromAnotherProgramEveryNight(t *testing.T) {
	n := newNights(t, subscribers(12)...)
	n.server.Set(func(s *membersourcetest.State) { s.PageSize = 5 })
	requests := func() int { return len(n.server.Requests()) }

	// A hub that starts in the morning waits for the night. The night of the 25th has the hour from two to three twice.
	for _, at := range []string{"2026-10-24T12:00:00+02:00", "2026-10-25T02:29:00+02:00"} {
		if s := n.run(at); requests() != 0 || s.Outcome != "" {
			t.Fatalf("%s: %+v", at, s)
		}
	}
	if s := n.run("2026-10-25T02:31:00+01:00"); s.Outcome != directory.Applied || s.Added != 12 || n.members() != 12 {
		t.Fatalf("first night: %+v, %d members", s, n.members())
	}
	once := requests()
	if n.run("2026-10-25T03:30:00+01:00"); requests() != once {
		t.Error("the list was fetched twice in one night")
	}
	if s := n.run("2026-10-26T02:31:00+01:00"); s.Outcome != directory.Unchanged || n.members() != 12 {
		t.Errorf("second night: %+v", s)
	}

	// The program fails half-way: nothing changes, and the administrator is told.
	n.server.Set(func(s *membersourcetest.State) {
		s.People = s.People[:11]
		s.Script = map[int]membersourcetest.Misdeed{2: membersourcetest.Page}
	})
	s := n.run("2026-10-27T02:31:00+01:00")
	if s.Outcome != directory.Failed || s.Why != "the program answers with a page or a text, and not with JSON" ||
		n.members() != 12 {
		t.Errorf("third night: %+v, %d members", s, n.members())
	}
	mails := n.mails()
	if len(mails) != 1 || !strings.HasPrefix(mails[0], "adele@lab.example\nbiklab : ") ||
		!strings.Contains(mails[0], "la liste « helloasso » n'arrive plus\n") ||
		!strings.Contains(mails[0], "le programme répond par une page") || !strings.Contains(mails[0], "/members/import") {
		t.Errorf("mails %q", mails)
	}

	// A member who is gone from the list is suspended.
	n.server.Set(func(s *membersourcetest.State) { s.Script = nil })
	if s := n.run("2026-10-28T02:31:00+01:00"); s.Outcome != directory.Applied || s.Gone != 1 || n.members() != 11 {
		t.Errorf("fourth night: %+v, %d members", s, n.members())
	}
	n.checkSecret()
}

func TestListThatNeedsAPersonWaits(t *testing.T) {
	n := newNights(t, subscribers(12)...)
	n.run("2026-10-25T02:31:00+01:00")
	n.server.Set(func(s *membersourcetest.State) { s.People = s.People[:6] })
	for _, at := range []string{"2026-10-26T02:31:00+01:00", "2026-10-27T02:31:00+01:00"} {
		if s := n.run(at); s.Outcome != directory.Waiting || s.Gone != 6 || n.members() != 12 ||
			!s.Since.Equal(time.Date(2026, 10, 26, 1, 31, 0, 0, time.UTC)) {
			t.Errorf("%+v, %d members", s, n.members())
		}
	}
	if mails := n.mails(); len(mails) != 1 || !strings.Contains(mails[0], "6 absents de la liste") ||
		strings.Contains(mails[0], "Kerneis") {
		t.Errorf("mails %q", mails)
	}
	imports := n.h.Directory().Imports
	p, err := n.h.Directory().Sources.FetchList(t.Context(), root, "helloasso")
	if err == nil {
		_, err = imports.Confirm(t.Context(), root, p.ID)
	}
	if err == nil {
		_, err = imports.Apply(t.Context(), root, p.ID)
	}
	if s := n.state(); err != nil || p.Program != memberlist.HelloAsso || s.Outcome != directory.Applied ||
		n.members() != 6 {
		t.Errorf("%+v, %d members, %v", s, n.members(), err)
	}
}

func TestRunBeginsAgainAfterARestartInTheMiddle(t *testing.T) {
	n := newNights(t, subscribers(12)...)
	ctx, stop := context.WithCancel(t.Context())
	n.server.Set(func(s *membersourcetest.State) {
		s.PageSize = 5
		s.Before = func(s *membersourcetest.State, page int) {
			if page == 2 {
				stop()
			}
		}
	})
	n.now = time.Date(2026, 10, 25, 2, 0, 0, 0, time.UTC)
	if err := n.h.Directory().Sources.RunDue(ctx); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if s := n.state(); s.Outcome != "" || n.members() != 0 || len(n.mails()) != 0 {
		t.Errorf("%+v, %d members, mails %q", s, n.members(), n.mails())
	}
	n.stop()
	n.now = time.Date(2026, 10, 25, 1, 29, 0, 0, time.UTC)
	n.start()
	if s := n.run("2026-10-25T03:02:00+01:00"); s.Outcome != directory.Applied || n.members() != 12 {
		t.Errorf("%+v, %d members", s, n.members())
	}
}

// checkSecret checks that the secret is neither in the log nor in the hub's folder.
func (n *nights) checkSecret() {
	n.t.Helper()
	if strings.Contains(n.log.String(), membersourcetest.Secret) {
		n.t.Error("the log contains the secret")
	}
	err := filepath.WalkDir(n.c.Data, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(membersourcetest.Secret)) {
			n.t.Errorf("%s contains the secret", path)
		}
		return err
	})
	if err != nil {
		n.t.Error(err)
	}
}

func TestSourcesOfHubYAMLAreParsedAndChecked(t *testing.T) {
	parse := func(entry string) (hub.Config, error) {
		return hub.ParseConfig("/etc/portillon/hub.yaml", []byte("portillon: 1\nsite: biklab\ndata: /d\nkey: hub.key\n"+
			"card-key: card.key\nmachines-listen: \":8443\"\nname: hub.local\n"+
			"mqtt: { listen: \"127.0.0.1:0\" }\nweb: { listen: \"127.0.0.1:0\" }\nsources:\n  fab: "+entry+"\n"))
	}
	c, err := parse("{ kind: fab-manager, url: https://fab.lan/, private: true, secret-file: fab.token, at: \"04:05\", " +
		"may-lose: 3 }")
	if err != nil {
		t.Fatal(err)
	}
	want := hub.SourceConfig{Name: "fab", From: membersource.Config{Kind: memberlist.FabManager, URL: "https://fab.lan/",
		Private: true, SecretFile: "/etc/portillon/fab.token"}, Hour: 4, Minute: 5, MayLose: 3}
	if len(c.Sources) != 1 || c.Sources[0] != want {
		t.Errorf("%+v", c.Sources)
	}
	for entry, want := range map[string]string{
		"{ kind: galette, secret-file: x }":                                           "kind",
		"{ kind: fab-manager, url: https://fab.lan }":                                 "secret-file",
		"{ kind: fab-manager, secret-file: x }":                                       "url is needed",
		"{ kind: fab-manager, url: http://fab.lan, secret-file: x }":                  "in the clear",
		"{ kind: fab-manager, url: https://fab.lan, secret-file: x, at: 25:00 }":      "no time of day",
		"{ kind: fab-manager, url: https://fab.lan, secret-file: x, may-lose: -1 }":   "may-lose",
		"{ kind: fab-manager, url: https://fab.lan, secret-file: x, secret: abc }":    "secret",
		"{ kind: fab-manager, url: https://fab.lan, secret-file: x, until: soon }":    "no day",
		"{ kind: helloasso, organization: a, form: b, client-id: c, secret-file: x }": "until",
		"{ kind: membermatters, url: https://m.lan, cards: oct, secret-file: x }":     "dec or hex",
	} {
		if _, err := parse(entry); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", entry, err, want)
		}
	}
}
