package strongtest

import "context"

// Fault stands between a card and its reader at the nth exchange since the card came. act has the card do as it is
// told.
type Fault func(ctx context.Context, n int, act func() []byte) ([]byte, error)

// Leaves takes the card away before its nth answer: done says whether it had done what it was told by then.
func Leaves(at int, done bool) Fault {
	return func(_ context.Context, n int, act func() []byte) ([]byte, error) {
		if n < at {
			return act(), nil
		}
		if n == at && done {
			act()
		}
		return nil, ErrGone
	}
}

// Alters has the nth answer be another.
func Alters(at int, change func([]byte) []byte) Fault {
	return func(_ context.Context, n int, act func() []byte) ([]byte, error) {
		if n != at {
			return act(), nil
		}
		return change(act()), nil
	}
}

// Flips turns one bit of the nth answer.
func Flips(at, bit int) Fault {
	return Alters(at, func(a []byte) []byte {
		if bit/8 < len(a) {
			a[bit/8] ^= 1 << (bit % 8)
		}
		return a
	})
}

// Sizes makes the nth answer longer with zeros before its status, or shorter.
func Sizes(at, by int) Fault {
	return Alters(at, func(a []byte) []byte {
		if by < 0 {
			return a[min(-by, len(a)):]
		}
		k := len(a) - 2
		return append(append(a[:k:k], make([]byte, by)...), a[k:]...)
	})
}

// Replays says again what was said, whatever it is told.
func Replays(said [][]byte) Fault {
	return func(_ context.Context, n int, _ func() []byte) ([]byte, error) {
		if n > len(said) {
			return nil, ErrGone
		}
		return append([]byte(nil), said[n-1]...), nil
	}
}

// Silent never gives the nth answer.
func Silent(at int) Fault {
	return func(ctx context.Context, n int, act func() []byte) ([]byte, error) {
		if n < at {
			return act(), nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
}
