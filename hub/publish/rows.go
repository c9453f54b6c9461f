package publish

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"sync/atomic"
	"time"

	"portillon/hub/store"
	"portillon/site"
	"portillon/wire"
)

// bundleRows reads and writes the database rows of bundles.
type bundleRows struct {
	site *store.Site
	// erasures is the number of further builds that must remove the warnings of earlier bundles, because the warnings
	// may name an erased person.
	erasures atomic.Int32
}

// keepBundles is the maximum number of bundle rows in the database.
const keepBundles = 200

// read reads the row of the bundle with this manifest.
func (s *bundleRows) read(ctx context.Context, m wire.Manifest) (out Bundle, err error) {
	out = Bundle{Version: m.Version, At: m.Issued, Expires: m.Expires, Changed: []string{}}
	var changed, warnings string
	err = s.site.QueryRow(ctx, "SELECT policy, members, changed, bytes, warnings FROM bundles WHERE site = $1 AND "+
		"version = $2",
		int64(m.Version)).
		Scan(&out.Policy, &out.Members, &changed, &out.Bytes, &warnings)
	if errors.Is(err, sql.ErrNoRows) { // another program built the bundle, or the row is not written yet
		return out, nil
	}
	if err != nil {
		return out, err
	}
	return out, errors.Join(json.Unmarshal([]byte(changed), &out.Changed), json.Unmarshal([]byte(warnings), &out.Warnings))
}

// add writes the row of a bundle that came into force, and deletes the oldest rows. The parameter forgot must be true
// if a person was erased before the bundle was built.
func (s *bundleRows) add(ctx context.Context, policy int64, before wire.Manifest, b *site.Built, forgot bool) error {
	names, bytes := []string{}, int64(0)
	for _, c := range newChunks(before, b.Manifest) {
		names, bytes = append(names, c.Name), bytes+c.Size
	}
	changed, err1 := json.Marshal(names)
	warnings, err2 := json.Marshal(warningsOf(b))
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	version := int64(b.Manifest.Version)
	return s.site.Write(ctx, func(tx *store.Tx) error {
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

// highestVersion returns the highest bundle version that was in force at this hub or that a machine returned.
func (s *bundleRows) highestVersion(ctx context.Context) (uint64, error) {
	var version int64
	err := s.site.QueryRow(ctx, `SELECT COALESCE(MAX(version), 0) FROM (SELECT version FROM bundles WHERE site = $1
		UNION ALL SELECT version FROM bundle_floor WHERE site = $1) AS known`).Scan(&version)
	return uint64(max(version, 0)), err
}

// lastReturn returns the time at which a machine last returned a newer bundle than all bundles of this hub, or the zero
// time.
func (s *bundleRows) lastReturn(ctx context.Context) (at time.Time, err error) {
	var ms int64
	err = s.site.QueryRow(ctx, "SELECT noted FROM bundle_floor WHERE site = $1").Scan(&ms)
	if errors.Is(err, sql.ErrNoRows) || err == nil && ms == 0 {
		return time.Time{}, nil
	}
	return time.UnixMilli(ms).UTC(), err
}

// storeReturned stores the version of a bundle that a machine returned, and the time, if the version is higher than the
// stored version.
func (s *bundleRows) storeReturned(ctx context.Context, version uint64, at time.Time) error {
	return s.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO bundle_floor (site, version, noted) VALUES ($1, $2, $3)
			ON CONFLICT (site) DO UPDATE SET version = excluded.version,
				noted = excluded.noted WHERE bundle_floor.version < excluded.version`,
			int64(version), at.UnixMilli())
		return err
	})
}
