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

// cardKeys gives machines the site's card keys, and stores which card key each machine got.
type cardKeys struct {
	source func() (wire.CardKeys, error) // Options.CardKeys; nil: the hub has no card key
	pins   wire.Pins
	site   *store.Site
}

// all returns the site's card keys, the current one first. It checks their form, so that no machine gets an unusable
// key.
func (s cardKeys) all() (wire.CardKeys, error) {
	if s.source == nil {
		return wire.CardKeys{}, errors.New("enrol: the hub has no card key")
	}
	all, err := s.source()
	if err == nil {
		_, err = all.Bytes()
	}
	if err != nil {
		return wire.CardKeys{}, fmt.Errorf("enrol: card key: %w", err)
	}
	return all, nil
}

// expected returns the keys that a machine of this hub should have. They are compared with the keys that the machine
// reports.
func (s cardKeys) expected() wire.StateKeys {
	out := wire.StateKeys{HubKey: wire.Fingerprint(s.pins.HubKey), PolicyKey: wire.Fingerprint(s.pins.PolicyKey)}
	if all, err := s.all(); err == nil {
		out.CardKey = checkOf(all.Keys[0])
		if len(all.Keys) > 1 {
			out.OldCardKey = checkOf(all.Keys[1])
		}
	}
	return out
}

// checkOf returns the check value of a card key in hexadecimal; empty: key is not a valid card key.
func checkOf(key string) string {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) == 0 {
		return ""
	}
	return keykind.CheckValue(b)
}

// authorityOf returns the fingerprint of an authority's certificate (DER), in the format of wire.Fingerprint.
func authorityOf(der []byte) string { return wire.Fingerprint(string(der)) }

// noteGiven stores which card key a machine gets. The hub stores this before it sends the key: a machine with a note
// may lack the key, but no machine has a key without a note.
func (s cardKeys) noteGiven(ctx context.Context, id policy.MachineID, check string) error {
	var given string
	err := s.site.QueryRow(ctx, `SELECT card_key FROM machine WHERE site = $1 AND machine = $2`, string(id)).Scan(&given)
	if err == nil && given != check { // write only a change: every machine asks once an hour
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

// given returns the check value of the newest card key that each machine got. The map leaves out machines that got
// none.
func (s cardKeys) given(ctx context.Context) (map[policy.MachineID]string, error) {
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

// MachineKey is a key that verifies a machine's records.
type MachineKey struct {
	Machine policy.MachineID
	Key     note.Verifier
	Public  string    // Key as text
	Until   time.Time // when it was replaced or revoked; zero: the current key, which verifies new records
}

// Keys returns all keys of the site's enrolled machines, including replaced and revoked ones. It only reads, so it can
// be called while a hub runs.
func Keys(ctx context.Context, site *store.Site) (out []MachineKey, err error) {
	rows, err := site.Query(
		ctx,
		`SELECT machine, public, until FROM machine_key WHERE site = $1 ORDER BY machine, until = 0 DESC, until DESC`,
	)
	if err != nil {
		return nil, fmt.Errorf("enrol: keys of machines: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var k MachineKey
		var until int64
		if err := rows.Scan(&k.Machine, &k.Public, &until); err != nil {
			return nil, fmt.Errorf("enrol: keys of machines: %w", err)
		}
		if k.Key, err = note.NewVerifier(k.Public); err != nil {
			continue // cannot verify anything
		}
		k.Until = timeOf(until)
		out = append(out, k)
	}
	return out, rows.Err()
}
