package hub

import (
	"errors"
	"io/fs"
	"time"

	"portillon/wire"
)

// Bundles gives the program that builds the next bundle access to the bundle that the hub serves. The methods of
// Bundles are safe for concurrent use, except that only one goroutine at a time may call Install.
type Bundles struct{ h *Hub }

// Bundles returns access to the bundle that the hub serves.
func (h *Hub) Bundles() Bundles { return Bundles{h} }

// Current returns the manifest of the bundle in force. The error is fs.ErrNotExist if no bundle is in force.
func (b Bundles) Current() (wire.Manifest, error) {
	if b.h.bundles.store.Dir == "" {
		return wire.Manifest{}, fs.ErrNotExist
	}
	return b.h.bundles.store.Current()
}

// readEvery is the interval at which the hub compares all chunks on the disk with their hashes.
const readEvery = time.Hour

// isDue reports whether Install must verify all chunks on the disk: at the first call, once every readEvery, and after
// the hub found a damaged chunk.
func (b Bundles) isDue() bool {
	h := b.h
	h.bundles.mu.Lock()
	defer h.bundles.mu.Unlock()
	now := h.core.now()
	due := now.Sub(h.bundles.readAll).Abs() >= readEvery // the zero time is always longer ago
	if due {
		h.bundles.readAll = now
	}
	return due
}

// Install brings a bundle into force and makes the hub publish the bundle. Install calls chunk for each chunk that is
// missing on the disk and, if isDue, for each damaged chunk. After an error, the previous bundle stays in force.
func (b Bundles) Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error) {
	h := b.h
	if h.bundles.store.Dir == "" {
		return wire.Manifest{}, errors.New("hub: hub.yaml has no key that verifies bundles, want bundle: key")
	}
	install := h.bundles.store.InstallChanged
	if b.isDue() {
		install = h.bundles.store.Install
	}
	m, err := install(signed, chunk, nil)
	if err != nil {
		return wire.Manifest{}, h.core.c.bySigner(err, signed)
	}
	h.bundles.storeServedHashes() // first, because a machine fetches chunks as soon as it has the manifest
	h.bundles.mu.Lock()
	h.bundles.manifest, h.bundles.version = signed, m.Version
	h.bundles.mu.Unlock()
	h.core.log.Info("bundle is now in force", "version", m.Version)
	select {
	case h.bundles.renewed <- struct{}{}:
	default: // the channel already contains a value
	}
	return m, nil
}
