package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"regexp"
	"slices"
	"sync"
	"time"

	"portillon/wire"
)

// fleet is the set of all simulated machines. The fleet verifies each manifest only once, because all simulated
// machines share the processor with the hub, and each real machine has its own processor.
type fleet struct {
	hub   *simHub
	all   []*simulated
	again time.Duration // interval at which a machine repeats a batch that is not acknowledged

	library   *library
	unpackers sync.Pool // *gzip.Reader

	mu      sync.Mutex
	opened  map[[sha256.Size]byte]*wire.Manifest // manifests that are already verified, by hash
	told    time.Time                            // time at which the first of the machines received the newest manifest
	watched uint64                               // version of the bundle before the change that is measured
	reached map[*simulated]time.Time             // for each machine, the time at which a newer version came into force
	notes   map[string]int                       // number of errors that a retry solved, by error text
	// for each machine, the channel that signals that the machine must publish a change
	news    map[*simulated]chan struct{}
	waiters []chan struct{} // channels with which changed wakes the running calls of await
}

// newFleet returns a fleet without machines.
func newFleet(hub *simHub) *fleet {
	return &fleet{hub: hub, again: simTimeout, library: newLibrary(), opened: map[[sha256.Size]byte]*wire.Manifest{},
		reached: map[*simulated]time.Time{}, notes: map[string]int{}, news: map[*simulated]chan struct{}{}}
}

// add adds a machine; it must be called before run.
func (f *fleet) add(m *simulated) {
	m.fleet, m.hub, m.inForce = f, f.hub, &wire.Manifest{}
	f.all, f.news[m] = append(f.all, m), make(chan struct{}, 1)
}

// run runs all machines of the fleet until ctx ends.
func (f *fleet) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range f.all {
		all.Go(func() { m.run(ctx) })
	}
	all.Wait()
}

// open verifies a manifest, once for all machines.
func (f *fleet) open(signed []byte) (*wire.Manifest, error) {
	key := sha256.Sum256(signed)
	f.mu.Lock()
	defer f.mu.Unlock()
	if m, ok := f.opened[key]; ok {
		return m, nil
	}
	m, err := wire.OpenManifest(signed, f.hub.keys)
	if err != nil {
		return nil, err
	}
	f.opened[key], f.told = &m, time.Now()
	return &m, nil
}

// preload stores the chunks of a bundle on every machine, but does not set the version of the bundle. Each machine
// therefore needs to fetch nothing, and brings the current bundle into force when it is connected.
func (f *fleet) preload(s wire.Store, m wire.Manifest) error {
	for _, c := range m.Chunks {
		b, err := s.Chunk(m, c.Name)
		if err != nil {
			return err
		}
		f.library.add(c.SHA256, b)
	}
	for _, x := range f.all {
		x.inForce = &m
	}
	return nil
}

// addresses matches network addresses. They are removed from errors, so that errors with the same cause have the same
// text.
var addresses = regexp.MustCompile(`[0-9.]+:[0-9]+(->[0-9.]+:[0-9]+)?`)

// countRetried counts an error that a retry has solved.
func (f *fleet) countRetried(what string, err error) {
	text := what + ": " + fmt.Sprintf("%.80s", addresses.ReplaceAllString(fmt.Sprint(err), "…"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[text]++
}

// takeNotes returns the counted errors since its last call.
func (f *fleet) takeNotes() (out []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for text, n := range f.notes {
		out = append(out, fmt.Sprintf("%d × %s", n, text))
	}
	clear(f.notes)
	slices.Sort(out)
	return out
}

// inForce stores that a version is in force on a machine, and makes the machine publish this version.
func (f *fleet) inForce(m *simulated, version uint64) {
	f.mu.Lock()
	if _, counted := f.reached[m]; !counted && version > f.watched {
		f.reached[m] = time.Now()
	}
	f.mu.Unlock()
	f.notify(m)
	f.changed()
}

// notify makes a machine publish its changed state.
func (f *fleet) notify(m *simulated) {
	select {
	case f.news[m] <- struct{}{}:
	default:
	}
}

// changesOf returns the channel that signals that a machine must publish its changes.
func (f *fleet) changesOf(m *simulated) <-chan struct{} { return f.news[m] }

// changed wakes all running calls of await, so that they check their condition.
func (f *fleet) changed() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, w := range f.waiters {
		select {
		case w <- struct{}{}:
		default:
		}
	}
}

// await returns when the function done returns true, or with an error after the time most.
func (f *fleet) await(ctx context.Context, most time.Duration, what string, done func() bool) error {
	w := make(chan struct{}, 1)
	f.mu.Lock()
	f.waiters = append(f.waiters, w)
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.waiters = slices.DeleteFunc(f.waiters, func(x chan struct{}) bool { return x == w })
	}()
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	// check also without a signal, because some changes, such as a reconnection, send none
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for !done() {
		select {
		case <-w:
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf(
				"condition %q was not met within %v; %d of %d machines are connected; errors: %v",
				what,
				most,
				f.connected(),
				len(f.all),
				f.takeNotes(),
			)
		}
	}
	return nil
}

// connected returns how many machines are connected to the broker.
func (f *fleet) connected() (n int) {
	for _, m := range f.all {
		m.mu.Lock()
		if m.online {
			n++
		}
		m.mu.Unlock()
	}
	return n
}

// watch starts a measurement: for each machine, the time at which a version newer than the given version comes into
// force.
func (f *fleet) watch(version uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched = version
	clear(f.reached)
}

// firstManifestAfter returns the time between at and the moment when the first machine received the newest manifest.
func (f *fleet) firstManifestAfter(at time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told.Sub(at)
}

// since returns, sorted, how long after the time at the watched version came into force on each machine.
func (f *fleet) since(at time.Time) (out []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.reached {
		out = append(out, t.Sub(at))
	}
	slices.Sort(out)
	return out
}

// allOn reports whether all machines have this version of the bundle or a newer one.
func (f *fleet) allOn(version uint64) bool {
	for _, m := range f.all {
		if m.version.Load() < version {
			return false
		}
	}
	return true
}

// bytes returns, sorted, how many bytes each machine has received since the last call of bytes.
func (f *fleet) bytes() (out []int64) {
	for _, m := range f.all {
		out = append(out, m.bytes.Swap(0))
	}
	slices.Sort(out)
	return out
}
