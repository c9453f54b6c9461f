package strongtest

import "context"

// Fault changes the exchange with number nth since the card entered the field. The function act executes the command
// and returns the correct answer.
type Fault func(ctx context.Context, n int, act func() []byte) ([]byte, error)

// Leaves returns a fault: the card leaves the field before its answer number at. If done is true, the card executes
// the command before it leaves; its answer is lost.
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

// Alters returns a fault: the function changes the card's answer number at.
func Alters(at int, change func([]byte) []byte) Fault {
	return func(_ context.Context, n int, act func() []byte) ([]byte, error) {
		if n != at {
			return act(), nil
		}
		return change(act()), nil
	}
}

// Flips returns a fault: one bit of the card's answer number at is flipped.
func Flips(at, bit int) Fault {
	return Alters(at, func(a []byte) []byte {
		if bit/8 < len(a) {
			a[bit/8] ^= 1 << (bit % 8)
		}
		return a
	})
}

// Sizes returns a fault: the card's answer number at gets additional zeros before its status, or is shortened.
func Sizes(at, by int) Fault {
	return Alters(at, func(a []byte) []byte {
		if by < 0 {
			return a[min(-by, len(a)):]
		}
		k := len(a) - 2
		return append(append(a[:k:k], make([]byte, by)...), a[k:]...)
	})
}

// Replays returns a fault: the card repeats recorded answers, whatever the commands are.
func Replays(said [][]byte) Fault {
	return func(_ context.Context, n int, _ func() []byte) ([]byte, error) {
		if n > len(said) {
			return nil, ErrGone
		}
		return append([]byte(nil), said[n-1]...), nil
	}
}

// Silent returns a fault: the card never sends its answer number at.
func Silent(at int) Fault {
	return func(ctx context.Context, n int, act func() []byte) ([]byte, error) {
		if n < at {
			return act(), nil
		}
		<-ctx.Done()
		return nil, ctx.Err()
	}
}
