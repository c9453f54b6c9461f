package hub

import (
	"errors"
	"io/fs"
	"time"

	"portillon/wire"
)

// Bundles is the bundle that a hub serves, for the program that builds the next one. Its methods may be called by many
// goroutines, Install by one at a time.
type Bundles struct{ h *Hub }

// Bundles is the bundle that the hub serves.
func (h *Hub) Bundles() Bundles { return Bundles{h} }

// Current is the manifest in force; fs.ErrNotExist where there is none.
func (b Bundles) Current() (wire.Manifest, error) {
	if b.h.bundles.store.Dir == "" {
		return wire.Manifest{}, fs.ErrNotExist
	}
	return b.h.bundles.store.Current()
}

// readEvery is how often all chunks on the disk are compared with their hashes.
const readEvery = time.Hour

// isDue reports whether all chunks are to be read: the first time, after readEvery, and after damage was found.
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

// Install brings a bundle into force, and has the machines told. It asks chunk for those that the disk lacks, or has
// damaged, as far as they are read (isDue). On an error, the bundle that was in force stays.
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
	h.bundles.noteServed() // before a machine can hear of the manifest
	h.bundles.mu.Lock()
	h.bundles.manifest, h.bundles.version = signed, m.Version
	h.bundles.mu.Unlock()
	h.core.log.Info("bundle in force", "version", m.Version)
	select {
	case h.bundles.renewed <- struct{}{}:
	default: // the machines are about to be told
	}
	return m, nil
}
