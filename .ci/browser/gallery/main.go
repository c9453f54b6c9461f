// Command gallery serves a panel that shows any of its states on request, for the browser tests: GET /names, POST
// /show?name=…, and the panel itself. GET /watched returns how many event streams browsers have opened so far. The
// actions of the panel are a fake. Its forms accept an entry or refuse it, as the last request has set. Further
// requests:
//
//	POST /refuse       every action fails with "not saved"
//	POST /accept       every entry is saved; the count of entries starts at 0
//	POST /wait         every entry waits for the hub
//	GET /elsewhere     the text that asks to scan the code
//	GET /screens       the number of screens connected
//	GET /wrote         the number of entries written since POST /accept
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"portillon/daemon/panel"
	"portillon/policy"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "address")
	flag.Parse()
	l, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	m := http.NewServeMux()
	c := &clerk{}
	p := panel.New(panel.Config{
		Machine: "laser",
		Name:    policy.Text{FR: "Découpe laser", EN: "Laser cutter"},
		URL:     "http://" + l.Addr().String(),
		Actions: c,
		Photos:  &panel.Album{Dir: os.TempDir()},
	})
	p.Show(panel.Ready())
	p.SetHubOnline(true)
	var watched atomic.Int32
	m.Handle("/", p.Handler())
	m.HandleFunc(
		"GET /events",
		func(w http.ResponseWriter, r *http.Request) { watched.Add(1); p.Handler().ServeHTTP(w, r) },
	)
	m.HandleFunc("GET /watched", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, watched.Load()) })
	m.HandleFunc("GET /names", func(w http.ResponseWriter, r *http.Request) {
		var names []string
		for _, x := range panel.Gallery(time.Now()) {
			names = append(names, x.Name)
		}
		json.NewEncoder(w).Encode(names)
	})
	m.HandleFunc("POST /show", func(w http.ResponseWriter, r *http.Request) {
		for _, x := range panel.Gallery(time.Now()) {
			if x.Name == r.URL.Query().Get("name") {
				p.Show(x.View)
				p.SetNote(x.View.Note)
				json.NewEncoder(w).Encode(x.View)
				return
			}
		}
		http.Error(w, "panel gallery has no state with this name", http.StatusNotFound)
	})
	m.HandleFunc("POST /refuse", func(w http.ResponseWriter, r *http.Request) { c.no = panel.NotSaved })
	m.HandleFunc(
		"POST /accept",
		func(w http.ResponseWriter, r *http.Request) { c.no, c.wrote, c.waits = nil, 0, policy.Text{} },
	)
	m.HandleFunc("POST /wait", func(w http.ResponseWriter, r *http.Request) { c.no, c.waits = nil, panel.FormWaits() })
	m.HandleFunc(
		"GET /elsewhere",
		func(w http.ResponseWriter, r *http.Request) { json.NewEncoder(w).Encode(policy.Text(panel.ScanCode)) },
	)
	m.HandleFunc("GET /screens", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, len(p.Screens())) })
	m.HandleFunc("GET /wrote", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, c.wrote) })
	fmt.Printf("gallery http://%s/\n", l.Addr())
	http.Serve(l, m)
}

// clerk is a fake implementation of panel.Actions.
type clerk struct {
	no    error       // error that every action returns; nil: every action succeeds
	wrote int         // number of entries that the actions have written
	waits policy.Text // text that Write returns if an entry waits for the hub; empty: the entry is saved at once
}

// Do implements panel.Actions.
func (c *clerk) Do(context.Context, panel.Touch) error { return c.no }

// Form implements panel.Actions.
func (c *clerk) Form(_ context.Context, a panel.FormRequest) (panel.Form, error) {
	f := panel.Form{
		Token: "0123456789abcdef0123456789abcdef",
		Do:    a.Do,
		Item:  a.Item,
		Title: panel.ReportQuestion("Léa"),
		Stop:  "dangerous",
		Ends:  time.Now().Add(10 * time.Minute),
	}
	for _, p := range []string{"noise", "poor-result", "broken", "dangerous"} {
		f.Items = append(f.Items, panel.Choice{ID: p, Label: panel.ProblemName(p)})
	}
	if a.Do == "log" {
		f.Title, f.Parts, f.Minutes, f.Stop = panel.InterventionQuestion("Inès"), true, 25, ""
		for _, x := range panel.Gallery(time.Now()) {
			if x.Name == "what was done" {
				f.Items = x.View.Visitor.Items
			}
		}
	}
	return f, nil
}

// Write implements panel.Actions.
func (c *clerk) Write(context.Context, string, panel.Entry) (policy.Text, error) {
	if c.no == nil {
		c.wrote++
	}
	return c.waits, c.no
}
