package hub_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"portillon/hub"
	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/hub/issue"
	"portillon/hub/store"
	"portillon/policy"
)

var root = actor.Local("test")

// reader sends requests to a hub, with a session or an API token.
type reader struct {
	name            string
	account, cookie string
	member          policy.MemberID
	token           string
	given           account.Account // account that newRig creates for this reader
	email, badge    string          // the member's e-mail address, and the name of the badge's file in site-example/badges
}

// rig is a hub under test with one reader for each role, and with data to which requests can refer. A test uses one rig
// for a whole table.
type rig struct {
	t       *testing.T
	h       *runningHub
	base    string
	client  *http.Client
	readers map[string]*reader
	victim  *reader // member whose data the tables call "other"
	n       int     // counter from which the rig makes new ids
	mails   *mailSink
	tokens  map[string]string
	trained policy.MemberID // person in the newest training
}

// newRig creates a complete hub with listeners, and with a second site in the hub's database.
func newRig(t *testing.T, changes ...func(*hub.Config)) *rig {
	t.Helper()
	h, b := managedHub(t, append(changes, withIssuer(t))...)
	go h.ObeyCommands(t.Context())
	r := &rig{t: t, h: h, base: b.base, client: b.c, readers: map[string]*reader{}, tokens: map[string]string{}}
	r.client.Jar = nil
	b.c = &http.Client{CheckRedirect: r.client.CheckRedirect}
	at := func(role actor.Role) map[policy.MachineID]actor.Role {
		return map[policy.MachineID]actor.Role{"laser": role, "press": role}
	}
	for _, x := range []*reader{
		{name: "member", given: account.Account{Site: actor.Member}, email: "jules", badge: "jules-laser-first-steps"},
		{name: "lapsed", given: account.Account{Machines: at(actor.Maintainer)}, email: "malik", badge: "malik-laser-user"},
		{name: "blocked", given: account.Account{Site: actor.Member}, email: "tom", badge: "tom-fdm-first-steps"},
		{name: "mentor", given: account.Account{Machines: at(actor.Mentor)}, email: "karim", badge: "karim-laser-user"},
		{name: "maintainer", given: account.Account{Machines: at(actor.Maintainer)}, email: "aicha",
			badge: "aicha-fdm-mentor"},
		{name: "administrator", given: account.Account{Site: actor.Administrator}, email: "nour", badge: "nour-vinyl-user"},
		{name: "owner", given: account.Account{Site: actor.Owner}, email: "rosa", badge: "rosa-fdm-user"},
		{name: "victim", given: account.Account{Site: actor.Member}, email: "lea", badge: "lea-laser-user"},
		{name: "spare", given: account.Account{Site: actor.Owner}, email: "yann", badge: "yann-vinyl-maintainer"},
	} {
		r.readers[x.name] = x
		r.createReader(x)
	}
	r.victim = r.readers["victim"]
	for _, id := range []policy.MachineID{"laser", "lathe", "press", "vinyl"} {
		if _, err := h.MachineService().Machines.Add(t.Context(), root, id); err != nil {
			t.Fatal(err)
		}
		if err := h.Know(id); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	answer := r.ask(r.readers["owner"], request{"POST", "/api/v1/policy", "application/json",
		mustJSON(map[string]string{"text": string(text), "comment": "first"}), `"1"`})
	if answer.status != 201 {
		t.Fatalf("policy: %d %.300s", answer.status, answer.body)
	}
	r.createForeignSite()
	return r
}

// createReader creates a reader's member, account and session, unless they exist already.
func (r *rig) createReader(x *reader) {
	r.t.Helper()
	ctx := r.t.Context()
	if _, err := r.h.Directory().Members.Get(ctx, root, x.member); x.member == "" || err != nil {
		m := directory.Member{Name: "Person " + x.name, Emails: []string{x.email + "@example.org"}}
		if x.name == "lapsed" {
			m.Until = policy.Date{Year: 2020, Month: 1, Day: 31}
		}
		m, err := r.h.Directory().Members.Add(ctx, root, m)
		if err != nil {
			r.t.Fatal(err)
		}
		x.member = m.ID
	}
	if _, err := r.h.Accounts().Registry.Get(ctx, root, x.account); x.account == "" || err != nil {
		given := x.given
		given.Name, given.Member = x.name+"@example.org", x.member
		password := ""
		if x.name == "spare" { // this spare owner can sign in, so that a request may erase any other owner
			password = "four random words are long"
		}
		a, err := r.h.Accounts().Registry.Add(ctx, root, given, password)
		if err != nil {
			r.t.Fatal(err)
		}
		x.account = a.ID
		x.token = r.newToken(x.account, actor.Acts())
		if x.name == "owner" {
			clear(r.tokens)
		}
	}
	if x.name == "blocked" {
		r.change(x.member, func(m *directory.Member) { m.Blocked = true })
	}
	x.cookie = r.newSession("biklab", x.account)
}

func (r *rig) change(id policy.MemberID, f func(*directory.Member)) {
	r.t.Helper()
	m, err := r.h.Directory().Members.Get(r.t.Context(), root, id)
	if err == nil {
		_, err = r.h.Directory().Members.Change(r.t.Context(), root, id, m.Version, func(m *directory.Member) error {
			f(m)
			return nil
		})
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// newSession begins a session as a sign-in with a password does, but without the slow password hash, and returns the
// session's cookie.
func (r *rig) newSession(site policy.SiteID, account string) string {
	r.t.Helper()
	token := rand.Text()
	hash := sha256.Sum256([]byte(token))
	now := time.Now().UnixMilli()
	rows := r.h.Rows().Site(site)
	err := rows.Write(r.t.Context(), func(tx *store.Tx) error {
		var epoch int64
		err := tx.QueryRow(r.t.Context(), `SELECT epoch FROM account WHERE site = $1 AND id = $2`, account).Scan(&epoch)
		if err != nil {
			return err
		}
		data := mustJSON(map[string]any{"deadline": time.Now().Add(time.Hour), "values": map[string]string{"account": account,
			"epoch": strconv.FormatInt(epoch, 10), "how": "password", "idle": "3600", "life": "3600"}})
		_, err = tx.Exec(r.t.Context(), `INSERT INTO account_session (site, hash, id, account, epoch, data, made, seen, idle,
			expires, address, agent) VALUES ($1, $2, $3, $4, $5, $6, $7, $7, 3600000, $8, '', 'test')`,
			hash[:], "s-"+token[:8], account, epoch, data, now, now+3600_000)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return token
}

// newToken creates an API token as the account's owner.
func (r *rig) newToken(account string, scopes []actor.Act) string {
	r.t.Helper()
	t, err := r.h.Accounts().Tokens.Issue(r.t.Context(), actor.Actor{Account: account}, "test", scopes, inAnHour())
	if err != nil {
		r.t.Fatal(err)
	}
	return t.Text
}

// ownersToken returns an API token of the reader owner with these scopes.
func (r *rig) ownersToken(scopes ...actor.Act) *reader {
	r.t.Helper()
	x := *r.readers["owner"]
	key := fmt.Sprint(scopes)
	if len(r.tokens) >= 40 { // an account may have at most 50 tokens
		all, err := r.h.Accounts().Tokens.Issued(r.t.Context(), root, x.account)
		for _, t := range all {
			err = errors.Join(err, r.h.Accounts().Tokens.Revoke(r.t.Context(), root, x.account, t.ID))
		}
		if err != nil {
			r.t.Fatal(err)
		}
		clear(r.tokens)
	}
	if r.tokens[key] == "" {
		r.tokens[key] = r.newToken(x.account, scopes)
	}
	x.cookie, x.token = "", r.tokens[key]
	return &x
}

// foreignID is the id of a member, an account and a machine of a different site in the same database.
const foreignID = "x-foreign"

// createForeignSite creates a second site in the hub's database. The second site has an owner with a session and a
// token.
func (r *rig) createForeignSite() {
	r.t.Helper()
	ctx, rows := r.t.Context(), r.h.Rows().Site("elsewhere")
	accounts, err := account.New(account.Options{Site: rows, Folder: r.t.TempDir()})
	if err != nil {
		r.t.Fatal(err)
	}
	people, err := directory.New(directory.Options{Site: rows,
		Policy: func(context.Context) (*policy.Policy, error) { return nil, nil }})
	if err != nil {
		r.t.Fatal(err)
	}
	m, err := people.Members.Add(ctx, root, directory.Member{ID: foreignID, Name: "Foreign"})
	if err != nil {
		r.t.Fatal(err)
	}
	a, err := accounts.Registry.Add(ctx, root, account.Account{Name: "foreign", Site: actor.Owner, Member: m.ID}, "")
	if err != nil {
		r.t.Fatal(err)
	}
	token, err := accounts.Tokens.Issue(ctx, actor.Actor{Account: a.ID}, "test", actor.Acts(), time.Now().Add(time.Hour))
	if err != nil {
		r.t.Fatal(err)
	}
	r.readers["foreign"] = &reader{name: "foreign", account: a.ID, member: m.ID, token: token.Text,
		cookie: r.newSession("elsewhere", a.ID)}
}

// request describes an HTTP request of a reader.
type request struct {
	method, path, kind string
	body               []byte
	match              string // value of the If-Match header
}

type response struct {
	status int
	header http.Header
	body   []byte
}

// ask sends a request with the reader's cookie, or with the token if there is no cookie.
func (r *rig) ask(who *reader, q request, headers ...string) response {
	r.t.Helper()
	q2, err := http.NewRequestWithContext(r.t.Context(), q.method, r.base+q.path, bytes.NewReader(q.body))
	if err != nil {
		r.t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": q.kind, "If-Match": q.match} {
		if value != "" {
			q2.Header.Set(name, value)
		}
	}
	if who != nil && who.cookie != "" {
		for _, name := range []string{"portillon", "__Host-portillon"} { // the second is the name at an https address
			q2.AddCookie(&http.Cookie{Name: name, Value: who.cookie})
		}
	} else if who != nil && who.token != "" {
		q2.Header.Set("Authorization", "Bearer "+who.token)
	}
	for i := 0; i < len(headers); i += 2 {
		if q2.Header.Set(headers[i], headers[i+1]); headers[i] == "Host" {
			q2.Host = headers[i+1]
		}
	}
	res, err := r.client.Do(q2)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	body := make([]byte, 0)
	if res.Header.Get("Content-Type") != "text/event-stream" { // the body of an event stream does not end
		if body, err = io.ReadAll(res.Body); err != nil {
			r.t.Fatal(err)
		}
	}
	return response{res.StatusCode, res.Header, body}
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

// newNumber returns a number that was not used before.
func (r *rig) newNumber() int { r.n++; return r.n }

func (r *rig) version(id policy.MemberID) string {
	m, err := r.h.Directory().Members.Get(r.t.Context(), root, id)
	if err != nil {
		return "1"
	}
	return strconv.FormatInt(m.Version, 10)
}

// cardOf returns a card of a member. If the member has no card, cardOf adds a card first.
func (r *rig) cardOf(id policy.MemberID) string {
	r.t.Helper()
	if id == foreignID {
		return foreignID
	}
	m, err := r.h.Directory().Members.Get(r.t.Context(), root, id)
	if err == nil && len(m.Cards) > 0 {
		return m.Cards[0].ID
	}
	c, err := r.h.Directory().Cards.AddCard(r.t.Context(), root, id, directory.Card{Number: r.cardNumber(),
		State: directory.Active})
	if err != nil {
		r.t.Fatal(err)
	}
	return c.ID
}

func (r *rig) cardNumber() string { return fmt.Sprintf("5E%08X", r.newNumber()) }

// badgeFile returns the badge file of the reader whose member has this id.
func (r *rig) badgeFile(id policy.MemberID) []byte {
	r.t.Helper()
	for _, x := range r.readers {
		if x.member == id && x.badge != "" {
			b, err := os.ReadFile("../site-example/badges/" + x.badge + ".json")
			if err != nil {
				r.t.Fatal(err)
			}
			return b
		}
	}
	return []byte("{}")
}

// badgeOf returns a badge of a member. If the member has no badge, badgeOf adds a badge first.
func (r *rig) badgeOf(id policy.MemberID) string {
	r.t.Helper()
	if id == foreignID {
		return foreignID
	}
	m, err := r.h.Directory().Members.Get(r.t.Context(), root, id)
	if err == nil && len(m.Badges) > 0 {
		return m.Badges[0].ID
	}
	all, err := r.h.Directory().Badges.AddBadges(r.t.Context(), root, id, "badge.json", r.badgeFile(id))
	if err != nil || len(all) != 1 {
		r.t.Fatal(all, err)
	}
	return all[0].ID
}

// newAward issues a badge to a new member, and returns the id of the issued badge.
func (r *rig) newAward() string {
	r.t.Helper()
	s := r.h.Issuing()
	if s == nil {
		return foreignID
	}
	all, err := s.Award(r.t.Context(), root, issue.Award{Badge: "laser-user", Members: []policy.MemberID{r.newHolder()},
		Why: "test"})
	if err != nil {
		r.t.Fatal(err)
	}
	return all[0].ID
}

// trainingMachine returns the machine of a training of the reader ("own") or of others.
func trainingMachine(of string) string {
	if of == "other" {
		return "vinyl"
	}
	return "laser"
}

// newTraining opens a training with one person (r.trained) at a machine, and returns the id of the training.
func (r *rig) newTraining(machine string) string {
	r.t.Helper()
	if r.h.Trainings() == nil {
		return foreignID
	}
	r.closeTrainings()
	t, err := r.h.Trainings().Open(r.t.Context(), root, policy.MachineID(machine), policy.BadgeID(machine+"-user"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.trained = r.newHolder()
	if err := r.h.Trainings().Join(r.t.Context(), root, t.ID, r.trained, ""); err != nil {
		r.t.Fatal(err)
	}
	return t.ID
}

// closeTrainings closes all trainings, because a machine has one open training.
func (r *rig) closeTrainings() {
	r.t.Helper()
	if r.h.Trainings() == nil {
		return
	}
	all, err := r.h.Trainings().List(r.t.Context(), root)
	for _, t := range all {
		err = errors.Join(err, r.h.Trainings().Close(r.t.Context(), root, t.ID))
	}
	if err != nil {
		r.t.Fatal(err)
	}
}

// checksVersion returns the version of the check list of a badge.
func (r *rig) checksVersion() string {
	r.t.Helper()
	if r.h.Trainings() == nil {
		return "0"
	}
	all, err := r.h.Trainings().CheckLists(r.t.Context(), root)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, c := range all {
		if c.Badge == "laser-user" {
			return strconv.FormatInt(c.Version, 10)
		}
	}
	return "0"
}

// newHolder creates a member to whom a badge can be issued.
func (r *rig) newHolder() policy.MemberID {
	r.t.Helper()
	n := r.newNumber()
	m, err := r.h.Directory().Members.Add(r.t.Context(), root, directory.Member{Name: fmt.Sprint("Holder ", n),
		Emails: []string{fmt.Sprintf("holder%d@example.org", n)}})
	if err != nil {
		r.t.Fatal(err)
	}
	return m.ID
}

// classVersion returns the version of the texts of a badge that the hub issues.
func (r *rig) classVersion() string {
	r.t.Helper()
	if r.h.Issuing() == nil {
		return "0"
	}
	c, err := r.h.Issuing().Class(r.t.Context(), root, "laser-user")
	if err != nil {
		r.t.Fatal(err)
	}
	return strconv.FormatInt(c.Version, 10)
}

// newMember creates a member whom a request may merge or erase.
func (r *rig) newMember() policy.MemberID {
	r.t.Helper()
	m, err := r.h.Directory().Members.Add(r.t.Context(), root, directory.Member{Name: fmt.Sprint("Extra ", r.newNumber())})
	if err != nil {
		r.t.Fatal(err)
	}
	return m.ID
}

// fillPath fills values into the parameters of a path, such as {member}.
func fillPath(path string, values map[string]string) string {
	for name, value := range values {
		path = strings.ReplaceAll(path, "{"+name+"}", value)
	}
	return path
}

func inAnHour() time.Time { return time.Now().Add(time.Hour) }

// forgetAttempts resets the hub's counters of wrong passwords, codes and tokens.
func (r *rig) forgetAttempts() {
	r.t.Helper()
	err := r.h.Rows().Site("biklab").Write(r.t.Context(), func(tx *store.Tx) error {
		_, err := tx.Exec(r.t.Context(), `DELETE FROM account_throttle WHERE site = $1`)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
}
