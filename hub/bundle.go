package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"portillon/hub/chunks"
	"portillon/wire"
)

// look is how often the bundle file is looked at.
const look = time.Second

// current is the signed manifest in force, and its version; nil and 0 where there is none.
func (h *Hub) current() ([]byte, uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.manifest, h.version
}

// readStore takes up the bundle that was in force before.
func (h *Hub) readStore() {
	h.noteServed() // before a machine can hear of the manifest
	m, err := h.store.Current()
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var data []byte
	if err == nil {
		data, err = h.store.Signed()
	}
	if err != nil {
		h.log.Warn("the bundle that was in force cannot be read", "why", err)
		return
	}
	h.mu.Lock()
	h.manifest, h.version = data, m.Version
	h.mu.Unlock()
	if err := h.repair(m); err != nil {
		h.log.Error("the bundle on the disk is damaged", "version", m.Version, "err", err)
	}
}

// errNotServed is a chunk of neither the bundle in force nor the one before.
var errNotServed = fmt.Errorf("not a chunk of the bundle in force: %w", fs.ErrNotExist)

// noteServed takes down which chunks may be handed out: those of the bundle in force and of the one before.
func (h *Hub) noteServed() {
	served := map[string]bool{}
	var now wire.Manifest
	if m, err := h.store.Current(); err == nil {
		now = m
	}
	before, _ := h.store.Previous()
	for _, m := range []wire.Manifest{now, before} {
		for _, c := range m.Chunks {
			served[c.SHA256] = true
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.served, h.inForce = served, now
}

// isServed reports whether a chunk may be handed out.
func (h *Hub) isServed(sha string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.served[sha]
}

// credential gives a credential of the bundle in force by the hash of its bytes; fs.ErrNotExist: it has none such.
func (h *Hub) credential(_ context.Context, sha string) ([]byte, error) {
	h.mu.Lock()
	m := h.inForce
	h.mu.Unlock()
	var buckets []chunks.Bucket
	for i := range wire.Buckets {
		roster, ok1 := m.Chunk(wire.RosterChunk(i))
		badges, ok2 := m.Chunk(wire.BadgesChunk(i))
		if ok1 && ok2 {
			buckets = append(buckets, chunks.Bucket{Roster: roster.SHA256, Badges: badges.SHA256})
		}
	}
	return h.chunks.Credential(sha, buckets)
}

// chunk reads a chunk of the bundle in force, or of the one before, which a machine may be fetching still. What the
// disk has damaged is repaired from the bundle file first: no machine is handed bytes that it must refuse.
func (h *Hub) chunk(sha string) ([]byte, error) {
	for _, manifest := range []func() (wire.Manifest, error){h.store.Current, h.store.Previous} {
		m, err := manifest()
		if err != nil {
			continue
		}
		i := slices.IndexFunc(m.Chunks, func(c wire.Chunk) bool { return c.SHA256 == sha })
		if i < 0 {
			continue
		}
		b, err := h.store.Chunk(m, m.Chunks[i].Name)
		if err == nil {
			return b, nil
		}
		if rerr := h.repair(m); rerr != nil {
			h.log.Error("a chunk of the bundle is damaged", "chunk", m.Chunks[i].Name, "err", errors.Join(err, rerr))
			return nil, err
		}
		return h.store.Chunk(m, m.Chunks[i].Name)
	}
	return nil, errNotServed
}

// errRebuilt is a damaged bundle of a hub that builds the next one at once.
var errRebuilt = errors.New("chunks are damaged on the disk; the bundle is built again")

// repair takes the damaged chunks of m from the bundle file. A hub that keeps the site itself builds the bundle again.
func (h *Hub) repair(m wire.Manifest) error {
	damaged := h.store.Damaged(m)
	if len(damaged) == 0 {
		return nil
	}
	if h.c.Managed() { // there is no file to take them from
		h.mu.Lock()
		h.readAll = time.Time{}
		h.mu.Unlock()
		if h.publish != nil {
			h.publish.Rebuild()
		}
		return errRebuilt
	}
	f, err := os.Open(h.c.Bundle.File)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := h.store.RepairFrom(f, m)
	if n > 0 {
		h.log.Warn("damaged chunks of the bundle were repaired", "version", m.Version, "chunks", n)
	}
	return err
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
	text, _, err := wire.Peek(f)
	if err == nil {
		if now, _ := h.current(); bytes.Equal(now, []byte(text)) {
			return wire.Manifest{}, nil
		}
	}
	if _, err := f.Seek(0, 0); err != nil {
		return wire.Manifest{}, err
	}
	m, err := h.store.InstallFile(f, nil)
	return m, h.c.bySigner(err, []byte(text))
}
