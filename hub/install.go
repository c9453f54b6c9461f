package hub

import (
	"errors"
	"io/fs"
	"time"

	"portillon/wire"
)

// Bundles gives access to the bundle that a hub serves, for the program that builds the next one. Its methods are safe
// for concurrent use, except that only one goroutine at a time may call Install.
type Bundles struct{ h *Hub }

// Bundles returns access to the bundle that the hub serves.
func (h *Hub) Bundles() Bundles { return Bundles{h} }

// Current returns the manifest in force. The error is fs.ErrNotExist if there is none.
func (b Bundles) Current() (wire.Manifest, error) {
	if b.h.bundles.store.Dir == "" {
		return wire.Manifest{}, fs.ErrNotExist
	}
	return b.h.bundles.store.Current()
}

// readEvery is how often all chunks on the disk are compared with their hashes.
const readEvery = time.Hour

// isDue reports whether Install must verify all chunks on the disk: at the first call, after readEvery, and after a
// damaged chunk was found.
func (b Bundles) isDue() bool {
	h := b.h
	h.bundles.mu.Lock()
	defer h.bundles.mu.Unlock()
	now := h.core.now()
	due := h.bundles.readAll.IsZero() || now.Sub(h.bundles.readAll).Abs() >= readEvery
	if due {
		h.bundles.readAll = now
	}
	return due
}

// Install brings a bundle into force and makes the hub publish it. It calls chunk for each chunk that is missing on the
// disk, and, if isDue, for each damaged one. On an error, the previous bundle stays in force.
func (b Bundles) Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error) {
	h := b.h
	if h.bundles.store.Dir == "" {
		return wire.Manifest{}, errors.New("hub: no key of bundles is configured (bundle: key)")
	}
	install := h.bundles.store.InstallChanged
	if b.isDue() {
		install = h.bundles.store.Install
	}
	m, err := install(signed, chunk, nil)
	if err != nil {
		return wire.Manifest{}, h.core.c.bySigner(err, signed)
	}
	h.bundles.noteServed() // before a machine can receive the manifest
	h.bundles.mu.Lock()
	h.bundles.manifest, h.bundles.version = signed, m.Version
	h.bundles.mu.Unlock()
	h.core.log.Info("bundle in force", "version", m.Version)
	select {
	case h.bundles.renewed <- struct{}{}:
	default: // a publication is already pending
	}
	return m, nil
}
