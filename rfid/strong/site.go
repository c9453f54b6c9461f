package strong

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"portillon/rfid"
)

// Site verifies the cards of one site. The zero Site accepts no card.
type Site struct {
	Key  Key       // the site's key
	Rand io.Reader // source of RndA; nil: crypto/rand
}

// String returns a text that does not contain the key.
func (s Site) String() string { return "site of strong cards (key hidden)" }

// Format prints a text without the key for every verb of fmt.
func (s Site) Format(f fmt.State, _ rune) { io.WriteString(f, s.String()) }

var _ rfid.Prove = Site{}.Prove

// Prove verifies that the card in the field has this site's key, and that the number which the card showed is its own
// number. Prove makes at most five exchanges, each of at most rfid.MaxPoll. Without an error the proof is rfid.AES,
// otherwise rfid.NumberOnly.
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

// proveSelected verifies the card once the application is selected.
func (s Site) proveSelected(ctx context.Context, c *card) error {
	n, err := c.authenticate(ctx, 0, c.deriveKey(s.Key, 0))
	if err != nil {
		return err
	}
	return c.checkOwnNumber(ctx, n)
}

// checkOwnNumber compares the number that the card showed with the number that it sends inside the session.
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

// Report is the result of Check, for a person.
type Report struct {
	Proof   rfid.Proof
	Card    Kind
	Legacy  bool // the card supports only AuthenticateAES: it is, or claims to be, a DESFire EV1
	Factory bool // the card still has the factory's keys, so Personalise is possible
}

// Check verifies the card as Prove does, and returns details. If the card does not have the site's key, Check tries the
// factory's key.
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
