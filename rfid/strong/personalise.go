package strong

import (
	"context"
	"errors"
	"fmt"

	"portillon/rfid"
)

// ntagKeys are the keys of an NTAG 424 DNA: 0, the application's master, to 4.
const ntagKeys = 5

// DESFire's CreateApplication: settings of the master key (changeable, with its key; files are listed freely and made
// or deleted with the key only), then AES and the number of keys.
const (
	appSettings = 0x0B
	appKeys     = 0x80 | 1
)

// Personalise gives a card this site's keys, made for its number, and has it prove them. fresh is the key that it holds
// so far: the zero Key on a card from the factory. It touches neither files nor a DESFire's own master key (PICC master
// key).
//
// It may be cut off at any moment, by power or by a card pulled away, and called again: each step first looks whether
// it was taken. A card changes a key wholly or not at all. On an NTAG 424 DNA keys 1 to 4 go first, under key 0; their
// versions (0 fresh, 1 this site's) say which are done, and the card proves each of the four. Key 0 goes last: as long
// as it is fresh no machine takes the card, and once it is this site's the others are too. On a DESFire the application
// is created if it is not there, then its one key changed.
//
// A card that is fresh proves nothing: an emulator would be personalised as well. Buy cards where you trust the seller.
func (s Site) Personalise(ctx context.Context, ch rfid.Channel, uid rfid.UID, fresh Key) error {
	c, err := s.begin(ch, uid)
	if err != nil {
		return err
	}
	if err = c.meet(ctx); errors.Is(err, errBlank) {
		err = c.create(ctx)
	}
	if err != nil {
		return err
	}
	if err := s.give(ctx, c, fresh.block()); err != nil {
		return err
	}
	return s.proves(ctx, c)
}

// create makes the application on a DESFire, and selects it.
func (c *card) create(ctx context.Context) error {
	_, s, err := c.native(ctx, insSelect, 0, 0, 0) // the card itself, where applications are made
	if err == nil && s != swOK {
		err = s.err("create the application")
	}
	if err != nil {
		return err
	}
	_, s, err = c.native(ctx, insCreate, append(c.kind.app(), appSettings, appKeys)...)
	switch {
	case err != nil:
		return err
	case s == swAuth || s == swPermission:
		return fmt.Errorf("create the application: %w: card requires its master key", ErrForbidden)
	case s != swOK:
		return s.err("create the application")
	}
	return c.meet(ctx)
}

// give changes what is not changed yet, key 0 last.
func (s Site) give(ctx context.Context, c *card, fresh block) error {
	own := c.key(s.Key, 0)
	n, err := c.authenticate(ctx, 0, own)
	done := err == nil
	if errors.Is(err, ErrWrongKey) {
		n, err = c.authenticate(ctx, 0, fresh)
	}
	if err != nil {
		return err
	}
	if err := c.isItself(ctx, n); err != nil { // before a key is made for a number that is not the card's
		return err
	}
	if e, ok := n.(*ev2); ok && c.kind == NTAG424 {
		if err := s.giveOthers(ctx, e, fresh); err != nil {
			return err
		}
	}
	if done {
		return nil
	}
	if c.kind == NTAG424 { // the others were proven in sessions of their own
		if n, err = c.authenticate(ctx, 0, fresh); err != nil {
			return err
		}
	}
	return n.changeOwn(ctx, own)
}

// giveOthers changes keys 1 to 4 of an NTAG 424 DNA where they are not this site's yet, and has the card prove each.
func (s Site) giveOthers(ctx context.Context, n *ev2, fresh block) error {
	for no := byte(1); no < ntagKeys; no++ {
		v, err := n.keyVersion(ctx, no)
		if err == nil && v != ours {
			err = n.changeOther(ctx, no, fresh, n.c.key(s.Key, no))
		}
		if err != nil {
			return fmt.Errorf("key %d: %w", no, err)
		}
	}
	for no := byte(1); no < ntagKeys; no++ {
		if _, err := n.c.authenticate(ctx, no, n.c.key(s.Key, no)); err != nil {
			return fmt.Errorf("key %d: %w", no, err)
		}
	}
	return nil
}
