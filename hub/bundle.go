package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"portillon/hub/chunks"
	"portillon/wire"
)

// bundlePoll is the interval at which the hub checks whether the bundle file has changed.
const bundlePoll = time.Second

// bundleStore stores the bundle in force and the previous bundle, and sends the chunks of both bundles to machines.
type bundleStore struct {
	core     *core
	services *services

	store    wire.Store
	seen     fileStamp     // size and modification time of the bundle file at the last read; only for watchBundle
	renewed  chan struct{} // receives a value when the bundle has changed; buffer of one
	chunks   *chunks.Server
	mu       sync.Mutex // mutex for the fields below
	manifest []byte     // the signed manifest; nil: no bundle yet
	version  uint64
	inForce  wire.Manifest   // the parsed manifest
	served   map[string]bool // hashes of the chunks that may be served
	readAll  time.Time       // time when Bundles.Install last verified all chunks; zero: the next call verifies all chunks
}

// current returns the signed manifest of the bundle in force and the bundle's version; nil and 0: there is no bundle.
func (bs *bundleStore) current() ([]byte, uint64) {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.manifest, bs.version
}

// readStore loads the bundle that was in force when the hub stopped.
func (bs *bundleStore) readStore() {
	bs.storeServedHashes() // first, because a machine fetches chunks as soon as it has the manifest
	m, err := bs.store.Current()
	if errors.Is(err, os.ErrNotExist) {
		return
	}
	var data []byte
	if err == nil {
		data, err = bs.store.Signed()
	}
	if err != nil {
		bs.core.log.Warn("reading the stored bundle failed", "why", err)
		return
	}
	bs.mu.Lock()
	bs.manifest, bs.version = data, m.Version
	bs.mu.Unlock()
	if err := bs.repair(m); err != nil {
		bs.core.log.Error("stored bundle is damaged", "version", m.Version, "err", err)
	}
}

// errNotServed means that a chunk belongs neither to the bundle in force nor to the previous bundle.
var errNotServed = fmt.Errorf("chunk does not belong to the bundle in force: %w", fs.ErrNotExist)

// storeServedHashes stores the hashes of the chunks that may be served: those of the bundle in force and of the
// previous bundle.
func (bs *bundleStore) storeServedHashes() {
	served := map[string]bool{}
	var now wire.Manifest
	if m, err := bs.store.Current(); err == nil {
		now = m
	}
	before, _ := bs.store.Previous()
	for _, m := range []wire.Manifest{now, before} {
		for _, c := range m.Chunks {
			served[c.SHA256] = true
		}
	}
	bs.mu.Lock()
	defer bs.mu.Unlock()
	bs.served, bs.inForce = served, now
}

// isServed reports whether a chunk may be served.
func (bs *bundleStore) isServed(sha string) bool {
	bs.mu.Lock()
	defer bs.mu.Unlock()
	return bs.served[sha]
}

// credential returns a credential of the bundle in force by the hash of its bytes. The error is fs.ErrNotExist if the
// bundle does not contain the credential.
func (bs *bundleStore) credential(_ context.Context, sha string) ([]byte, error) {
	bs.mu.Lock()
	m := bs.inForce
	bs.mu.Unlock()
	var buckets []chunks.Bucket
	for i := range wire.Buckets {
		roster, ok1 := m.Chunk(wire.RosterChunk(i))
		badges, ok2 := m.Chunk(wire.BadgesChunk(i))
		if ok1 && ok2 {
			buckets = append(buckets, chunks.Bucket{Roster: roster.SHA256, Badges: badges.SHA256})
		}
	}
	return bs.chunks.Credential(sha, buckets)
}

// chunk reads a chunk of the bundle in force, or of the previous bundle, which a machine may still be fetching. chunk
// first repairs damaged chunks from the bundle file, so that no machine gets a chunk that the machine must reject.
func (bs *bundleStore) chunk(sha string) ([]byte, error) {
	for _, manifest := range []func() (wire.Manifest, error){bs.store.Current, bs.store.Previous} {
		m, err := manifest()
		if err != nil {
			continue
		}
		i := slices.IndexFunc(m.Chunks, func(c wire.Chunk) bool { return c.SHA256 == sha })
		if i < 0 {
			continue
		}
		b, err := bs.store.Chunk(m, m.Chunks[i].Name)
		if err == nil {
			return b, nil
		}
		if rerr := bs.repair(m); rerr != nil {
			bs.core.log.Error("chunk is damaged on the disk", "chunk", m.Chunks[i].Name, "err", errors.Join(err, rerr))
			return nil, err
		}
		return bs.store.Chunk(m, m.Chunks[i].Name)
	}
	return nil, errNotServed
}

// errRebuilt means that the bundle is damaged, and that the hub builds a new bundle at once.
var errRebuilt = errors.New("chunks of the bundle are damaged on the disk; the hub builds a new bundle")

// repair replaces damaged chunks of the manifest m with the chunks of the bundle file. If the hub manages the site,
// repair makes the hub build a new bundle instead.
func (bs *bundleStore) repair(m wire.Manifest) error {
	damaged := bs.store.Damaged(m)
	if len(damaged) == 0 {
		return nil
	}
	if bs.core.c.Managed() { // a hub that builds its bundles has no bundle file
		bs.mu.Lock()
		bs.readAll = time.Time{}
		bs.mu.Unlock()
		if bs.services.publish != nil {
			bs.services.publish.Builder.Rebuild()
		}
		return errRebuilt
	}
	f, err := os.Open(bs.core.c.Bundle.File)
	if err != nil {
		return err
	}
	defer f.Close()
	n, err := bs.store.RepairFrom(f, m)
	if n > 0 {
		bs.core.log.Warn("damaged chunks of the bundle were repaired", "version", m.Version, "chunks", n)
	}
	return err
}

// watchBundle installs the bundle file whenever it changes.
func (bs *bundleStore) watchBundle(ctx context.Context) error {
	tick := time.NewTicker(bundlePoll)
	defer tick.Stop()
	for {
		if now := fileStampOf(bs.core.c.Bundle.File); now != bs.seen {
			bs.seen = now
			bs.installBundleFile(now)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fileStamp contains a file's size and modification time, by which the hub detects that the file has changed.
type fileStamp struct {
	size int64
	at   time.Time
}

// fileStampOf returns the size and modification time of a file, or the zero fileStamp if the file cannot be read.
func fileStampOf(path string) fileStamp {
	i, err := os.Stat(path)
	if err != nil {
		return fileStamp{}
	}
	return fileStamp{i.Size(), i.ModTime()}
}

// installBundleFile installs the bundle file, or logs why the file cannot be installed.
func (bs *bundleStore) installBundleFile(s fileStamp) {
	log := bs.core.log.With("file", bs.core.c.Bundle.File)
	if s == (fileStamp{}) {
		log.Warn("bundle file not found")
		return
	}
	m, err := bs.install()
	if err != nil {
		log.Warn("installing the bundle file failed", "why", err)
		return
	}
	if m.Version == 0 {
		return // the file contains the bundle that is already in force
	}
	bs.readStore()
	log.Info("bundle is now in force", "version", m.Version)
	select {
	case bs.renewed <- struct{}{}:
	default:
	}
}

// install unpacks the bundle file into the store. install returns the zero Manifest if the file contains the bundle
// that is already in force.
func (bs *bundleStore) install() (wire.Manifest, error) {
	f, err := os.Open(bs.core.c.Bundle.File)
	if err != nil {
		return wire.Manifest{}, err
	}
	defer f.Close()
	text, _, err := wire.Peek(f)
	if err == nil {
		if now, _ := bs.current(); bytes.Equal(now, []byte(text)) {
			return wire.Manifest{}, nil
		}
	}
	if _, err := f.Seek(0, 0); err != nil {
		return wire.Manifest{}, err
	}
	m, err := bs.store.InstallFile(f, nil)
	return m, bs.core.c.bySigner(err, []byte(text))
}
