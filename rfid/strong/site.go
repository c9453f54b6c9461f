package strong

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"portillon/rfid"
)

// Site holds a site's AES key and verifies that cards belong to this site. The zero Site accepts no card.
type Site struct {
	Key  Key       // the site's key
	Rand io.Reader // source of the random challenge RndA; nil: crypto/rand
}

// String returns a text that does not contain the site's key.
func (s Site) String() string { return "site of strong cards (key hidden)" }

// Format prints a text without the key for every verb of fmt.
func (s Site) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

var _ rfid.Prove = Site{}.Prove

// Prove verifies that the card in the field has this site's key, and that the number which the card showed is the
// card's own number. Prove makes at most five exchanges, each of which takes at most rfid.MaxPoll. If there is no
// error, the proof is rfid.AES; otherwise the proof is rfid.NumberOnly.
func (s Site) Prove(ctx context.Context, ch rfid.Channel, uid rfid.UID) (rfid.Proof, error) {
	c, err := s.begin(ch, uid)
	if err == nil {
		err = c.selectApplication(ctx)
	}
	if err == nil {
		err = s.proveSelected(ctx, c)
	}
	if err != nil {
		return rfid.NumberOnly, err
	}
	return rfid.AES, nil
}

func (s Site) begin(ch rfid.Channel, uid rfid.UID) (*card, error) {
	if s.Key.zero() {
		return nil, ErrNoKey
	}
	b, err := number(uid)
	if err != nil {
		return nil, err
	}
	c := &card{ch: ch, rand: s.Rand, uid: b}
	if c.rand == nil {
		c.rand = rand.Reader
	}
	return c, nil
}

// proveSelected verifies the card after its application was selected.
func (s Site) proveSelected(ctx context.Context, c *card) error {
	n, err := c.authenticate(ctx, 0, c.deriveKey(s.Key, 0))
	if err != nil {
		return err
	}
	return c.checkOwnNumber(ctx, n)
}

// checkOwnNumber compares the number that the card showed with the number that the card sends inside the session.
func (c *card) checkOwnNumber(ctx context.Context, n session) error {
	u, err := n.cardUID(ctx)
	if err != nil {
		return err
	}
	if !isEqual(u, c.uid) {
		return ErrCloned
	}
	return nil
}

// Report is the result of Check, to be shown to a person.
type Report struct {
	Proof   rfid.Proof
	Card    Kind
	Legacy  bool // the card supports only AuthenticateAES, so it is a DESFire EV1 or claims to be one
	Factory bool // the card still has the factory's keys, so Personalise can write the site's keys
}

// Check verifies the card in the same way as Prove, and reports details. If the card does not have the site's key,
// Check also tries the factory's key.
func (s Site) Check(ctx context.Context, ch rfid.Channel, uid rfid.UID) (r Report, err error) {
	c, err := s.begin(ch, uid)
	if err != nil {
		return r, err
	}
	defer func() { r.Card, r.Legacy = c.kind, c.legacy }()
	if err = c.selectApplication(ctx); err == nil {
		err = s.proveSelected(ctx, c)
	}
	switch {
	case err == nil:
		r.Proof = rfid.AES
	case errors.Is(err, errBlank):
		r.Factory = true
	case errors.Is(err, ErrWrongKey):
		_, e := c.authenticate(ctx, 0, block{})
		r.Factory = e == nil
	}
	return r, err
}
