package daemon

import (
	"context"

	"portillon/daemon/control"
)

// loop hands work to the one goroutine that owns the machine's state (Machine.Run).
type loop struct{ asks chan ask }

// ask is something that must be done by the loop, and answered.
type ask struct {
	do   func(context.Context) control.Reply
	done chan control.Reply
}

// within runs do in the loop and waits for its answer.
func (l loop) within(ctx context.Context, do func(context.Context) control.Reply) control.Reply {
	a := ask{do, make(chan control.Reply, 1)}
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
