package web

import (
	"net/http"
	"strconv"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/display"
	"portillon/policy"
)

// publicPages serves the addresses for people who are not signed in: the public status and the wall screens. The
// service display decides whether the site shows anything.
type publicPages struct {
	board       Board
	machineName func(tongue, policy.MachineID) string
	address     func(*http.Request) string
}

// publicRoutes returns the addresses that answer everybody alike.
func (p *Pages) publicRoutes() []route {
	var out []route
	if p.o.OwnBadges != nil {
		out = append(out, route{"GET /issuer/badges/{badge}", (&publicBadges{p.o.OwnBadges}).badge})
	}
	if p.o.Display == (Display{}) {
		return out
	}
	s := &publicPages{board: p.o.Display.Board, machineName: p.machineName, address: p.o.Address}
	return append(out, route{"GET /status", s.status}, route{"GET /status/{file}", s.badge},
		route{"GET /spaceapi.json", s.spaceAPI}, route{"GET /wall", s.wall})
}

// Public returns a handler that serves the addresses for people who are not signed in, and calls next for all other
// addresses. For the public addresses, the hub reads neither a session nor a token, so that a request costs no query.
func (p *Pages) Public(next http.Handler) http.Handler {
	m := http.NewServeMux()
	for _, r := range p.publicRoutes() {
		m.Handle(r.pattern, head(p.servePublic(r.do)))
	}
	m.Handle("/", next)
	return m
}

// servePublic returns a handler that works as serve, for a visitor who is not signed in.
func (p *Pages) servePublic(do func(*request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{p: p, w: w, r: r, reqID: p.o.RequestID(r)}
		q.actor = actor.Actor{Request: q.reqID}
		q.lang = q.language()
		if err := do(q); err != nil {
			q.writeError(err)
		}
	})
}

// publicAge is the number of seconds for which a cache may store a public answer.
const publicAge = 30

// mayCache permits caches to store the answer for publicAge.
func (q *request) mayCache() {
	q.w.Header().Set("Cache-Control", "public, max-age="+strconv.Itoa(publicAge))
}

// statusPage is the data of the page of the public status.
type statusPage struct {
	display.Public
}

// status answers GET /status.
func (p *publicPages) status(q *request) error {
	s, err := p.board.Public(ctxOf(q))
	if err != nil {
		return err
	}
	q.mayCache()
	return q.render(200, "status", "", "status.title", statusPage{s})
}

// badge answers GET /status/MACHINE.svg with a picture that other sites may include.
func (p *publicPages) badge(q *request) error {
	s, err := p.board.Public(ctxOf(q))
	if err != nil {
		return err
	}
	id, ok := strings.CutSuffix(q.r.PathValue("file"), ".svg")
	for _, m := range s.Machines {
		if !ok || string(m.ID) != id {
			continue
		}
		l := q.tongue()
		q.mayCache()
		h := q.w.Header()
		h.Set("Cross-Origin-Resource-Policy", "cross-origin") // pages of other sites show the picture
		return q.write("image/svg+xml; charset=utf-8",
			badgeSVG(q.lang, p.machineName(l, m.ID), m.State, l.t("status."+string(m.State))))
	}
	return errNoPage
}

// spaceAPI answers GET /spaceapi.json. The document is the same for everybody, and scripts of all sites may read the
// document.
func (p *publicPages) spaceAPI(q *request) error {
	b, err := p.board.SpaceAPI(ctxOf(q))
	if err != nil {
		return err
	}
	q.mayCache()
	h := q.w.Header()
	h.Del("Vary")
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	return q.write("application/json", b)
}

// write sends a complete answer of a content type.
func (q *request) write(kind string, b []byte) error {
	h := q.w.Header()
	h.Set("Content-Type", kind)
	h.Set("Content-Length", strconv.Itoa(len(b)))
	if _, err := q.w.Write(b); err != nil {
		q.p.o.Log.Debug("sending an answer to the browser failed", "path", q.r.URL.Path, "request", q.reqID, "err", err)
	}
	return nil
}

// wallPage is the data of a wall screen: the machines, grouped by state.
type wallPage struct {
	At       time.Time
	On, Free []display.WallMachine
	Off      []display.WallMachine // out of service, or offline
	Every    int                   // seconds between two updates of the screen
}

// wallEvery is the number of seconds between two updates of a wall screen.
const wallEvery = 15

// wall answers GET /wall. The parameter key is the screen's secret, with which nobody can do anything but see the
// screen.
func (p *publicPages) wall(q *request) error {
	q.w.Header().Set("Referrer-Policy", "no-referrer") // the address contains the key
	w, err := p.board.Wall(ctxOf(q), q.r.URL.Query().Get("key"), p.address(q.r))
	if err != nil {
		return err
	}
	d := wallPage{At: w.At, Every: wallEvery}
	for _, m := range w.Machines {
		switch m.State {
		case display.InUse:
			d.On = append(d.On, m)
		case display.Free:
			d.Free = append(d.Free, m)
		default:
			d.Off = append(d.Off, m)
		}
	}
	return q.renderIn("wall", 200, "wall", "", "wall.title", d)
}
