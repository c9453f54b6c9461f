package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"portillon/cmd/internal/daemoncmd"
	"portillon/cmd/internal/doctor"
	"portillon/hub"
	"portillon/policy"
)

// hubBeside returns a function that reads the keys in a hub.yaml for comparison. The hub.yaml is the named file, or the
// hub.yaml of the same site beside the machine.yaml. If there is no such file, hubBeside returns nil.
func hubBeside(c daemoncmd.Config, file, named string) func() (doctor.Pinned, error) {
	path := named
	if path == "" {
		path = filepath.Join(filepath.Dir(file), "hub.yaml")
		if _, err := os.Stat(path); err != nil {
			return nil
		}
		if h, err := hub.ReadConfig(path); err == nil && string(h.Site) != c.Site {
			return nil
		}
	}
	return func() (doctor.Pinned, error) { return pinnedIn(c, path, "/etc/credstore") }
}

// pinnedIn reads the keys that a hub.yaml names, and the machine's own key.
func pinnedIn(c daemoncmd.Config, path, store string) (doctor.Pinned, error) {
	h, err := hub.ReadConfig(path)
	if err != nil {
		return doctor.Pinned{}, err
	}
	if string(h.Site) != c.Site {
		return doctor.Pinned{}, fmt.Errorf("%s belongs to site %q, want site %q", path, h.Site, c.Site)
	}
	out := doctor.Pinned{File: path, Bundle: h.Bundle.Public, Policy: h.Bundle.PolicyPublic}
	keys, err := h.MachineKeys(context.Background())
	if err != nil {
		return doctor.Pinned{}, err
	}
	out.Machine = keys.PublicInForce(policy.MachineID(c.Machine))
	out.Hub, _ = h.PublicKey() // leave the key empty if only root can read it; the doctor does not compare an empty key
	_, out.Own, _ = c.Signer(store)
	return out, nil
}
