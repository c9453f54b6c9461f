package strong

import (
	"context"
	"errors"
	"strings"
	"testing"

	"portillon/rfid"
	"portillon/rfid/strong/strongtest"
)

// At every exchange, power may fail before or after the card has executed the command. After an interruption, a
// second call of Personalise must finish the work.
func TestPersonaliseResumesAfterAnInterruptionAtAnyExchange(t *testing.T) {
	each(t, func(t *testing.T, model *strongtest.Card, s Site) {
		whole := *model
		mustPersonalise(t, s, &whole)
		cuts := 0
		for _, done := range []bool{false, true} {
			for at := 1; at < 100; at++ {
				c := strongtest.New(model.Kind, number7)
				c.Fault = strongtest.Leaves(at, done)
				err := s.Personalise(t.Context(), c, c.Number(), Key{})
				if err == nil {
					break
				}
				if !errors.Is(err, ErrLeft) {
					t.Fatalf("cut at %d: %v", at, err)
				}
				c.Fault = nil
				mustPersonalise(t, s, c)
				accepted(t, s, c)
				if c.Keys != whole.Keys {
					t.Fatalf("cut at %d: other keys than without the cut", at)
				}
				cuts++
			}
		}
		t.Logf("%d cuts", cuts)
	})
}

// Personalise must detect a card that reports success without executing the command.
func TestPersonaliseDetectsACardThatIgnoresCommands(t *testing.T) {
	each(t, func(t *testing.T, model *strongtest.Card, s Site) {
		for at := 1; at < 40; at++ {
			c := strongtest.New(model.Kind, number7)
			c.Fault = func(_ context.Context, n int, act func() []byte) ([]byte, error) {
				if n == at {
					return []byte{0x91, 0x00}, nil
				}
				return act(), nil
			}
			err := s.Personalise(t.Context(), c, c.Number(), Key{})
			c.Fault = nil
			c.Enter()
			if p, _ := s.Prove(t.Context(), c, c.Number()); err == nil && p != rfid.AES {
				t.Errorf("yes at %d: believed", at)
			}
		}
	})
}

// No machine may accept a card before Personalise has finished.
func TestHalfPersonalisedNTAGProvesNothing(t *testing.T) {
	s := theSite(t, secret)
	for at := 1; at < 100; at++ {
		c := strongtest.New(strongtest.NTAG424, number7)
		c.Fault = strongtest.Leaves(at, true)
		if s.Personalise(t.Context(), c, c.Number(), Key{}) == nil {
			break
		}
		c.Fault = nil
		c.Enter()
		if p, _ := s.Prove(t.Context(), c, c.Number()); p == rfid.AES {
			for no, k := range c.Keys {
				if k == (block{}) {
					t.Fatalf("cut at %d: proven with key %d still the factory's", at, no)
				}
			}
		}
	}
}

func TestPersonaliseReplacesAKnownKey(t *testing.T) {
	old := theSite(t, strings.Repeat("5A", 16)).Key
	c, s := strongtest.New(strongtest.NTAG424, number7), theSite(t, secret)
	for i := range c.Keys {
		c.Keys[i] = old.block()
	}
	if err := s.Personalise(t.Context(), c, c.Number(), Key{}); !errors.Is(err, ErrWrongKey) {
		t.Fatal(err)
	}
	c.Enter()
	if err := s.Personalise(t.Context(), c, c.Number(), old); err != nil {
		t.Fatal(err)
	}
}

func TestPersonaliseRefusesAClonedNumberAndALockedCard(t *testing.T) {
	each(t, func(t *testing.T, c *strongtest.Card, s Site) {
		c.Shown[3]++
		before := c.Keys
		if err := s.Personalise(t.Context(), c, c.Number(), Key{}); !errors.Is(err, ErrCloned) || c.Keys != before {
			t.Errorf("%v, keys changed: %v", err, c.Keys != before)
		}
	})
	c := strongtest.New(strongtest.DESFire, number7)
	c.Locked = true
	if err := theSite(t, secret).Personalise(t.Context(), c, c.Number(), Key{}); !errors.Is(err, ErrForbidden) {
		t.Error(err)
	}
}
