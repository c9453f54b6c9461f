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

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/hublink"
	"portillon/daemon/roster"
	"portillon/wire"
)

// CardKeysFile is the name of the file in HubDir with the card keys that the hub sent to the machine over its client
// certificate (wire.CardKeys, mode 0600). If the file exists, it replaces the card key that machine.yaml names. Root
// installs the key of machine.yaml, so the daemon, which runs as another user, cannot replace that key when the site
// changes its card key. An enrolment removes the file.
const CardKeysFile = "card-keys.json"

// maxCardKeysFile is the size limit of CardKeysFile in bytes.
const maxCardKeysFile = 4 << 10

// givenCardKeys returns the card keys that the hub has sent. If the hub has sent no card keys, the list is empty and
// the error is nil.
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
		return nil, fmt.Errorf("file %s does not contain a list of card keys", filepath.Join(c.HubDir(), CardKeysFile))
	}
	var out [][]byte
	for _, text := range all.Keys { // the file may contain one key more than the hub has sent, see keepCardKeys
		key, err := wire.CardKeys{Keys: []string{text}}.Bytes()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Join(c.HubDir(), CardKeysFile), err)
		}
		out = append(out, key...)
	}
	return out, nil
}

// CardKeys returns the machine's card keys for a command outside the systemd unit. The list is empty if the keys cannot
// be read.
func (c Config) CardKeys(store string) [][]byte {
	if given, err := c.givenCardKeys(); err == nil && len(given) > 0 {
		return given
	}
	if key := c.ReadCardKey(store); key != nil {
		return [][]byte{key}
	}
	return nil
}

// cardKeyRing returns the card keys that the machine uses.
func (k keys) cardKeyRing() [][]byte {
	if len(k.given) > 0 {
		return k.given
	}
	return [][]byte{k.card}
}

// keepCardKeys stores the card keys that the hub has just sent and deletes all other keys. The key of the stored bundle
// also remains in the file until a newer bundle arrives, because without that key no card would be recognised after a
// restart.
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

// sameKeys reports whether two lists of card keys contain the same keys in the same order.
func sameKeys(a, b [][]byte) bool {
	return slices.EqualFunc(a, b, func(x, y []byte) bool { return bytes.Equal(x, y) })
}

// setCardKeys sets the card keys with which a roster is loaded. The first key is the one in force.
func setCardKeys(o *roster.Options, ring [][]byte) {
	o.CardKey, o.OtherCardKeys = nil, nil
	if len(ring) > 0 {
		o.CardKey, o.OtherCardKeys = ring[0], ring[1:]
	}
}

// cardKeysOf returns the card keys with which a roster is loaded. The first key is the one in force.
func cardKeysOf(o roster.Options) (out [][]byte) {
	if o.CardKey != nil {
		out = append(out, o.CardKey)
	}
	return append(out, o.OtherCardKeys...)
}

// cardKeySource asks the hub for the site's card keys and stores them. The zero value is the source of a machine that
// was not enrolled; its keys never change.
type cardKeySource struct {
	// requests the card keys from the hub; nil: the machine was not enrolled
	ask  func(context.Context) ([][]byte, error)
	keep func(given, held [][]byte) (kept [][]byte, err error) // stores the card keys on the disk (Config.keepCardKeys)
	// receives a value when the daemon must ask the hub again; capacity 1, may be nil
	again chan struct{}
}

// refresh asks the hub for its card keys and stores them. The result changed is true if the stored keys differ from the
// keys that the daemon used before.
func (s cardKeySource) refresh(ctx context.Context, held [][]byte) (kept [][]byte, changed bool, err error) {
	if s.ask == nil {
		return held, false, nil
	}
	given, err := s.ask(ctx)
	var refused *hublink.Refused
	if errors.As(err, &refused) && refused.Code == "" { // an older hub cannot send card keys
		return held, false, nil
	}
	if err != nil {
		return held, false, err
	}
	kept, err = s.keep(given, held)
	if err != nil {
		return held, false, fmt.Errorf("card keys from the hub cannot be stored: %w", err)
	}
	return kept, !sameKeys(kept, held), nil
}

// refreshCardKeys asks the hub for its card keys, and reports whether the keys have changed.
func (u *bundleUpdater) refreshCardKeys(ctx context.Context) (changed bool, err error) {
	kept, changed, err := u.cardKeys.refresh(ctx, cardKeysOf(u.options))
	if err != nil || !changed {
		return false, err
	}
	setCardKeys(&u.options, kept)
	u.log.Info("daemon uses the new card keys of the hub", "in force", wire.MarkOf(kept[0]), "keys", len(kept))
	return true, nil
}

// lacksCardKey reports whether a manifest was built with a card key that is not in known. For a manifest with a bad
// signature the result is false, because the installation checks the signature later.
func lacksCardKey(manifest []byte, signers note.Verifiers, known [][]byte) bool {
	m, err := wire.OpenManifest(manifest, signers)
	if err != nil {
		return false
	}
	_, _, err = wire.ChooseCardKey(m, known...)
	return err != nil
}
