package hub

import (
	"context"
	"net"
	"reflect"
	"strings"
	"time"

	"portillon/hub/api"
	"portillon/hub/display"
	"portillon/hub/enrol"
	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/wire"
)

// MachineService, Display and Rows give tests access to services behind the pages and the API, to prepare a site.
func (h *Hub) MachineService() *enrol.Services { return h.enrolments.machines }
func (h *Hub) Display() *display.Services      { return h.pagesServer.display }
func (h *Hub) Rows() *store.DB                 { return h.core.db }

// APIRoutes and PageRoutes return all routes of the listener for people.
func (h *Hub) APIRoutes() []api.Route { return h.pagesServer.api.Routes() }
func (h *Hub) PageRoutes() []string   { return h.pagesServer.pages.Routes() }

// Asked returns all services that the pages and the API call, by name: the package, followed by the service if the
// package has several.
func (h *Hub) Asked() map[string]any {
	asked := map[string]any{
		"report":  h.services.report,
		"cardkey": h.services.cardKey,
		"search":  h.pagesServer.search,
		"audit":   h.services.audit,
		"hub":     siteAdmin{h},
		"issue":   h.pagesServer.issuing.service,
	}
	addDuties(asked, "account", *h.services.accounts)
	addDuties(asked, "directory", *h.services.directory)
	addDuties(asked, "enrol", *h.enrolments.machines)
	addDuties(asked, "publish", *h.services.publish)
	addDuties(asked, "display", *h.pagesServer.display)
	addDuties(asked, "visitor", *h.pagesServer.visitors)
	return asked
}

// addDuties adds each field of a struct of services, so that a new service needs no extra line here.
func addDuties(asked map[string]any, pkg string, services any) {
	v := reflect.ValueOf(services)
	for i := range v.NumField() {
		asked[pkg+"."+v.Type().Field(i).Name] = v.Field(i).Interface()
	}
}

// DirectoryDocuments returns the directory's resolver of documents, with fetch in place of the web.
func (h *Hub) DirectoryDocuments(ctx context.Context, fetch openbadge.Resolver) openbadge.Resolver {
	return h.pagesServer.issuing.documents(func(context.Context) openbadge.Resolver { return fetch })(ctx)
}

// WebPort returns the port of the listener for people.
func (h *Hub) WebPort() string {
	_, port, _ := net.SplitHostPort(h.pagesServer.listener.Addr().String())
	return port
}

// Know adds a machine to the hub as if the machine had joined.
func (h *Hub) Know(id policy.MachineID) error { return h.fleet.know(id) }

// ObeyCommands answers every command with success, until ctx ends.
func (h *Hub) ObeyCommands(ctx context.Context) {
	for poll := time.Tick(time.Millisecond); ctx.Err() == nil; <-poll {
		h.commands.mu.Lock()
		for key, to := range h.commands.waiting {
			_, command, _ := strings.Cut(key, "/")
			select {
			case to <- wire.Reply{ID: command, OK: true}:
			default: // the reply channel already contains a reply
			}
		}
		h.commands.mu.Unlock()
	}
}
