package fetch

import (
	"context"
	"errors"
	"sync"
)

// flights contains the fetches in progress. The methods of flights may be called concurrently.
type flights struct {
	mu    sync.Mutex
	byKey map[string]*flight
}

// flight is one fetch in progress.
type flight struct {
	done chan struct{}
	data []byte
	err  error
	left bool // the caller that fetched has cancelled, so other callers must not get its error
}

// share calls fetch, or waits for the result if a fetch for the same key is already in progress. A waiting caller
// waits until the result is available or ctx is done. If the caller that fetches cancels, one of the waiting callers
// starts the fetch again. Each caller gets its own copy of the data.
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

// clone returns a copy of the result of a flight.
func clone(f *flight) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return append([]byte{}, f.data...), nil
}

// join returns the flight for a key, and starts a flight if there is none. If mine is true, the caller must fetch the
// document.
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

// leave ends a flight and wakes the callers that wait for its result.
func (f *flights) leave(key string, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.byKey, key)
	close(fl.done)
}
