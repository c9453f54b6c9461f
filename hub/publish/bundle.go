package publish

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/site"
	"portillon/wire"
)

// keepBundles is how many rows of bundles are kept.
const keepBundles = 200

// Bundle is the bundle in force, and how far the machines are with it. Where none is in force, its Version is 0.
func (s *Service) Bundle(ctx context.Context, a actor.Actor) (Bundle, error) {
	if err := a.May(actor.ReadMachines, actor.Target{}); err != nil {
		return Bundle{}, err
	}
	m, err := s.installed()
	if err != nil {
		return Bundle{}, err
	}
	out, err := s.row(ctx, m)
	if err != nil {
		return Bundle{}, err
	}
	if out.Taken, err = s.taken(ctx, a); err != nil {
		return Bundle{}, err
	}
	if out.Returned, err = s.returned(ctx); err != nil {
		return Bundle{}, err
	}
	current, err := s.inForce(ctx)
	if err != nil {
		return Bundle{}, err
	}
	s.mu.Lock()
	if s.o.Build != nil && current.Number != out.Policy && current.Number != s.tried {
		out.Making, out.Warnings = current.Number, nil
	} else {
		out.Problem, out.Since, out.SignatureWanted = s.problem, s.since, s.wanted
	}
	s.mu.Unlock()
	if a.May(actor.ReadMembers, actor.Target{}) != nil { // both name members, cards and badges
		out.Warnings = nil
		if out.Problem != "" {
			out.Problem = "the newest bundle cannot be built"
		}
	}
	return out, nil
}

// row is what is noted of the bundle with this manifest.
func (s *Service) row(ctx context.Context, m wire.Manifest) (out Bundle, err error) {
	out = Bundle{Version: m.Version, At: m.Issued, Expires: m.Expires, Changed: []string{}}
	var changed, warnings string
	err = s.o.Site.QueryRow(ctx, "SELECT policy, members, changed, bytes, warnings FROM bundles WHERE site = $1 AND "+
		"version = $2",
		int64(m.Version)).
		Scan(&out.Policy, &out.Members, &changed, &out.Bytes, &warnings)
	if errors.Is(err, sql.ErrNoRows) { // the bundle was made elsewhere, or is not noted yet
		return out, nil
	}
	if err != nil {
		return out, err
	}
	return out, errors.Join(json.Unmarshal([]byte(changed), &out.Changed), json.Unmarshal([]byte(warnings), &out.Warnings))
}

// taken are the machines that the actor may see.
func (s *Service) taken(ctx context.Context, a actor.Actor) ([]Taken, error) {
	out := []Taken{}
	if s.o.States == nil {
		return out, nil
	}
	all, err := s.o.States(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if a.May(actor.ReadMachines, actor.Target{Machine: t.Machine}) == nil {
			out = append(out, t)
		}
	}
	return out, nil
}

// remember notes a bundle that came into force. forgot says that somebody was erased before it was built.
func (s *Service) remember(ctx context.Context, policy int64, before wire.Manifest, b *site.Built, forgot bool) error {
	names, bytes := []string{}, int64(0)
	for _, c := range changed(before, b.Manifest) {
		names, bytes = append(names, c.Name), bytes+c.Size
	}
	changed, err1 := json.Marshal(names)
	warnings, err2 := json.Marshal(warningsOf(b))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	version := int64(b.Manifest.Version)
	return s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO bundles (site, version, made, policy, members, changed, bytes, warnings)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`, version, b.Manifest.Issued.UnixMilli(), policy, b.Members, string(changed),
			bytes, string(warnings))
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `DELETE FROM bundles WHERE site = $1 AND version < (SELECT MIN(version) FROM
			(SELECT version FROM bundles WHERE site = $1 ORDER BY version DESC LIMIT $2) AS newest)`, keepBundles); err != nil {
			return err
		}
		tx.Changed(store.Bundle)
		return s.forgetWarnings(ctx, tx, version, forgot)
	})
}

// nextVersion is higher than every version that was in force here, or that a machine reported: floor. It is at least
// the time in seconds, as of "portillon bundle build": so a hub that was restored from a backup goes on above what it
// had.
func (s *Service) nextVersion(floor uint64) (uint64, error) {
	if floor >= maxVersion {
		return 0, fmt.Errorf("bundle version %d is in force, and no higher one can be made", floor)
	}
	return max(floor+1, uint64(max(s.o.Now().Unix(), 1))), nil
}

// maxVersion bounds a version: databases and JSON know no larger whole numbers exactly (RFC 8259, section 6).
const maxVersion = 1<<53 - 1

// floor is the highest version that is known of.
func (s *Service) floor(ctx context.Context) (uint64, error) {
	var version int64
	err := s.o.Site.QueryRow(ctx, `SELECT COALESCE(MAX(version), 0) FROM (SELECT version FROM bundles WHERE site = $1
		UNION ALL SELECT version FROM bundle_floor WHERE site = $1) AS known`).Scan(&version)
	return uint64(max(version, 0)), err
}

// returned is when a machine last returned a bundle that was newer than any known here; zero: never.
func (s *Service) returned(ctx context.Context) (at time.Time, err error) {
	var ms int64
	err = s.o.Site.QueryRow(ctx, "SELECT noted FROM bundle_floor WHERE site = $1").Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) || err == nil && ms == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms).UTC(), err
}

// Adopt takes note of a manifest that a machine returned. Where its version is higher than all that are known here, as
// after a backup was restored, Run publishes above it.
func (s *Service) Adopt(ctx context.Context, signed []byte) error {
	if s.o.Keys == nil {
		return errors.New("publish: adopt manifest: no key is known that signs manifests")
	}
	m, err := wire.OpenManifest(signed, s.o.Keys)
	if err != nil {
		return fmt.Errorf("publish: adopt manifest: %w", err)
	}
	if m.Site != s.o.Site.ID() {
		return fmt.Errorf("publish: adopt manifest: of site %q, want %q", m.Site, s.o.Site.ID())
	}
	if m.Version >= maxVersion {
		return fmt.Errorf("publish: adopt manifest: version %d, want less than %d", m.Version, uint64(maxVersion))
	}
	current, err := s.installed()
	if err != nil {
		current = wire.Manifest{} // damaged: what is noted counts
	}
	floor, err := s.floor(ctx)
	if err != nil || m.Version < max(floor, current.Version) {
		return err
	}
	if m.Version == max(floor, current.Version) {
		if m.Version == current.Version && !sameBundle(m, current) { // of two bundles of one version a machine keeps its own
			s.Rebuild()
		}
		return nil
	}
	err = s.o.Site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO bundle_floor (site, version, noted) VALUES ($1, $2, $3)
			ON CONFLICT (site) DO UPDATE SET version = excluded.version,
				noted = excluded.noted WHERE bundle_floor.version < excluded.version`,
			int64(m.Version), s.o.Now().UnixMilli())
		return err
	})
	if err != nil {
		return err
	}
	s.o.Log.Warn("a machine works from a newer bundle than any known here; a newer one is built", "version", m.Version,
		"issued", m.Issued.Format(time.RFC3339))
	s.Rebuild()
	return nil
}

// sameBundle reports whether two manifests of one version are of one bundle, whoever else signed them.
func sameBundle(a, b wire.Manifest) bool {
	a.CardCheck, b.CardCheck = "", ""
	return a.Issued.Equal(b.Issued) && sameContent(a, b)
}

// Rebuild has Run build and install a bundle, also one of the same content: Install repairs what the disk has damaged.
func (s *Service) Rebuild() {
	select {
	case s.wake <- struct{}{}:
	default: // it is asked for already
	}
}
