package strong

import (
	"context"
	"errors"
	"fmt"

	"portillon/rfid"
)

// ntagKeys is the number of keys of an NTAG 424 DNA: the application's master key 0, and keys 1 to 4.
const ntagKeys = 5

// These are arguments of the DESFire command CreateApplication. The first argument is the settings of the
// application's master key: a session with this key can change the key itself, files can be listed without the key,
// and files can be created or deleted only with it. The second argument is the cipher AES and the number of keys.
const (
	appSettings = 0x0B
	appKeys     = 0x80 | 1
)

// Personalise writes this site's keys, derived for the card's number, to a card, and then verifies them. fresh is the
// card's present key; for a card from the factory, fresh is the zero Key. Personalise changes neither files nor the
// master key of a DESFire itself (PICC master key).
//
// Personalise may be interrupted at any time, by a power cut or a removed card, and called again, because each step
// first checks whether it was done already. If a change of a key is interrupted, the card has either the old key or
// the new key. On an NTAG 424 DNA, Personalise first changes the keys 1 to 4, in a session with key 0. The versions
// of these keys (0: fresh, 1: this site's) show which keys are already changed. The card then proves that it holds
// each of the four keys. Personalise changes key 0 last. While key 0 is the factory's key, no machine accepts the
// card. If key 0 is already this site's key, all other keys are this site's keys too. On a DESFire, Personalise
// creates the application if it is missing, then changes the application's only key.
//
// A fresh card proves nothing about its origin, so Personalise would also accept an emulator. For this reason, sites
// must buy cards from a trusted seller.
func (s Site) Personalise(ctx context.Context, ch rfid.Channel, uid rfid.UID, fresh Key) error {
	c, err := s.begin(ch, uid)
	if err != nil {
		return err
	}
	if err = c.selectApplication(ctx); errors.Is(err, errBlank) {
		err = c.createApplication(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.changeKeys(ctx, c, fresh.block()); err != nil {
		return err
	}
	return s.proveSelected(ctx, c)
}

// createApplication creates the site's application on a DESFire, and selects that application.
func (c *card) createApplication(ctx context.Context) error {
	_, s, err := c.sendNative(ctx, insSelect, 0, 0, 0) // select the card's root, because applications are created there
	if err == nil && s != swOK {
		err = s.err("create the application")
	}
	if err != nil {
		return err
	}
	_, s, err = c.sendNative(ctx, insCreate, append(c.kind.app(), appSettings, appKeys)...)
	switch {
	case err != nil:
		return err
	case s == swAuth || s == swPermission:
		return fmt.Errorf("create the application: %w: card requires its master key", ErrForbidden)
	case s != swOK:
		return s.err("create the application")
	}
	return c.selectApplication(ctx)
}

// changeKeys changes those keys that are not yet this site's keys, and key 0 last.
func (s Site) changeKeys(ctx context.Context, c *card, fresh block) error {
	own := c.deriveKey(s.Key, 0)
	n, err := c.authenticate(ctx, 0, own)
	done := err == nil
	if errors.Is(err, ErrWrongKey) {
		n, err = c.authenticate(ctx, 0, fresh)
	}
	if err != nil {
		return err
	}
	// before deriving keys from the shown number, verify that it is the card's own number
	if err := c.checkOwnNumber(ctx, n); err != nil {
		return err
	}
	if e, ok := n.(*ev2); ok && c.kind == NTAG424 {
		if err := s.changeOtherKeys(ctx, e, fresh); err != nil {
			return err
		}
	}
	if done {
		return nil
	}
	if c.kind == NTAG424 { // changeOtherKeys authenticated with other keys, which ended this session
		if n, err = c.authenticate(ctx, 0, fresh); err != nil {
			return err
		}
	}
	return n.changeOwn(ctx, own)
}

// changeOtherKeys changes those of the keys 1 to 4 of an NTAG 424 DNA that are not yet this site's keys, and verifies
// each key.
func (s Site) changeOtherKeys(ctx context.Context, n *ev2, fresh block) error {
	for no := byte(1); no < ntagKeys; no++ {
		v, err := n.keyVersion(ctx, no)
		if err == nil && v != siteKeyVersion {
			err = n.changeOther(ctx, no, fresh, n.c.deriveKey(s.Key, no))
		}
		if err != nil {
			return fmt.Errorf("key %d: %w", no, err)
		}
	}
	for no := byte(1); no < ntagKeys; no++ {
		if _, err := n.c.authenticate(ctx, no, n.c.deriveKey(s.Key, no)); err != nil {
			return fmt.Errorf("key %d: %w", no, err)
		}
	}
	return nil
}
