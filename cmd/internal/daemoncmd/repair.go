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
	// repairEvery is the interval between repair attempts. A later attempt may succeed because the hub has become
	// reachable, or because somebody has copied another bundle file.
	repairEvery = 30 * time.Second
	// verifyEvery is the interval at which all chunks on the disk are compared with their hashes, so that a worn SD
	// card is noticed before the next start.
	verifyEvery = time.Hour
)

// setState remembers the state of the bundle that is on the disk, and calls onState if the state changed.
func (u *bundleUpdater) setState(s daemon.BundleState) {
	s.Refused = cmp.Or(u.wrongKey.stored, u.wrongKey.file, u.wrongKey.manifest)
	if s == u.state {
		return
	}
	u.state = s
	if s.Damage != "" {
		u.log.Error("bundle on the disk is damaged", "damage", s.Damage)
	}
	if u.onState != nil {
		u.onState(s)
	}
}

// inForce loads the stored bundle, after repairing damaged chunks from the bundle file or a folder. If network is true,
// inForce also fetches chunks from the hub; a start passes false, so that it does not wait for the network. If the
// bundle cannot be loaded, inForce loads the previous version.
func (u *bundleUpdater) inForce(ctx context.Context, network bool) (*roster.Roster, error) {
	m, err := u.store.Current()
	if err == nil {
		damage := u.repair(ctx, m, network)
		r, lerr := u.load(m)
		u.wrongKey.stored = wrongKeyText(lerr)
		u.setState(daemon.BundleState{Version: m.Version, Damage: damage})
		if lerr == nil {
			return r, nil
		}
		if err = lerr; damage == "" && !isWrongKey(err) {
			// the bundle is complete but unusable, for example because a key changed; only after a change of key may the
			// previous bundle be usable
			return nil, err
		}
	}
	before, perr := u.store.Previous()
	if errors.Is(err, fs.ErrNotExist) && errors.Is(perr, fs.ErrNotExist) {
		return nil, err
	}
	if m.Version == 0 {
		u.setState(daemon.BundleState{Damage: fmt.Sprintf("manifest: %v", err)})
	}
	if perr != nil {
		return nil, err
	}
	u.repair(ctx, before, network)
	r, lerr := u.load(before)
	if lerr != nil {
		return nil, errors.Join(err, lerr)
	}
	if u.state.Version == 0 {
		u.setState(daemon.BundleState{Version: before.Version + 1, Damage: u.state.Damage})
	}
	u.log.Warn("using the previous bundle, because the current bundle cannot be loaded", "version", before.Version)
	return r, nil
}

// repair replaces the damaged chunks of m, and returns a description of the remaining damage, or "".
func (u *bundleUpdater) repair(ctx context.Context, m wire.Manifest, network bool) string {
	if len(u.store.Damaged(m)) == 0 {
		return ""
	}
	repaired, why := 0, error(nil)
	if u.conf.File != "" {
		if f, err := openRegular(u.conf.File); err == nil {
			repaired, why = u.store.RepairFrom(f, m)
			f.Close()
		} else {
			why = err
		}
	}
	if from := u.conf.From; from != "" && (network || !strings.Contains(from, "://")) {
		n, err := u.store.Repair(m, func(sha string) ([]byte, error) { return fetchChunk(ctx, from, sha) })
		repaired, why = repaired+n, err
	}
	if network && u.conf.From == "" && u.chunks.Source != nil {
		n, err := u.store.Repair(m, u.chunks.Fetch(m))
		repaired, why = repaired+n, err
	}
	if repaired > 0 {
		u.log.Warn("damaged chunks of the bundle were repaired", "version", m.Version, "chunks", repaired)
	}
	return damageOf(m, u.store.Damaged(m), why)
}

// openRegular opens a regular file. Opening a named pipe would wait for a writer.
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

// damageOf returns a text that names the damaged chunks for an operator.
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

// upkeep repairs a damaged bundle, and checks for damage every verifyEvery. The result is a roster that replaces the
// current roster, or nil.
func (u *bundleUpdater) upkeep(ctx context.Context) *roster.Roster {
	now := time.Now()
	switch {
	case u.state.Damage != "" && now.Sub(u.repairedAt) >= repairEvery:
	case u.state.Damage == "" && now.Sub(u.verifiedAt) >= verifyEvery:
		u.verifiedAt = now
		m, err := u.store.Current()
		if err != nil && !errors.Is(err, fs.ErrNotExist) || err == nil && len(u.store.Damaged(m)) > 0 {
			break
		}
		return nil
	default:
		return nil
	}
	u.repairedAt = now
	was := u.state
	if _, err := u.store.Current(); err != nil {
		u.lastFile = "" // read the bundle file again at the next check, because the file may contain the missing manifest
		if r, err := u.fromFile(); err == nil && r != nil {
			u.setState(daemon.BundleState{Version: r.Version})
			return r
		}
	}
	r, err := u.inForce(ctx, true)
	if err != nil || u.state.Damage != "" || was.Damage == "" {
		return nil // keep using the roster in memory
	}
	u.log.Info("repaired the damaged bundle on the disk", "version", u.state.Version)
	return r
}

// checkStore returns a description of the damage in the stored bundle, or "". The daemon starts even if the stored
// bundle is damaged.
func (c Config) checkStore(s wire.Store) string {
	m, err := s.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		return fmt.Sprintf("data: %s/manifest is damaged: %v; the daemon repairs it from the bundle file or the hub, or "+
			"copy the bundle file "+"again", s.Dir, err)
	}
	if d := damageOf(m, s.Damaged(m), nil); d != "" {
		return fmt.Sprintf("data: %s; the daemon repairs it from the bundle file or the hub, or copy the bundle file again",
			d)
	}
	return ""
}
