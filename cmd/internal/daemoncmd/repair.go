package daemoncmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"portillon/daemon"
	"portillon/daemon/roster"
	"portillon/wire"
)

const (
	// repairEvery is how often a damaged bundle is repaired again: the hub may be away, and another file may come.
	repairEvery = 30 * time.Second
	// verifyEvery is how often all chunks on the disk are compared with their hashes: a card that wears out is noticed
	// before a start.
	verifyEvery = time.Hour
)

// setState notes how the bundle stands on the disk, and tells whoever shows it.
func (k *bundleUpdater) setState(s daemon.BundleState) {
	s.Refused = cmp.Or(k.refusedWhole, k.refusedFile, k.refusedManifest)
	if s == k.state {
		return
	}
	k.state = s
	if s.Damage != "" {
		k.log.Error("the bundle on the disk is damaged", "damage", s.Damage)
	}
	if k.onState != nil {
		k.onState(s)
	}
}

// inForce loads the bundle of the store. Damaged chunks are taken from the bundle file or from a folder first; the
// network is not waited for at a start. Where the bundle cannot be loaded all the same, it loads the version before.
func (k *bundleUpdater) inForce(ctx context.Context, network bool) (*roster.Roster, error) {
	m, err := k.store.Current()
	if err == nil {
		damage := k.repair(ctx, m, network)
		r, lerr := k.load(m)
		k.refusedWhole = refusalOf(lerr)
		k.setState(daemon.BundleState{Version: m.Version, Damage: damage})
		if lerr == nil {
			return r, nil
		}
		if err = lerr; damage == "" && !isWrongKey(err) {
			// it is whole, and says what cannot be worked from; of a wrong key, the one before may be of the right one
			return nil, err
		}
	}
	before, perr := k.store.Previous()
	if errors.Is(err, fs.ErrNotExist) && errors.Is(perr, fs.ErrNotExist) {
		return nil, err
	}
	if m.Version == 0 {
		k.setState(daemon.BundleState{Damage: fmt.Sprintf("manifest: %v", err)})
	}
	if perr != nil {
		return nil, err
	}
	k.repair(ctx, before, network)
	r, lerr := k.load(before)
	if lerr != nil {
		return nil, errors.Join(err, lerr)
	}
	if k.state.Version == 0 {
		k.setState(daemon.BundleState{Version: before.Version + 1, Damage: k.state.Damage})
	}
	k.log.Warn("the bundle before is in use", "version", before.Version)
	return r, nil
}

// repair replaces the damaged chunks of m, and returns what is still damaged; empty: nothing is.
func (k *bundleUpdater) repair(ctx context.Context, m wire.Manifest, network bool) string {
	if len(k.store.Damaged(m)) == 0 {
		return ""
	}
	repaired, why := 0, error(nil)
	if k.conf.File != "" {
		if f, err := openRegular(k.conf.File); err == nil {
			repaired, why = k.store.RepairFrom(f, m)
			f.Close()
		} else {
			why = err
		}
	}
	if from := k.conf.From; from != "" && (network || !strings.Contains(from, "://")) {
		n, err := k.store.Repair(m, func(sha string) ([]byte, error) { return fetchChunk(ctx, from, sha) })
		repaired, why = repaired+n, err
	}
	if network && k.conf.From == "" && k.chunks.Source != nil {
		n, err := k.store.Repair(m, k.chunks.Fetch(m))
		repaired, why = repaired+n, err
	}
	if repaired > 0 {
		k.log.Warn("damaged chunks of the bundle were repaired", "version", m.Version, "chunks", repaired)
	}
	return damageOf(m, k.store.Damaged(m), why)
}

// openRegular opens a regular file. Opening a pipe would wait for its writer.
func openRegular(path string) (*os.File, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	return os.Open(path)
}

// damageOf names what is damaged, for an operator.
func damageOf(m wire.Manifest, damaged []wire.Chunk, why error) string {
	if len(damaged) == 0 {
		return ""
	}
	names := make([]string, 0, 3)
	for _, c := range damaged[:min(len(damaged), 3)] {
		names = append(names, c.Name)
	}
	if more := len(damaged) - len(names); more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	out := fmt.Sprintf("bundle version %d: damaged on the disk: %s", m.Version, strings.Join(names, ", "))
	if why != nil {
		out += fmt.Sprintf("; repair failed: %v", why)
	}
	return out
}

// upkeep repairs a damaged bundle, and looks for damage now and then. It returns a roster where there is a better one
// than before.
func (k *bundleUpdater) upkeep(ctx context.Context) *roster.Roster {
	now := time.Now()
	switch {
	case k.state.Damage != "" && now.Sub(k.repairedAt) >= repairEvery:
	case k.state.Damage == "" && now.Sub(k.verifiedAt) >= verifyEvery:
		k.verifiedAt = now
		m, err := k.store.Current()
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && len(k.store.Damaged(m)) > 0 {
			break
		}
		return nil
	default:
		return nil
	}
	k.repairedAt = now
	was := k.state
	if _, err := k.store.Current(); err != nil {
		k.offered = "" // the bundle file is read again: it may hold the manifest
		if r, err := k.fromFile(); err == nil && r != nil {
			k.setState(daemon.BundleState{Version: r.Version})
			return r
		}
	}
	r, err := k.inForce(ctx, true)
	if err != nil || k.state.Damage != "" || was.Damage == "" {
		return nil // the roster in memory is no worse
	}
	k.log.Info("the bundle on the disk is whole again", "version", k.state.Version)
	return r
}

// checkStore says what is damaged of the bundle that the machine works from. A daemon starts all the same.
func (c Config) checkStore(s wire.Store) string {
	m, err := s.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return fmt.Sprintf("data: %s/manifest is damaged: %v; the daemon repairs it from the bundle file or the hub, or copy the bundle file again", s.Dir, err)
	}
	if d := damageOf(m, s.Damaged(m), nil); d != "" {
		return fmt.Sprintf("data: %s; the daemon repairs it from the bundle file or the hub, or copy the bundle file again", d)
	}
	return ""
}
