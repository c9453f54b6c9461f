package hub

import (
	"context"
	"net"
	"strings"
	"time"

	"portillon/hub/api"
	"portillon/hub/enrol"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/wire"
)

// MachineService and Rows are behind pages and API, for tests that prepare a site.
func (h *Hub) MachineService() *enrol.Service { return h.enrolment }
func (h *Hub) Rows() *store.DB                { return h.db }

// APIRoutes and PageRoutes are all that the listener for people answers.
func (h *Hub) APIRoutes() []api.Route { return h.api.Routes() }
func (h *Hub) PageRoutes() []string   { return h.pages.Routes() }

// Asked are all that pages and API ask, by package.
func (h *Hub) Asked() map[string]any {
	m := h
	return map[string]any{"directory": m.directory, "enrol": h.enrolment, "publish": m.publish, "account": m.accounts,
		"report": m.report, "cardkey": m.cardKey, "audit": m.audit, "hub": siteAdmin{h}}
}

// WebPort is the port of the listener for people.
func (h *Hub) WebPort() string {
	_, port, _ := net.SplitHostPort(h.webListener.Addr().String())
	return port
}

// Know has the hub take a machine for one that has joined.
func (h *Hub) Know(id policy.MachineID) error { return h.know(id) }

// ObeyCommands answers every command as a machine that obeys does, until ctx ends.
func (h *Hub) ObeyCommands(ctx context.Context) {
	for ctx.Err() == nil {
		h.mu.Lock()
		for key, to := range h.waiting {
			_, command, _ := strings.Cut(key, "/")
			select {
			case to <- wire.Reply{ID: command, OK: true}:
			default: // it has its answer
			}
		}
		h.mu.Unlock()
		time.Sleep(time.Millisecond)
	}
}
