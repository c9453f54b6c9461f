package hub

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"portillon/wire"
)

// look is how often the bundle file is looked at.
const look = time.Second

// Manifest is the signed manifest in force, and its version; nil and 0 where there is none.
func (h *Hub) Manifest() ([]byte, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.manifest, h.version
}

// readStore takes up the bundle that was in force before.
func (h *Hub) readStore() {
	m, err := h.store.Current()
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var data []byte
	if err == nil {
		data, err = os.ReadFile(filepath.Join(h.store.Dir, "manifest"))
	}
	if err != nil {
		h.log.Warn("the bundle that was in force cannot be read", "why", err)
		return
	}
	h.mu.Lock()
	h.manifest, h.version = data, m.Version
	h.mu.Unlock()
}

// watchBundle takes in the bundle file whenever it changes.
func (h *Hub) watchBundle(ctx context.Context) error {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		if now := stampOf(h.c.Bundle.File); now != h.seen {
			h.seen = now
			h.takeBundle(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stamp changes when a file does.
type stamp struct {
	size int64
	at   time.Time
}

func stampOf(path string) stamp {
	i, err := os.Stat(path)
	if err != nil {
		return stamp{}
	}
	return stamp{i.Size(), i.ModTime()}
}

func (h *Hub) takeBundle(s stamp) {
	log := h.log.With("file", h.c.Bundle.File)
	if s == (stamp{}) {
		log.Warn("there is no bundle file")
		return
	}
	m, err := h.install()
	if err != nil {
		log.Warn("the bundle changes nothing", "why", err)
		return
	}
	if m.Version == 0 {
		return // the one in force
	}
	h.readStore()
	log.Info("bundle in force", "version", m.Version)
	select {
	case h.renewed <- struct{}{}:
	default:
	}
}

// install unpacks the file into the store. The zero Manifest: it is the one in force.
func (h *Hub) install() (wire.Manifest, error) {
	f, err := os.Open(h.c.Bundle.File)
	if err != nil {
		return wire.Manifest{}, err
	}
	defer f.Close()
	if text, _, err := wire.Peek(f); err == nil {
		if now, _ := h.Manifest(); bytes.Equal(now, []byte(text)) {
			return wire.Manifest{}, nil
		}
	}
	if _, err := f.Seek(0, 0); err != nil {
		return wire.Manifest{}, err
	}
	return h.store.InstallFile(f, nil)
}
