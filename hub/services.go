package hub

import (
	"context"
	"net/http"

	"portillon/hub/account"
	"portillon/hub/directory"
	"portillon/hub/publish"
	"portillon/policy"
	"portillon/wire"
)

// The services of a hub that keeps the site itself, as its pages and its API call them: each asks by itself what its
// actor may. They are nil for a hub beside a site of files, and may be called before Run.

// Directory is the site's members, cards and badges.
func (h *Hub) Directory() *directory.Services { return h.services.directory }

// Publishing is the site's policy and its bundles.
func (h *Hub) Publishing() *publish.Services { return h.services.publish }

// Accounts is who signs in.
func (h *Hub) Accounts() *account.Services { return h.services.accounts }

// Policy is the policy in force of a hub that keeps the site itself; nil: there is none.
func (h *Hub) Policy(ctx context.Context) (*policy.Policy, error) {
	if h.services.policies.read == nil {
		return nil, nil
	}
	return h.services.policies.current(ctx)
}

// Machines are all machines of hub.yaml and those that joined, sorted by id.
func (h *Hub) Machines() []Machine { return h.fleet.list() }

// Manifest is the signed manifest in force, and its version; nil and 0 where there is none.
func (h *Hub) Manifest() ([]byte, uint64) { return h.bundles.current() }

// Command signs an order to a machine, sends it, and waits for the reply: at most wire.CommandLife, or until ctx ends.
// c.Do, Tag, Reason and Now are the caller's; the rest is filled in. While the broker is away it waits: an order that
// comes late is refused by the machine.
func (h *Hub) Command(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	return h.commands.command(ctx, m, c)
}

// DatabaseError is why the database does not take records, or changes; nil: it does, as far as the hub knows.
func (h *Hub) DatabaseError() error { return h.health.failure() }

// Handler serves GET /manifest, GET /chunks/<sha256> and its parts, GET /machines and GET /broker, on loopback only.
func (h *Hub) Handler() http.Handler { return h.loopback.handler() }

// WebURL is where people reach the hub; empty: nowhere.
func (h *Hub) WebURL() string { return h.pagesServer.webURL() }
