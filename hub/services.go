package hub

import (
	"portillon/hub/directory"
	"portillon/hub/publish"
)

// Directory is the hub's directory of members; nil: the hub stands beside a site of files.
func (h *Hub) Directory() *directory.Service { return h.managed.directory }

// Policies publishes the site's policy and bundles; nil: the hub stands beside a site of files.
func (h *Hub) Policies() *publish.Service { return h.managed.publish }
