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
func (h *Hub) MachineService() *enrol.Service { return h.enrolments.service }
func (h *Hub) Rows() *store.DB                { return h.core.db }

// APIRoutes and PageRoutes are all that the listener for people answers.
func (h *Hub) APIRoutes() []api.Route { return h.pagesServer.api.Routes() }
func (h *Hub) PageRoutes() []string   { return h.pagesServer.pages.Routes() }

// Asked are all that pages and API ask, by package.
func (h *Hub) Asked() map[string]any {
	m := h
	return map[string]any{
		"directory": m.services.directory,
		"enrol":     h.enrolments.service,
		"publish":   m.services.publish,
		"account":   m.services.accounts,
		"report":    m.services.report,
		"cardkey":   m.services.cardKey,
		"audit":     m.services.audit,
		"hub":       siteAdmin{h},
	}
}

// WebPort is the port of the listener for people.
func (h *Hub) WebPort() string {
	_, port, _ := net.SplitHostPort(h.pagesServer.listener.Addr().String())
	return port
}

// Know has the hub take a machine for one that has joined.
func (h *Hub) Know(id policy.MachineID) error { return h.fleet.know(id) }

// ObeyCommands answers every command as a machine that obeys does, until ctx ends.
func (h *Hub) ObeyCommands(ctx context.Context) {
	for poll := time.Tick(time.Millisecond); ctx.Err() == nil; <-poll {
		h.commands.mu.Lock()
		for key, to := range h.commands.waiting {
			_, command, _ := strings.Cut(key, "/")
			select {
			case to <- wire.Reply{ID: command, OK: true}:
			default: // it has its answer
			}
		}
		h.commands.mu.Unlock()
	}
}
