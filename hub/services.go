package hub

import (
	"context"

	"portillon/hub/account"
	"portillon/hub/directory"
	"portillon/hub/publish"
	"portillon/policy"
)

// The services of a hub that keeps the site itself, as its pages and its API call them: each asks by itself what its
// actor may. They are nil for a hub beside a site of files, and may be called before Run.

// Directory is the site's members, cards and badges.
func (h *Hub) Directory() *directory.Service { return h.managed.directory }

// Publishing is the site's policy and its bundles.
func (h *Hub) Publishing() *publish.Service { return h.managed.publish }

// Accounts is who signs in.
func (h *Hub) Accounts() *account.Service { return h.managed.accounts }

// Policy is the policy in force of a hub that keeps the site itself; nil: there is none.
func (h *Hub) Policy(ctx context.Context) (*policy.Policy, error) {
	if h.managed.policies.read == nil {
		return nil, nil
	}
	return h.managed.policies.current(ctx)
}
