package fetch

import (
	"context"
	"errors"
	"sync"
)

// flights are the documents that are being fetched.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

type flight struct {
	done chan struct{}
	data []byte
	err  error
	left bool // whoever fetched it gave up: the error is theirs alone
}

// share fetches, unless somebody is fetching the same already: then it waits for theirs, or for the end of ctx. If they
// give up, the next one takes over. The data are each caller's own.
func (f *flights) share(ctx context.Context, key string, fetch func() ([]byte, error)) ([]byte, error) {
	for {
		fl, mine := f.join(key)
		if mine {
			fl.data, fl.err = fetch()
			fl.left = fl.err != nil && ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSlow)
			f.leave(key, fl)
			return clone(fl)
		}
		select {
		case <-fl.done:
			if !fl.left {
				return clone(fl)
			}
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

func clone(f *flight) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return append([]byte{}, f.data...), nil
}

func (f *flights) join(key string) (fl *flight, mine bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl := f.byKey[key]; fl != nil {
		return fl, false
	}
	if f.byKey == nil {
		f.byKey = map[string]*flight{}
	}
	fl = &flight{done: make(chan struct{})}
	f.byKey[key] = fl
	return fl, true
}

func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byKey, key)
	close(fl.done)
}
