package main

import (
	"context"
	"embed"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"portillon/daemon/control"
	"portillon/hub"
	"portillon/hub/evidence"
	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// demoFiles contains the page's HTML, CSS and script.
//
//go:embed demo
var demoFiles embed.FS

// demoView contains all data that the demo's page shows.
type demoView struct {
	Clock    policy.Text    `json:"clock"`    // day and time on the demo's clock
	Hub      string         `json:"hub"`      // address of the hub's pages
	People   []demoSigner   `json:"people"`   // people who can sign in at the hub
	Machines []demoPlace    `json:"machines"` // machines in the order of the policy
	Members  []demoCard     `json:"members"`  // one card of each member, and last the unknown card
	Records  []demoRecord   `json:"records"`  // last records of all machines, newest first
	Evidence []demoProgress `json:"evidence"` // progress towards badges
}

// demoSigner is a button that opens the hub's pages as this person.
type demoSigner struct {
	ID   string      `json:"id"`
	Name string      `json:"name"`
	Does policy.Text `json:"does"`
}

// demoPlace is one machine on the page.
type demoPlace struct {
	ID     policy.MachineID `json:"id"`
	Name   policy.Text      `json:"name"`
	Panel  string           `json:"panel"`  // address of the machine's panel
	Relay  bool             `json:"relay"`  // true: the relay's pin is high, as read from the pin
	Phase  string           `json:"phase"`  // state of the session, as in machine status
	EStop  bool             `json:"estop"`  // true: the emergency stop is pressed
	Tagged bool             `json:"tagged"` // true: the machine is tagged out
	Kinds  []demoKind       `json:"kinds"`  // interventions that can be logged
	Page   string           `json:"page"`   // path of the machine's page at the hub
}

// demoKind is a button with which a maintainer logs one kind of intervention.
type demoKind struct {
	ID   string      `json:"id"`
	Name policy.Text `json:"name"`
}

// demoCard is a button that presents a member's card. The field Card is false if the member has no card.
type demoCard struct {
	ID     policy.MemberID `json:"id"`
	Name   string          `json:"name"`
	Badges policy.Text     `json:"badges"`
	Card   bool            `json:"card"`
}

// demoRecord is a line of the list of records.
type demoRecord struct {
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"`
	Time    string           `json:"time"` // time of day (15:04:05), local to the site
	Kind    wire.Kind        `json:"kind"`
	Who     string           `json:"who"`    // member's name, or the id of an unknown member
	Detail  policy.Text      `json:"detail"` // body of the record
}

// demoProgress is the progress of a member towards a badge.
type demoProgress struct {
	Member   policy.MemberID `json:"member"`
	Name     string          `json:"name"`
	ID       policy.BadgeID  `json:"id"`
	Badge    policy.Text     `json:"badge"`
	Counted  int             `json:"counted"` // number of interventions accepted as evidence for the badge, at most Needed
	Needed   int             `json:"needed"`
	Complete bool            `json:"complete"`
	Issued   bool            `json:"issued"` // true: the badge was issued in this demo
	Whys     []policy.Text   `json:"whys"`   // reasons why the member's other interventions are not accepted as evidence
}

// demoPage serves the demo's page and handles the page's requests.
type demoPage struct {
	d      *demo
	web    fs.FS
	people []demoSigner
	one    sync.Mutex // held while the page executes an order, so that only one order runs at a time

	mu   sync.Mutex
	view []byte                      // current demoView as JSON
	wake chan struct{}               // channel that is closed when view changes
	last map[policy.MachineID]uint64 // number of the last record read, for each machine
	seen []wire.Record               // last records, newest first
}

// newDemoPage creates the page of a demo. The hub's accounts must exist already.
func newDemoPage(d *demo, web fs.FS) *demoPage {
	p := &demoPage{d: d, web: web, wake: make(chan struct{}), last: map[policy.MachineID]uint64{}}
	for _, x := range d.people {
		p.people = append(p.people, demoSigner{ID: x.id, Name: x.name, Does: x.does})
	}
	return p
}

// handler routes the page's requests, and answers only requests for localhost or an IP address.
func (p *demoPage) handler() (http.Handler, error) {
	m := http.NewServeMux()
	signIn, err := p.signInRoute()
	if err != nil {
		return nil, err
	}
	m.Handle("POST "+signInPath, signIn)
	files := http.FileServerFS(p.web)
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, p.web, "demo.html") })
	m.Handle("GET /demo.css", files)
	m.Handle("GET /demo.js", files)
	m.HandleFunc("GET /events", p.events)
	for name, do := range map[string]func(context.Context, *demoMachine, demoOrder) policy.Text{
		"tap": p.tap, "log": p.log, "tag": p.tag, "untag": p.untag, "estop": p.estop, "kill": p.kill, "issue": p.issue} {
		m.HandleFunc("POST /"+name, p.order(do))
	}
	csp := fmt.Sprintf("default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "+
		"frame-src http://127.0.0.1:*; form-action 'self' http://*:%s; base-uri 'none'; frame-ancestors 'none'",
		p.d.hubPort())
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", csp)
		w.Header().Set("Cache-Control", "no-cache")
		// Refuse other host names, because another web site could give its own name this address and so send requests to the
		// demo (DNS rebinding).
		if host := hostOf(r.Host); host != "localhost" && net.ParseIP(host) == nil {
			http.Error(w, "request names another host, want localhost or 127.0.0.1", http.StatusMisdirectedRequest)
			return
		}
		m.ServeHTTP(w, r)
	})), nil
}

// demoOrder is the request that a click on the page sends.
type demoOrder struct {
	Machine policy.MachineID `json:"machine"`
	Member  policy.MemberID  `json:"member"`
	Kind    string           `json:"kind"`
	Badge   policy.BadgeID   `json:"badge"`
	Open    bool             `json:"open"`
}

// order returns a handler that decodes a request, calls do, and answers with the sentence that do returns. order
// executes one order at a time.
func (p *demoPage) order(do func(context.Context, *demoMachine, demoOrder) policy.Text) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o demoOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&o); err != nil {
			http.Error(w, "body of the request is not JSON that the demo's page sends", http.StatusBadRequest)
			return
		}
		p.one.Lock()
		defer p.one.Unlock()
		i := slices.IndexFunc(p.d.machines, func(m *demoMachine) bool { return m.id == o.Machine })
		var m *demoMachine
		if i >= 0 {
			m = p.d.machines[i]
		} else if o.Badge == "" {
			http.Error(w, "demo has no machine with this name", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(do(r.Context(), m, o))
		p.rebuild(r.Context())
	}
}

// replySentence returns a daemon's reply as a sentence.
func (p *demoPage) replySentence(r control.Reply) policy.Text {
	if r.Error != "" {
		return policy.Text{FR: r.Error, EN: r.Error}
	}
	return policy.Text{FR: r.FR, EN: r.EN}
}

// tap presents a member's card, or an unknown card if the member does not exist.
func (p *demoPage) tap(ctx context.Context, m *demoMachine, o demoOrder) policy.Text {
	s, err := p.d.site(ctx)
	if err != nil {
		return policy.Text{FR: err.Error(), EN: err.Error()}
	}
	card := p.d.unknownNumber(s)
	if who, ok := s.member(o.Member); ok {
		card = p.d.numberOf(who)
	}
	return p.replySentence(m.ask(ctx, control.Request{Do: "tap", Card: card}))
}

// log logs an intervention of 10 minutes by the maintainer at the machine.
func (p *demoPage) log(ctx context.Context, m *demoMachine, o demoOrder) policy.Text {
	return p.replySentence(m.ask(ctx, control.Request{Do: "log", Kind: o.Kind, Minute: 10}))
}

// tag tags the machine out.
func (p *demoPage) tag(ctx context.Context, m *demoMachine, _ demoOrder) policy.Text {
	return p.replySentence(m.ask(ctx, control.Request{Do: "tag", Reason: "courroie usée"}))
}

// untag returns the machine to service.
func (p *demoPage) untag(ctx context.Context, m *demoMachine, _ demoOrder) policy.Text {
	return p.replySentence(m.ask(ctx, control.Request{Do: "untag"}))
}

// estop presses or releases the emergency stop.
func (p *demoPage) estop(_ context.Context, m *demoMachine, o demoOrder) policy.Text {
	if err := m.estop(o.Open); err != nil {
		return policy.Text{FR: err.Error(), EN: err.Error()}
	}
	return policy.Text{}
}

// kill kills the daemon.
func (p *demoPage) kill(_ context.Context, m *demoMachine, _ demoOrder) policy.Text {
	m.kill()
	return policy.Text{FR: "Démon tué : le gardien ouvre le relais. Il redémarre dans 2 s, machine arrêtée",
		EN: "Daemon killed: the guard opens the relay. It starts again in 2 s, with the machine off"}
}

// issue issues a badge that a member has earned.
func (p *demoPage) issue(ctx context.Context, _ *demoMachine, o demoOrder) policy.Text {
	if err := p.d.issue(ctx, o.Member, o.Badge); err != nil {
		return policy.Text{FR: err.Error(), EN: err.Error()}
	}
	return policy.Text{FR: "Badge signé, ajouté au hub, paquet envoyé aux machines",
		EN: "Badge signed, added at the hub, bundle sent to the machines"}
}

// events streams the view to the page as server-sent events: immediately, and after each change.
func (p *demoPage) events(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	out := http.NewResponseController(w)
	for {
		p.mu.Lock()
		view, wake := p.view, p.wake
		p.mu.Unlock()
		if view != nil {
			if _, err := fmt.Fprintf(w, "data: %s\n\n", view); err != nil || out.Flush() != nil {
				return
			}
		}
		select {
		case <-r.Context().Done():
			return
		case <-wake:
		}
	}
}

// watch updates the view four times a second.
func (p *demoPage) watch(ctx context.Context) {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		p.rebuild(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// rebuild creates a new view, and wakes the method events if the view has changed.
func (p *demoPage) rebuild(ctx context.Context) {
	site, err := p.d.site(ctx)
	if err != nil || site.policy == nil {
		return // keep the old view, because the hub may be ending or its database may be busy; the next call tries again
	}
	v := demoView{Hub: p.d.hub.WebURL(), People: p.people, Members: p.d.cards(site), Machines: []demoPlace{},
		Records: []demoRecord{}, Evidence: []demoProgress{}}
	now := p.d.now().In(site.policy.Zone)
	days := [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	v.Clock = policy.Text{FR: days[now.Weekday()] + now.Format(" 15 h 04"), EN: now.Format("Monday 15:04")}
	// Ask each daemon for its state, and read the pins.
	for _, m := range p.d.machines {
		place := demoPlace{ID: m.id, Name: m.name, Panel: m.panel, Relay: m.isPinHigh(), EStop: m.estopOpen(),
			Kinds: site.kinds(m.id), Page: m.hubPage()}
		if s := m.ask(ctx, control.Request{Do: "status"}).Status; s != nil {
			place.Phase, place.Tagged = s.Phase, len(s.Tags) > 0
		}
		v.Machines = append(v.Machines, place)
	}
	// Add new records and the progress towards badges.
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addRecords(ctx)
	for _, r := range p.seen {
		v.Records = append(v.Records, site.record(r))
	}
	v.Evidence = p.progress(ctx, site)
	b, err := json.Marshal(v)
	if err != nil || string(b) == string(p.view) {
		return
	}
	p.view = b
	close(p.wake)
	p.wake = make(chan struct{})
}

// kinds returns the kinds of intervention that a badge of the machine accepts as evidence.
func (s demoSite) kinds(id policy.MachineID) []demoKind {
	out := []demoKind{}
	m, ok := s.policy.Machine(id)
	if !ok {
		return out
	}
	for badge, rule := range s.policy.Evidence {
		if slices.Contains(s.policy.MachinesOf(badge), id) {
			for _, k := range rule.Kinds {
				out = append(out, demoKind{k, m.KindName(k)})
			}
		}
	}
	slices.SortFunc(out, func(a, b demoKind) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(out)
}

// addRecords adds the records that the hub has committed since the last call, newest first. The page shows the last 14
// records.
func (p *demoPage) addRecords(ctx context.Context) {
	for _, m := range p.d.machines {
		p.d.hub.Ledger().Records(ctx, ledger.Query{Machine: m.id, After: p.last[m.id]}, func(e ledger.Entry) error {
			p.last[m.id] = e.Seq
			p.seen = append([]wire.Record{e.Record}, p.seen...)
			return nil
		})
	}
	p.seen = p.seen[:min(len(p.seen), 14)]
}

// record returns a record in the form that the page shows.
func (s demoSite) record(r wire.Record) demoRecord {
	body := strings.NewReplacer(`"`, "", ",", ", ", ":", ": ").Replace(strings.Trim(string(r.Body), "{}"))
	return demoRecord{Machine: r.Machine, Seq: r.Seq, Time: r.Wall.In(s.policy.Zone).Format("15:04:05"), Kind: r.Kind,
		Who: s.name(r.Member), Detail: policy.Text{FR: body, EN: body}}
}

// progress returns, for each member who has logged interventions, the member's progress towards a badge.
func (p *demoPage) progress(ctx context.Context, s demoSite) []demoProgress {
	all, err := hub.Progress(ctx, p.d.hub.Ledger(), s.policy, p.d.now())
	out := []demoProgress{}
	if err != nil {
		return out
	}
	for _, x := range all {
		if len(x.Counted)+len(x.Rejected) == 0 || len(x.Counted) == 0 && onlyElsewhere(x) {
			continue
		}
		badge, _ := s.policy.Badge(x.Badge)
		row := demoProgress{Member: x.Member, Name: s.name(x.Member), ID: x.Badge, Badge: badge.Name,
			Counted: min(len(x.Counted), x.Needed), Needed: x.Needed, Complete: x.Complete,
			Issued: p.d.hasIssued(x.Member, x.Badge), Whys: []policy.Text{}}
		for _, r := range x.Rejected {
			for _, y := range r.Why {
				if t := y.Text(); !slices.Contains(row.Whys, t) {
					row.Whys = append(row.Whys, t)
				}
			}
		}
		out = append(out, row)
	}
	return out
}

// onlyElsewhere reports whether the member logged all interventions at machines for which the badge accepts no
// interventions.
func onlyElsewhere(x evidence.Progress) bool {
	return !slices.ContainsFunc(x.Rejected, func(r evidence.Rejected) bool {
		return !slices.Contains(r.Why, evidence.WrongMachine)
	})
}
