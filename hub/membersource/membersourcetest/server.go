// Package membersourcetest is a server that speaks the APIs of HelloAsso, Fab-manager and MemberMatters, and that can
// misbehave: throttle, fail half-way, break off, hang, redirect, answer with a page, repeat or leave out a continuation
// token, lie about totals, change the list while it is read, and let tokens expire.
package membersourcetest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// These are the credentials that the server accepts.
const (
	ClientID = "client-7"
	Secret   = "a-secret-that-nobody-may-read"
)

// Person is a member at the server.
type Person struct {
	ID                 int64
	First, Last, Email string
	Payer              *Person // who paid; nil: the person
	State              string  // of HelloAsso or MemberMatters; empty: Processed, active
	Type               string  // of HelloAsso's item; empty: Membership
	Until              string  // end of the subscription at Fab-manager; empty: none
	Canceled           string
	Trainings          []string
	Card               any // at MemberMatters: a text, a number or nil
	Answers            map[string]string
}

// Misdeed is what the server does instead of answering a request for a list.
type Misdeed int

// The misdeeds.
const (
	None Misdeed = iota
	Throttle
	Fail
	Unavailable
	Unauthorized
	Page
	BreakOff
	Hang
	RedirectAway
	RedirectHome
	Garbage
	OtherJSON
	Null
	Endless
	Missing
)

// Server is the server. A test sets the fields under Set, or before the first request.
type Server struct {
	URL string

	mu sync.Mutex
	State
	lists   int // requests for lists so far
	tokens  int // access tokens so far
	used    int // requests for lists with the current token
	refresh map[string]bool
	all     []string
	closing chan struct{}
}

// State is what a test can set.
type State struct {
	People      []Person
	PageSize    int                // 0: as the client asks
	Script      map[int]Misdeed    // misdeeds by the number of the request for a list, from 1
	Always      Misdeed            // misdeed of every request for a list
	RetryAfter  string             // header of Throttle and Unavailable
	Total       func(real int) int // number of entries that the server announces; negative: none, at Fab-manager
	RepeatToken bool
	NoToken     bool
	TokenUses   int               // requests that an access token is good for; 0: any number
	NoRefresh   bool              // refresh tokens are refused
	Before      func(*State, int) // called before the request for a list with this number
	Elsewhere   string            // target of RedirectAway
}

// New starts a server, which ends with the test.
func New(t testing.TB, people ...Person) *Server {
	t.Helper()
	s := &Server{State: State{People: people}, refresh: map[string]bool{}, closing: make(chan struct{})}
	web := httptest.NewServer(s)
	s.URL = web.URL
	t.Cleanup(func() { close(s.closing); web.Close() })
	return s
}

// Set changes the server.
func (s *Server) Set(f func(*State)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(&s.State)
	s.lists = 0
}

// Requests returns the methods and paths of all requests so far.
func (s *Server) Requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.all)
}

// ServeHTTP implements http.Handler.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	s.all = append(s.all, r.Method+" "+r.URL.Path)
	if r.URL.Path == "/oauth2/token" {
		s.token(w, r)
		s.mu.Unlock()
		return
	}
	s.lists++
	if s.Before != nil {
		s.Before(&s.State, s.lists)
	}
	deed := s.Script[s.lists]
	if deed == None {
		deed = s.Always
	}
	if deed == None {
		s.answer(w, r)
		s.mu.Unlock()
		return
	}
	again, away := s.RetryAfter, s.Elsewhere
	s.mu.Unlock()
	s.misbehave(w, r, deed, again, away)
}

// misbehave answers a request in a wrong way.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, deed Misdeed, again, away string) {
	status := map[Misdeed]int{Throttle: 429, Fail: 500, Unavailable: 503, Unauthorized: 401, Missing: 404}[deed]
	bodies := map[Misdeed]string{Garbage: `{"data":[{`, OtherJSON: `{"members":12}`, Null: `null`}
	switch {
	case status != 0:
		if again != "" {
			w.Header().Set("Retry-After", again)
		}
		send(w, status, `{"errors":["Léa Morvan must not be quoted"]}`)
	case bodies[deed] != "":
		w.Header().Set("Total", "1")
		send(w, 200, bodies[deed])
	case deed == Page:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "<html><title>Sign in</title>")
	case deed == RedirectAway:
		http.Redirect(w, r, away+r.URL.Path, http.StatusFound)
	case deed == RedirectHome:
		http.Redirect(w, r, r.URL.Path+"?"+r.URL.RawQuery, http.StatusFound)
	case deed == BreakOff:
		w.Header().Set("Content-Length", "1000")
		send(w, 200, `{"data":[`)
	case deed == Endless:
		w.Header().Set("Content-Type", "application/json")
		block := []byte(strings.Repeat(" ", 1<<20))
		for range 40 {
			if _, err := w.Write(block); err != nil {
				return
			}
		}
	case deed == Hang:
		select {
		case <-r.Context().Done():
		case <-s.closing:
		}
	}
}

// send writes an answer in JSON.
func send(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	fmt.Fprint(w, body)
}

// sendJSON writes a value in JSON.
func sendJSON(w http.ResponseWriter, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	send(w, 200, string(b))
}

// token answers POST /oauth2/token.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	ok := false
	switch r.FormValue("grant_type") {
	case "client_credentials":
		ok = r.PostFormValue("client_id") == ClientID && r.PostFormValue("client_secret") == Secret
	case "refresh_token":
		ok = s.refresh[r.PostFormValue("refresh_token")] && !s.NoRefresh && r.PostFormValue("client_id") == ClientID
	}
	if !ok || r.Method != http.MethodPost {
		send(w, 401, `{"error":"invalid_client"}`)
		return
	}
	s.tokens++
	s.used = 0
	again := fmt.Sprintf("refresh-%d", s.tokens)
	s.refresh = map[string]bool{again: true}
	sendJSON(w, map[string]any{"access_token": fmt.Sprintf("access-%d", s.tokens), "refresh_token": again,
		"token_type": "bearer", "expires_in": 1799})
}

// answer answers a request for a list as the program does.
func (s *Server) answer(w http.ResponseWriter, r *http.Request) {
	switch p := r.URL.Path; {
	case strings.HasPrefix(p, "/v5/organizations/fablab/forms/Membership/adhesion/items"):
		s.helloAsso(w, r)
	case strings.HasPrefix(p, "/open_api/v1/"):
		s.fabManager(w, r, strings.TrimPrefix(p, "/open_api/v1/"))
	case p == "/api/admin/members/":
		s.memberMatters(w, r)
	default:
		send(w, 404, `{"errors":["not found"]}`)
	}
}

// total returns the number of entries that the server announces.
func (s *Server) total(real int) int {
	if s.Total != nil {
		return s.Total(real)
	}
	return real
}

// size returns the number of entries of a page.
func (s *Server) size(r *http.Request, name string) int {
	if s.PageSize > 0 {
		return s.PageSize
	}
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil || n < 1 {
		return 20
	}
	return n
}
