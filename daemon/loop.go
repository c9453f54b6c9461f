package daemon

import (
	"context"

	"portillon/daemon/control"
)

// loop passes functions to the one goroutine that owns the machine's state (Machine.Run).
type loop struct{ asks chan loopCall }

// loopCall is a function that the loop must run, with a channel for its result.
type loopCall struct {
	do   func(context.Context) control.Reply
	done chan control.Reply
}

// within runs do in the loop and returns its result, or an error if ctx ends first.
func (l loop) within(ctx context.Context, do func(context.Context) control.Reply) control.Reply {
	a := loopCall{do, make(chan control.Reply, 1)}
	select {
	case l.asks <- a:
		return <-a.done
	case <-ctx.Done():
		return control.Reply{Error: "the daemon is ending"}
	}
}

func send[T any](ctx context.Context, c chan<- T, v T) {
	select {
	case c <- v:
	case <-ctx.Done():
	}
}
