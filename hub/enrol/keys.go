package enrol

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/store"
	"portillon/keykind"
	"portillon/policy"
	"portillon/wire"
)

// cardKeys are the site's card keys.
func (s *Service) cardKeys() (wire.CardKeys, error) {
	if s.o.CardKeys == nil {
		return wire.CardKeys{}, errors.New("enrol: the hub has no card key")
	}
	all, err := s.o.CardKeys()
	if err == nil {
		_, err = all.Bytes()
	}
	if err != nil {
		return wire.CardKeys{}, fmt.Errorf("enrol: card key: %w", err)
	}
	return all, nil
}

// hubKeys are the keys that a machine of this hub should have.
func (s *Service) hubKeys() wire.StateKeys {
	out := wire.StateKeys{HubKey: wire.Fingerprint(s.o.Pins.HubKey), PolicyKey: wire.Fingerprint(s.o.Pins.PolicyKey)}
	if all, err := s.cardKeys(); err == nil {
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

// getCardKeys gives a machine the site's card keys. Which one it got is noted before: a machine may have what it is
// noted to have, and perhaps it has not.
func (s *Service) getCardKeys(w http.ResponseWriter, r *http.Request, id policy.MachineID) {
	all, err := s.cardKeys()
	if err == nil {
		err = s.noteCardKey(r.Context(), id, checkOf(all.Keys[0]))
	}
	s.answer(w, r, all, err)
}

// noteCardKey notes the newest card key that a machine was given.
func (s *Service) noteCardKey(ctx context.Context, id policy.MachineID, check string) error {
	var given string
	err := s.o.Site.QueryRow(ctx, `SELECT card_key FROM machine WHERE site = $1 AND machine = $2`, string(id)).Scan(&given)
	if err == nil && given != check { // machines ask every hour
		err = s.o.Site.Write(ctx, func(tx *store.Tx) error {
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

// GivenCardKeys are the check values of the newest card key that each machine was given; a machine that got none since
// the hub notes it is left out.
func (s *Service) GivenCardKeys(ctx context.Context) (map[policy.MachineID]string, error) {
	rows, err := s.o.Site.Query(ctx, `SELECT machine, card_key FROM machine WHERE site = $1 AND card_key <> ''`)
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

// changeKey notes that a machine signs with another key from now on. The one before stays known: its records are held.
func (s *Service) changeKey(ctx context.Context, tx *store.Tx, id policy.MachineID, before, now string) error {
	if before == now {
		before = ""
	}
	if before != "" { // the key of hub.yaml may be it: it is in no row yet
		if err := s.addKey(ctx, tx, id, before); err != nil {
			return err
		}
	}
	if err := s.endKeys(ctx, tx, id); err != nil {
		return err
	}
	if err := s.addKey(ctx, tx, id, now); err != nil {
		return err
	}
	_, err := tx.Exec(
		ctx,
		`UPDATE machine_key SET until = 0 WHERE site = $1 AND machine = $2 AND public = $3`,
		string(id),
		now,
	)
	return err
}

func (s *Service) addKey(ctx context.Context, tx *store.Tx, id policy.MachineID, public string) error {
	_, err := tx.Exec(ctx, `INSERT INTO machine_key (site, machine, public, since) VALUES ($1, $2, $3, $4)
		ON CONFLICT (site, machine, public) DO NOTHING`, string(id), public, s.millis())
	return err
}

// endKeys notes that no key of a machine is in force any more.
func (s *Service) endKeys(ctx context.Context, tx *store.Tx, id policy.MachineID) error {
	_, err := tx.Exec(
		ctx,
		`UPDATE machine_key SET until = $3 WHERE site = $1 AND machine = $2 AND until = 0`,
		string(id),
		s.millis(),
	)
	return err
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
