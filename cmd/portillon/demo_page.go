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
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

//go:embed demo
var demoFiles embed.FS

// demoView is all that the demo's page shows.
type demoView struct {
	Clock    policy.Text    `json:"clock"`
	Machines []demoPlace    `json:"machines"`
	Members  []demoCard     `json:"members"`
	Records  []demoRecord   `json:"records"`
	Evidence []demoProgress `json:"evidence"`
}

type demoPlace struct {
	ID     policy.MachineID `json:"id"`
	Name   policy.Text      `json:"name"`
	Panel  string           `json:"panel"`
	Relay  bool             `json:"relay"` // the pin's level, read at the pin
	Phase  string           `json:"phase"`
	EStop  bool             `json:"estop"`
	Tagged bool             `json:"tagged"`
	Kinds  []demoKind       `json:"kinds"`
}

type demoKind struct {
	ID   string      `json:"id"`
	Name policy.Text `json:"name"`
}

type demoCard struct {
	ID     policy.MemberID `json:"id"`
	Name   string          `json:"name"`
	Badges policy.Text     `json:"badges"`
	Card   bool            `json:"card"`
}

type demoRecord struct {
	Machine policy.MachineID `json:"machine"`
	Seq     uint64           `json:"seq"`
	Time    string           `json:"time"`
	Kind    wire.Kind        `json:"kind"`
	Who     string           `json:"who"`
	Detail  policy.Text      `json:"detail"`
}

type demoProgress struct {
	Member   policy.MemberID `json:"member"`
	Name     string          `json:"name"`
	ID       policy.BadgeID  `json:"id"`
	Badge    policy.Text     `json:"badge"`
	Counted  int             `json:"counted"`
	Needed   int             `json:"needed"`
	Complete bool            `json:"complete"`
	Issued   bool            `json:"issued"`
	Whys     []policy.Text   `json:"whys"`
}

// demoPage serves the page and what it asks for.
type demoPage struct {
	d     *demo
	web   fs.FS
	names map[policy.MemberID]site.Member
	cards []demoCard
	one   sync.Mutex // one order at a time

	mu   sync.Mutex
	view []byte
	wake chan struct{} // closed when view changes
	last map[policy.MachineID]uint64
	seen []demoRecord
}

func newDemoPage(d *demo, web fs.FS) *demoPage {
	p := &demoPage{d: d, web: web, names: map[policy.MemberID]site.Member{}, wake: make(chan struct{}), last: map[policy.MachineID]uint64{}}
	for _, m := range d.site.Members {
		p.names[m.ID] = m
		p.cards = append(p.cards, demoCard{ID: m.ID, Name: m.Name, Badges: p.badgesOf(m), Card: len(m.Cards) > 0})
	}
	p.cards = append(p.cards, demoCard{ID: "stranger", Name: "?", Badges: policy.Text{FR: "Carte inconnue", EN: "Unknown card"}, Card: true})
	return p
}

// badgesOf is what stands on a member's card in the demo: the badges they were issued, and what has become of them.
func (p *demoPage) badgesOf(m site.Member) policy.Text {
	var fr, en []string
	for _, f := range p.d.site.Badges {
		b := openbadge.Verify(f.Data, openbadge.Options{Trust: site.Trust(p.d.site.Policy)}).Badge
		if b == nil || !b.IsFor(openbadge.Recipient{Emails: m.Emails}) {
			continue
		}
		id, ok := site.BadgeOf(p.d.site.Policy, b)
		if !ok {
			continue
		}
		badge, _ := p.d.site.Policy.Badge(id)
		a, z := badge.Name.FR, badge.Name.EN
		if !b.ValidUntil.IsZero() && p.d.now().After(b.ValidUntil) {
			a, z = a+" (expiré)", z+" (expired)"
		}
		if strings.HasSuffix(b.ID, "camille-fdm-user") {
			a, z = a+" (retiré)", z+" (revoked)"
		}
		fr, en = append(fr, a), append(en, z)
	}
	if len(fr) == 0 {
		return policy.Text{FR: "aucun badge", EN: "no badge"}
	}
	return policy.Text{FR: strings.Join(fr, " · "), EN: strings.Join(en, " · ")}
}

func (p *demoPage) handler() http.Handler {
	m := http.NewServeMux()
	files := http.FileServerFS(p.web)
	m.HandleFunc("GET /{$}", func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, p.web, "demo.html") })
	m.Handle("GET /demo.css", files)
	m.Handle("GET /demo.js", files)
	m.HandleFunc("GET /events", p.events)
	for name, do := range map[string]func(context.Context, *demoMachine, demoOrder) policy.Text{
		"tap": p.tap, "log": p.log, "tag": p.tag, "untag": p.untag, "estop": p.estop, "kill": p.kill, "issue": p.issue} {
		m.HandleFunc("POST /"+name, p.order(do))
	}
	return http.NewCrossOriginProtection().Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-src http://127.0.0.1:*; base-uri 'none'")
		w.Header().Set("Cache-Control", "no-cache")
		host := r.Host
		if h, _, err := net.SplitHostPort(host); err == nil {
			host = h
		}
		if host != "localhost" && net.ParseIP(strings.Trim(host, "[]")) == nil { // no page of the Internet reaches the demo by a name of its own
			http.Error(w, "the demo is not known by that name", http.StatusMisdirectedRequest)
			return
		}
		m.ServeHTTP(w, r)
	}))
}

type demoOrder struct {
	Machine policy.MachineID `json:"machine"`
	Member  policy.MemberID  `json:"member"`
	Kind    string           `json:"kind"`
	Badge   policy.BadgeID   `json:"badge"`
	Open    bool             `json:"open"`
}

func (p *demoPage) order(do func(context.Context, *demoMachine, demoOrder) policy.Text) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var o demoOrder
		if err := json.NewDecoder(io.LimitReader(r.Body, 4096)).Decode(&o); err != nil {
			http.Error(w, "this is no order of the demo's page", http.StatusBadRequest)
			return
		}
		p.one.Lock()
		defer p.one.Unlock()
		i := slices.IndexFunc(p.d.machines, func(m *demoMachine) bool { return m.id == o.Machine })
		var m *demoMachine
		if i >= 0 {
			m = p.d.machines[i]
		} else if o.Badge == "" {
			http.Error(w, "there is no such machine", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(do(r.Context(), m, o))
		p.look(r.Context())
	}
}

func (p *demoPage) say(r control.Reply) policy.Text {
	if r.Error != "" {
		return policy.Text{FR: r.Error, EN: r.Error}
	}
	return policy.Text{FR: r.FR, EN: r.EN}
}

func (p *demoPage) tap(ctx context.Context, m *demoMachine, o demoOrder) policy.Text {
	card := "FFFFFFFF"
	if who, ok := p.names[o.Member]; ok && len(who.Cards) > 0 {
		card = who.Cards[0]
	}
	return p.say(m.ask(ctx, control.Request{Do: "tap", Card: card}))
}

func (p *demoPage) log(ctx context.Context, m *demoMachine, o demoOrder) policy.Text {
	return p.say(m.ask(ctx, control.Request{Do: "log", Kind: o.Kind, Minute: 10}))
}

func (p *demoPage) tag(ctx context.Context, m *demoMachine, _ demoOrder) policy.Text {
	return p.say(m.ask(ctx, control.Request{Do: "tag", Reason: "courroie usée"}))
}

func (p *demoPage) untag(ctx context.Context, m *demoMachine, _ demoOrder) policy.Text {
	return p.say(m.ask(ctx, control.Request{Do: "untag"}))
}

func (p *demoPage) estop(_ context.Context, m *demoMachine, o demoOrder) policy.Text {
	if err := m.estop(o.Open); err != nil {
		return policy.Text{FR: err.Error(), EN: err.Error()}
	}
	return policy.Text{}
}

func (p *demoPage) kill(_ context.Context, m *demoMachine, _ demoOrder) policy.Text {
	m.kill()
	return policy.Text{FR: "Démon tué : le gardien ouvre le relais. Il redémarre dans 2 s, machine arrêtée", EN: "Daemon killed: the guard opens the relay. It starts again in 2 s, with the machine off"}
}

func (p *demoPage) issue(ctx context.Context, _ *demoMachine, o demoOrder) policy.Text {
	if err := p.d.issue(ctx, o.Member, o.Badge); err != nil {
		return policy.Text{FR: err.Error(), EN: err.Error()}
	}
	return policy.Text{FR: "Badge signé, mis dans le site, paquet envoyé aux machines", EN: "Badge signed, put into the site, bundle sent to the machines"}
}

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

// watch looks at everything, four times a second.
func (p *demoPage) watch(ctx context.Context) {
	t := time.NewTicker(250 * time.Millisecond)
	defer t.Stop()
	for {
		p.look(ctx)
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

func (p *demoPage) look(ctx context.Context) {
	v := demoView{Members: p.cards, Machines: []demoPlace{}, Evidence: []demoProgress{}}
	now := p.d.now().In(p.d.site.Policy.Zone)
	days := [...]string{"dimanche", "lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi"}
	v.Clock = policy.Text{FR: days[now.Weekday()] + now.Format(" 15 h 04"), EN: now.Format("Monday 15:04")}
	for _, m := range p.d.machines {
		place := demoPlace{ID: m.id, Name: m.name, Panel: m.panel, Relay: m.lit(), EStop: m.estopOpen(), Kinds: p.kinds(m.id)}
		if s := m.ask(ctx, control.Request{Do: "status"}).Status; s != nil {
			place.Phase, place.Tagged = s.Phase, len(s.Tags) > 0
		}
		v.Machines = append(v.Machines, place)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hear(ctx)
	v.Records = p.seen
	v.Evidence = p.progress(ctx)
	b, err := json.Marshal(v)
	if err != nil || string(b) == string(p.view) {
		return
	}
	p.view = b
	close(p.wake)
	p.wake = make(chan struct{})
}

// kinds are the interventions that count towards a badge of the machine.
func (p *demoPage) kinds(id policy.MachineID) []demoKind {
	out := []demoKind{}
	m, ok := p.d.site.Policy.Machine(id)
	if !ok {
		return out
	}
	for badge, rule := range p.d.site.Policy.Evidence {
		if slices.Contains(p.d.site.Policy.MachinesOf(badge), id) {
			for _, k := range rule.Kinds {
				out = append(out, demoKind{k, m.KindName(k)})
			}
		}
	}
	slices.SortFunc(out, func(a, b demoKind) int { return strings.Compare(a.ID, b.ID) })
	return slices.Compact(out)
}

// hear takes the records that the hub has committed since the last look; the newest stand first.
func (p *demoPage) hear(ctx context.Context) {
	for _, m := range p.d.machines {
		p.d.hub.Ledger().Records(ctx, ledger.Query{Machine: m.id, After: p.last[m.id]}, func(e ledger.Entry) error {
			p.last[m.id] = e.Seq
			p.seen = append([]demoRecord{p.record(e.Record)}, p.seen...)
			return nil
		})
	}
	p.seen = p.seen[:min(len(p.seen), 14)]
}

func (p *demoPage) record(r wire.Record) demoRecord {
	body := strings.NewReplacer(`"`, "", ",", ", ", ":", ": ").Replace(strings.Trim(string(r.Body), "{}"))
	return demoRecord{Machine: r.Machine, Seq: r.Seq, Time: r.Wall.In(p.d.site.Policy.Zone).Format("15:04:05"), Kind: r.Kind, Who: p.d.memberName(r.Member),
		Detail: policy.Text{FR: body, EN: body}}
}

func (p *demoPage) progress(ctx context.Context) []demoProgress {
	all, err := hub.Progress(ctx, p.d.hub.Ledger(), p.d.site.Policy, p.d.now())
	out := []demoProgress{}
	if err != nil {
		return out
	}
	for _, x := range all {
		if len(x.Counted)+len(x.Rejected) == 0 || len(x.Counted) == 0 && onlyElsewhere(x) {
			continue
		}
		badge, _ := p.d.site.Policy.Badge(x.Badge)
		row := demoProgress{Member: x.Member, Name: p.names[x.Member].Name, ID: x.Badge, Badge: badge.Name, Counted: min(len(x.Counted), x.Needed), Needed: x.Needed,
			Complete: x.Complete, Issued: p.d.issued[string(x.Member)+"/"+string(x.Badge)], Whys: []policy.Text{}}
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

// onlyElsewhere is progress towards a badge of another machine: there is none.
func onlyElsewhere(x evidence.Progress) bool {
	return !slices.ContainsFunc(x.Rejected, func(r evidence.Rejected) bool { return !slices.Contains(r.Why, evidence.WrongMachine) })
}
