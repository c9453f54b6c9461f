package hub

import (
	"context"
	"errors"

	"portillon/policy"
)

// errNotYet is what a machine returns to a hub that is still starting.
var errNotYet = errors.New("the hub is starting")

// takeManifest takes note of the manifest that a machine works from: after a restore, the next bundle is above it.
func (h *Hub) takeManifest(ctx context.Context, id policy.MachineID, signed []byte) error {
	p := h.managed.publish
	if p == nil {
		return errNotYet
	}
	h.log.Info("manifest returned", "machine", id, "bytes", len(signed))
	return p.Adopt(ctx, signed)
}

// takePolicy takes back a signed policy that a machine works from, where it has a higher number than the one in force.
func (h *Hub) takePolicy(ctx context.Context, id policy.MachineID, file []byte) error {
	p := h.managed.publish
	switch {
	case p == nil:
		return errNotYet
	case h.c.Bundle.Policy == nil:
		return errors.New("this site has no policy key apart: its policies have no number at the machines")
	}
	h.log.Info("policy returned", "machine", id, "bytes", len(file))
	return p.AdoptPolicy(ctx, file)
}
