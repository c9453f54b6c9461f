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

// The following methods return the services of a hub that manages the site, for pages and API. Each service checks the
// permissions of the actor. Each of these methods returns nil if the hub does not manage the site. These methods may
// be called before Run.

// Directory returns the services for the site's members, cards and badges.
func (h *Hub) Directory() *directory.Services { return h.services.directory }

// Publishing returns the services for the site's policy and bundles.
func (h *Hub) Publishing() *publish.Services { return h.services.publish }

// Accounts returns the services for the accounts of people who sign in.
func (h *Hub) Accounts() *account.Services { return h.services.accounts }

// Policy returns the policy in force of a hub that manages the site; nil: there is no policy.
func (h *Hub) Policy(ctx context.Context) (*policy.Policy, error) {
	if h.services.policies.read == nil {
		return nil, nil
	}
	return h.services.policies.current(ctx)
}

// Machines returns the machines of hub.yaml and the machines that joined over the network, sorted by id.
func (h *Hub) Machines() []Machine { return h.fleet.list() }

// Manifest returns the signed manifest of the bundle in force and the bundle's version; nil and 0: there is no bundle.
func (h *Hub) Manifest() ([]byte, uint64) { return h.bundles.current() }

// Command signs a command to a machine, sends the command, and waits for the reply: at most wire.CommandLife, or until
// ctx ends. The caller sets c.Do, Tag, Reason and Now; Command sets the other fields. While the hub is not connected to
// the broker, Command waits. A machine refuses a command that arrives after the command's expiry.
func (h *Hub) Command(ctx context.Context, m policy.MachineID, c wire.Command) (wire.Reply, error) {
	return h.commands.command(ctx, m, c)
}

// DatabaseError returns why the database accepts no records or changes; nil: the last access to the database succeeded.
func (h *Hub) DatabaseError() error { return h.health.failure() }

// Handler serves GET /manifest, GET /chunks/<sha256> and the parts of chunks, GET /machines and GET /broker, for
// loopback only.
func (h *Hub) Handler() http.Handler { return h.loopback.handler() }

// WebURL returns the hub's address for people; empty: the hub has no pages.
func (h *Hub) WebURL() string { return h.pagesServer.webURL() }
