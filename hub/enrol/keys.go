package enrol

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// cardKeys returns the site's card keys, and stores which card key the hub sent to each machine.
type cardKeys struct {
	source func() (wire.CardKeys, error) // the function Options.CardKeys; nil: the hub has no card key
	pins   wire.Pins
	site   *store.Site
}

// all returns the site's card keys, the current key first. all checks the format of the keys, so that no machine
// receives an unusable key.
func (s cardKeys) all() (wire.CardKeys, error) {
	if s.source == nil {
		return wire.CardKeys{}, errors.New("enrol: the hub has no card key")
	}
	all, err := s.source()
	if err == nil {
		_, err = all.Bytes()
	}
	if err != nil {
		return wire.CardKeys{}, fmt.Errorf("enrol: cannot read the card keys: %w", err)
	}
	return all, nil
}

// expected returns the fingerprints of the keys that a machine of this hub should have. The caller compares them with
// the fingerprints that the machine reports.
func (s cardKeys) expected() wire.StateKeys {
	out := wire.StateKeys{HubKey: wire.Fingerprint(s.pins.HubKey), PolicyKey: wire.Fingerprint(s.pins.PolicyKey)}
	if all, err := s.all(); err == nil {
		out.CardKey = checkValue(all.Keys[0])
		if len(all.Keys) > 1 {
			out.OldCardKey = checkValue(all.Keys[1])
		}
	}
	return out
}

// checkValue returns the check value of a card key in hexadecimal, or an empty string if the key is invalid.
func checkValue(key string) string {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) == 0 {
		return ""
	}
	return keykind.CheckValue(b)
}

// authorityFingerprint returns the fingerprint of an authority's certificate (DER), in the format of wire.Fingerprint.
func authorityFingerprint(der []byte) string { return wire.Fingerprint(string(der)) }

// recordSentKey stores the check value of the card key that the hub is about to send to a machine. The value is stored
// before the key is sent, so that the hub knows every machine that may have the key.
func (s cardKeys) recordSentKey(ctx context.Context, id policy.MachineID, check string) error {
	var given string
	err := s.site.QueryRow(ctx, `SELECT card_key FROM machine WHERE site = $1 AND machine = $2`, string(id)).Scan(&given)
	// write only if the value has changed, because every machine requests the keys once an hour
	if err == nil && given != check {
		err = s.site.Write(ctx, func(tx *store.Tx) error {
			tx.Changed(store.Machines)
			_, err := tx.Exec(ctx, `UPDATE machine SET card_key = $3 WHERE site = $1 AND machine = $2`, string(id), check)
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("enrol: %w", err)
	}
	return nil
}

// sentKeys returns the check value of the newest card key that the hub sent to each machine. A machine that has
// received no key is missing in the map.
func (s cardKeys) sentKeys(ctx context.Context) (map[policy.MachineID]string, error) {
	rows, err := s.site.Query(ctx, `SELECT machine, card_key FROM machine WHERE site = $1 AND card_key <> ''`)
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	defer rows.Close()
	out := map[policy.MachineID]string{}
	for rows.Next() {
		var id policy.MachineID
		var check string
		if err := rows.Scan(&id, &check); err != nil {
			return nil, fmt.Errorf("enrol: %w", err)
		}
		out[id] = check
	}
	return out, rows.Err()
}

// MachineKey is a public key that verifies a machine's records.
type MachineKey struct {
	Machine policy.MachineID
	Key     note.Verifier
	Public  string    // Key as text
	Until   time.Time // time at which the key was replaced or revoked; zero: the current key, which verifies new records
}

// Keys returns all keys of the site's enrolled machines, including replaced and revoked keys. Keys may be called while
// a hub runs, because Keys only reads the database.
func Keys(ctx context.Context, site *store.Site) (out []MachineKey, err error) {
	rows, err := site.Query(
		ctx,
		`SELECT machine, public, until FROM machine_key WHERE site = $1 ORDER BY machine, until = 0 DESC, until DESC`,
	)
	if err != nil {
		return nil, fmt.Errorf("enrol: cannot read the keys of machines: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k MachineKey
		var until int64
		if err := rows.Scan(&k.Machine, &k.Public, &until); err != nil {
			return nil, fmt.Errorf("enrol: cannot read the keys of machines: %w", err)
		}
		if k.Key, err = note.NewVerifier(k.Public); err != nil {
			continue // cannot verify anything
		}
		k.Until = timeOf(until)
		out = append(out, k)
	}
	return out, rows.Err()
}
