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

// cardKeys gives machines the site's card keys, and remembers which machine has which.
type cardKeys struct {
	source func() (wire.CardKeys, error) // Options.CardKeys; nil: the hub has none
	pins   wire.Pins
	site   *store.Site
}

// all are the site's card keys, the one in force first. Their form is checked, so that no machine gets a key that it
// cannot use.
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

// expected are the keys that a machine of this hub should have, for comparison with those that it reports.
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

// checkOf is the check value of a card key in hexadecimal; empty: it is none.
func checkOf(key string) string {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) == 0 {
		return ""
	}
	return keykind.CheckValue(b)
}

// authorityOf is the fingerprint of an authority's certificate (DER), as wire.Fingerprint makes it of a key.
func authorityOf(der []byte) string { return wire.Fingerprint(string(der)) }

// noteGiven writes which card key a machine gets. The hub writes this before the machine gets the key: a machine that
// was noted may lack the key, but no machine has a key without a note.
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

// given are the check values of the newest card key that each machine got. A machine without a note is left out.
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
	Until   time.Time // when it was replaced or revoked; zero: it is in force, and new records count by it
}

// Keys are all keys of the site's enrolled machines, those of the past among them. It only reads, so that it can be
// asked beside a running hub.
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
			continue // it verifies nothing
		}
		k.Until = timeOf(until)
		out = append(out, k)
	}
	return out, rows.Err()
}
