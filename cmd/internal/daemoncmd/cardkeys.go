package daemoncmd

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"portillon/cmd/internal/hublink"
	"portillon/wire"
)

// CardKeysFile holds, in HubDir, the card keys that the hub gave the machine over its certificate (wire.CardKeys,
// 0600). Where it is there, it counts in place of the card key that machine.yaml names: root puts that one there, and
// the daemon, which runs as another user, cannot change it when the site changes its card key. An enrolment removes it.
const CardKeysFile = "card-keys.json"

// maxCardKeysFile bounds that file, in bytes.
const maxCardKeysFile = 4 << 10

// givenCardKeys are the card keys that the hub gave; none without an error: it gave none.
func (c Config) givenCardKeys() ([][]byte, error) {
	b, err := os.ReadFile(filepath.Join(c.HubDir(), CardKeysFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all wire.CardKeys
	if len(b) > maxCardKeysFile || json.Unmarshal(b, &all) != nil {
		return nil, fmt.Errorf("%s holds no card keys", filepath.Join(c.HubDir(), CardKeysFile))
	}
	var out [][]byte
	for _, text := range all.Keys { // one more than the hub gives may be here: keepCardKeys
		key, err := wire.CardKeys{Keys: []string{text}}.Bytes()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(c.HubDir(), CardKeysFile), err)
		}
		out = append(out, key...)
	}
	return out, nil
}

// CardKeys are the card keys that the machine works with, read by hand; none where they cannot be read.
func (c Config) CardKeys(store string) [][]byte {
	if given, err := c.givenCardKeys(); err == nil && len(given) > 0 {
		return given
	}
	if key := c.ReadCardKey(store); key != nil {
		return [][]byte{key}
	}
	return nil
}

// ring are the card keys that the machine works with.
func (k keys) ring() [][]byte {
	if len(k.given) > 0 {
		return k.given
	}
	return [][]byte{k.card}
}

// keepCardKeys keeps the card keys that the hub gives now, and drops others. The key that the bundle on the disk was
// built with stays until there is a newer bundle: without it the machine would open nothing after a restart.
func (c Config) keepCardKeys(given, held [][]byte, s wire.Store) ([][]byte, error) {
	keep := slices.Clone(given)
	if m, err := s.Current(); err == nil {
		if _, _, err := wire.ChooseCardKey(m, given...); err != nil {
			if needed, _, err := wire.ChooseCardKey(m, held...); err == nil {
				keep = append(keep, needed)
			}
		}
	}
	var out wire.CardKeys
	for _, k := range keep {
		out.Keys = append(out.Keys, hex.EncodeToString(k))
	}
	b, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	return keep, wire.WriteFile(filepath.Join(c.HubDir(), CardKeysFile), append(b, '\n'), 0o600)
}

// sameKeys reports whether two lists hold the same keys in the same order.
func sameKeys(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool { return bytes.Equal(x, y) })
}

// setCardKeys has the bundle updater load bundles with these card keys.
func (k *bundleUpdater) setCardKeys(ring [][]byte) {
	k.options.CardKey, k.options.OtherCardKeys = nil, nil
	if len(ring) > 0 {
		k.options.CardKey, k.options.OtherCardKeys = ring[0], ring[1:]
	}
}

func (k *bundleUpdater) cardKeys() (out [][]byte) {
	if k.options.CardKey != nil {
		out = append(out, k.options.CardKey)
	}
	return append(out, k.options.OtherCardKeys...)
}

// refreshCardKeys asks the hub for its card keys, and reports whether they are others than before.
func (k *bundleUpdater) refreshCardKeys(ctx context.Context) (changed bool, err error) {
	if k.askCardKeys == nil {
		return false, nil
	}
	given, err := k.askCardKeys(ctx)
	var refused *hublink.Refused
	if errors.As(err, &refused) && refused.Code == "" { // an older hub has no card keys to give
		return false, nil
	}
	if err != nil {
		return false, err
	}
	held := k.cardKeys()
	keep, err := k.keepCardKeys(given, held)
	if err != nil {
		return false, fmt.Errorf("card keys not kept: %w", err)
	}
	if sameKeys(keep, held) {
		return false, nil
	}
	k.setCardKeys(keep)
	k.log.Info("card keys changed", "in force", wire.MarkOf(keep[0]), "keys", len(keep))
	return true, nil
}

// needsCardKeys reports whether a manifest was built with a card key that is not here. Who signed it is judged later.
func (k *bundleUpdater) needsCardKeys(manifest []byte) bool {
	m, err := wire.OpenManifest(manifest, k.store.Keys)
	if err != nil {
		return false
	}
	_, _, err = wire.ChooseCardKey(m, k.cardKeys()...)
	return err != nil
}
