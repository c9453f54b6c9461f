// Package webtest is an in-memory site for tests of the pages: invented people, 14 badges, three machines. Like the
// hub's services, the site checks the actor's permission for every call, and returns the errors of hub/fault. The
// package stores nothing on the disk, and is only for tests.
package webtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"portillon/hub/account"
	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/directory"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/policy"
)

// Site is a site in memory. The services of a site (Directory, Machines, Policies and so on) share the state of the
// Site, and lock the Site for each call.
type Site struct {
	mu        sync.Mutex
	now       time.Time
	directory people
	access    access
	machines  []enrol.Machine
	cardKey   cardkey.Status
	awards    awards
	shown     shown
	policies  []publish.Policy // the newest first
	made      int              // number of generated ids
	reports   reports
	broken    error // error that every call returns; nil: calls succeed
}

// reports is the state of the reports.
type reports struct {
	weeks  int    // number of additional rows in the report of weeks
	upkeep upkeep // what forms of maintenance have changed
}

// people is the state of the directory.
type people struct {
	members  []directory.Member // sorted by name
	taps     []directory.Tap
	previews map[string]directory.Preview
	erasures map[policy.MemberID]time.Time // requests for erasure
	visits   visits
}

// access is the state of the accounts.
type access struct {
	accounts []account.Account
	tokens   []account.Token
	audit    []account.Entry // the newest first
}

// Password is the password of every account.
const Password = "an invented passphrase"

// These are the names of the accounts. Each account has the role that its name contains.
const (
	OwnerName  = "olivia@lab.example"
	AdminName  = "adele@lab.example"
	MemberName = "lea@lab.example"
	MentorName = "karim@lab.example"
	MaintName  = "ines@lab.example"
)

// Now returns the site's time: a Monday afternoon.
func Now() time.Time { return time.Date(2026, 11, 30, 13, 30, 0, 0, time.UTC) }

// Paris returns the site's time zone in winter, without a zone database.
func Paris() *time.Location { return time.FixedZone("CET", 3600) }

// New returns a site with the 24 people of stories, and with more further members.
func New(more int) *Site {
	s := &Site{now: Now(), directory: people{previews: map[string]directory.Preview{},
		erasures: map[policy.MemberID]time.Time{}}, shown: newShown()}
	s.people(more)
	s.things()
	s.awarded()
	addVisits(s)
	s.addTrainings()
	return s
}

// Break makes every call return err. If err is nil, calls succeed again.
func (s *Site) Break(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.broken = err
}

// enter locks the site for one call of actor a, and checks the actor's permission. leave unlocks the site.
func (s *Site) enter(a actor.Actor, act actor.Act, on actor.Target) (leave func(), err error) {
	s.mu.Lock()
	if s.broken != nil {
		defer s.mu.Unlock()
		return nil, s.broken
	}
	if err := a.May(act, on); err != nil {
		s.mu.Unlock()
		return nil, err
	}
	return s.mu.Unlock, nil
}

// log adds an entry to the audit log.
func (s *Site) log(a actor.Actor, act actor.Act, on, detail string) {
	s.access.audit = append(
		[]account.Entry{{Seq: uint64(len(s.access.audit) + 1), At: s.now, Account: a.Account, Name: a.Name,
			Act: act, On: on, Detail: detail,
			Request: a.Request}},
		s.access.audit...)
}

// next returns a new id with a prefix.
func (s *Site) next(prefix string) string {
	s.made++
	return fmt.Sprintf("%s%d", prefix, s.made)
}

// bad returns a *fault.Invalid error about one field with a wrong value.
func bad(field, given, wrong, right string) error {
	return &fault.Invalid{Faults: []fault.Field{{Field: field, Given: given, Wrong: wrong, Right: right}}}
}

// browser is the browser that sent the request of a context.
type browser struct {
	w      http.ResponseWriter
	secure bool
}

// browserKey is the context key of a *browser.
type browserKey struct{}

const cookie = "portillon-session"

// Handler returns a handler that adds sessions to next. The session cookie contains the id of the account.
func (s *Site) Handler(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), browserKey{}, browser{w: w, secure: r.TLS != nil})))
	})
}

// Who returns the user who is signed in with the request's cookie.
func (s *Site) Who(r *http.Request) (actor.Actor, error) {
	c, err := r.Cookie(cookie)
	if err != nil {
		return actor.Actor{}, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.access.accounts {
		if x.ID == c.Value && !x.Disabled {
			return actorOf(x), nil
		}
	}
	return actor.Actor{}, nil
}

// actorOf returns the actor of an account.
func actorOf(x account.Account) actor.Actor {
	return actor.Actor{Account: x.ID, Name: x.Name, Member: x.Member, Site: x.Site, Machines: x.Machines}
}

// begin signs the browser in to the account with this id. If id is empty, begin signs the browser out.
func begin(ctx context.Context, id string) {
	b, ok := ctx.Value(browserKey{}).(browser)
	if !ok {
		return
	}
	age := 0
	if id == "" {
		age = -1
	}
	http.SetCookie(b.w, &http.Cookie{Name: cookie, Value: id, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		Secure: b.secure, MaxAge: age})
}

// Cookie returns the cookie of a browser that is signed in with an account.
func Cookie(name string) *http.Cookie { return &http.Cookie{Name: cookie, Value: accountID(name)} }

// accountID returns the id of the account with a name.
func accountID(name string) string {
	short, _, _ := strings.Cut(name, "@")
	return "a-" + short
}

// MachineName returns the name of a machine in both languages.
func MachineName(id policy.MachineID) policy.Text {
	return map[policy.MachineID]policy.Text{
		"laser": {FR: "Découpe laser", EN: "Laser cutter"},
		"vinyl": {FR: "Découpe vinyle", EN: "Vinyl cutter"},
		"fdm":   {FR: "Imprimante 3D", EN: "3D printer"},
	}[id]
}

// BadgeName returns the name of a badge in both languages.
func BadgeName(id policy.BadgeID) policy.Text {
	for _, b := range badges() {
		if b.id == id {
			return policy.Text{FR: b.fr, EN: b.fr}
		}
	}
	return policy.Text{}
}

// AddFault adds a fault to a machine. text has the form in which the hub lists faults.
func (s *Site) AddFault(id policy.MachineID, text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.machines {
		if x := &s.machines[i]; x.ID == id {
			x.Standing.Faults = append(x.Standing.Faults, text)
		}
	}
}

// Poison writes text into every field whose content comes from people, badges or machines. Tests call Poison to check
// that pages escape texts.
func (s *Site) Poison(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Add a member with text in all fields, cards and badges.
	m := s.person(story{"poison", text, "laser-user laser-mentor", "2026-11-20"})
	m.Emails, m.Subjects, m.Guardians, m.Note, m.External, m.Source = []string{text}, []string{text}, []string{text},
		text, text, text
	m.Cards[0].Last, m.Cards[0].Note, m.Cards[0].State = text, text, directory.CardState(text)
	for i := range m.Badges {
		b := &m.Badges[i]
		b.Name, b.Issuer, b.From, b.Local, b.Verdict = text, text, text, policy.BadgeID(text), text
		b.Checks = []directory.Check{{Code: text, Detail: text, Outcome: text}}
		b.Expires = s.now.AddDate(0, 0, i-1)
	}
	s.directory.members = append(s.directory.members, m)
	// Set the texts of taps, machines, policies, accounts, tokens and the audit log.
	s.directory.taps = append(
		s.directory.taps,
		directory.Tap{ID: text, Code: text, Format: text, Machine: policy.MachineID(text), At: s.now,
			Assignable: true},
	)
	for i := range s.machines {
		x := &s.machines[i]
		x.KeyHash, x.Reason = text, text
		x.Standing.Program, x.Standing.Disk, x.Standing.Clock, x.Standing.Refused, x.Standing.RefuseOf,
			x.Standing.Faults = text, text, text, text, text, []string{text}
		x.Standing.Tags = []enrol.Tag{{ID: text, By: text, Reason: text, At: s.now}}
		x.Standing.Session = &enrol.Session{Member: "m-poison", Role: text, Since: s.now}
	}
	s.poisonAwards(text)
	s.policies[0].Text, s.policies[0].Comment, s.policies[0].By, s.policies[1].Comment = text, text, text, text
	s.policies[1].Text, s.policies[1].SignedBy = text, text
	s.access.accounts[0].Machines = map[policy.MachineID]actor.Role{policy.MachineID(text): actor.Role(text)}
	s.access.accounts[0].Name = text
	s.shown.screens[0].Name, s.shown.values.Website, s.shown.values.Email, s.shown.values.Address = text, text, text, text
	s.access.tokens[0].Name, s.access.tokens[0].Scopes = text, []actor.Act{actor.Act(text)}
	s.log(actor.Actor{Account: text, Name: text}, actor.Act(text), text, text)
}
