//go:build pcsc

package pcsc

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ebfe/scard"
)

// Open takes the first PC/SC reader whose name begins so; "" is the first of all.
func Open(name string) (*Device, error) {
	c, err := scard.EstablishContext()
	if err != nil {
		return nil, fmt.Errorf("reader %q: is pcscd running? %w", name, err)
	}
	names, err := c.ListReaders()
	if err == nil {
		for _, n := range names {
			if strings.HasPrefix(n, name) {
				return New(reader{c, n}), nil
			}
		}
		err = fmt.Errorf("there is none of that name: %q", names)
	}
	c.Release()
	return nil, fmt.Errorf("reader %q: %w", name, err)
}

type reader struct {
	*scard.Context
	name string
}

func (r reader) Connect() (Card, bool, error) {
	c, err := r.Context.Connect(r.name, scard.ShareExclusive, scard.ProtocolAny)
	switch {
	case errors.Is(err, scard.ErrNoSmartcard), errors.Is(err, scard.ErrRemovedCard), errors.Is(err, scard.ErrUnpoweredCard), errors.Is(err, scard.ErrUnresponsiveCard):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	}
	return card{c}, true, nil
}

func (r reader) Close() error { return r.Release() }

type card struct{ *scard.Card }

func (c card) Disconnect() error { return c.Card.Disconnect(scard.ResetCard) }
