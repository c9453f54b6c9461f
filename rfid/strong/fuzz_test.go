package strong

import (
	"bytes"
	"context"
	"testing"

	"portillon/rfid"
	"portillon/rfid/strong/strongtest"
)

// FuzzAltered alters an answer of a genuine card, in its bits by a mask, and in its length. The altered session must
// not prove the card. The only exception is an altered answer that states the kind of card.
func FuzzAltered(f *testing.F) {
	f.Add(byte(0), byte(4), byte(0), 0, []byte{0x80})
	f.Add(byte(0), byte(5), byte(3), 8, []byte{1, 2, 3})
	f.Add(byte(1), byte(3), byte(15), -1, []byte{0, 0, 1})
	f.Add(byte(2), byte(5), byte(7), 0, []byte{0, 0, 0, 0, 0xFF})
	cards := make([]strongtest.Card, len(kinds))
	s := theSite(f, secret)
	for i, k := range kinds {
		c := strongtest.New(k, number7)
		if err := s.Personalise(f.Context(), c, c.Number(), Key{}); err != nil {
			f.Fatal(err)
		}
		cards[i] = *c
	}
	f.Fuzz(func(t *testing.T, kind, at, from byte, longer int, mask []byte) {
		c := cards[int(kind)%len(cards)]
		c.Enter()
		c.Said = nil
		altered := false
		c.Fault = strongtest.Alters(int(at), func(a []byte) []byte {
			b := alter(a, int(from), longer, mask)
			downgraded := kind%3 == 1 && at == 2 && (bytes.Equal(b, []byte{0x91, 0x1C}) || bytes.Equal(b, []byte{0x6D, 0x00}))
			altered = len(a) > 2 && !bytes.Equal(a, b) && !downgraded
			return b
		})
		p, err := s.Prove(t.Context(), &c, c.Number())
		if (p == rfid.AES) != (err == nil) || p == rfid.AES && altered {
			t.Fatalf("proof %d, %v", p, err)
		}
	})
}

func alter(a []byte, from, longer int, mask []byte) []byte {
	b := bytes.Clone(a)
	if longer < 0 {
		b = b[min(len(b), -max(longer, -1000)):]
	} else {
		b = append(b, make([]byte, min(longer, 1000))...)
	}
	for i := range mask {
		if from+i < len(b) {
			b[from+i] ^= mask[i]
		}
	}
	return b
}

// FuzzAnswers calls Prove, Check and Personalise with arbitrary answers of a card. These functions must not panic,
// must not hang, and must not accept the card.
func FuzzAnswers(f *testing.F) {
	f.Add([]byte{2, 0x91, 0x1C, 2, 0x90, 0x00, 19, 1})
	f.Add([]byte{2, 0x91, 0xA0, 2, 0x91, 0x00, 2, 0x91, 0x00})
	s := theSite(f, secret)
	f.Fuzz(func(t *testing.T, b []byte) {
		u, _ := rfid.UIDOf(number7[:])
		if p, err := s.Prove(t.Context(), &scriptedChannel{b}, u); p != rfid.NumberOnly || err == nil {
			t.Fatalf("made-up answers prove %d", p)
		}
		if r, err := s.Check(t.Context(), &scriptedChannel{b}, u); r.Proof != rfid.NumberOnly || err == nil {
			t.Fatalf("made-up answers check %+v", r)
		}
		if s.Personalise(t.Context(), &scriptedChannel{b}, u, Key{}) == nil {
			t.Fatal("made-up answers are personalised")
		}
	})
}

// scriptedChannel is a channel whose answers come from a script. In b, a byte with the length of the answer precedes
// each answer.
type scriptedChannel struct{ b []byte }

func (h *scriptedChannel) Exchange(context.Context, []byte) ([]byte, error) {
	if len(h.b) == 0 {
		return nil, strongtest.ErrGone
	}
	n := min(int(h.b[0]), len(h.b)-1)
	a := h.b[1 : 1+n]
	h.b = h.b[1+n:]
	return a, nil
}
