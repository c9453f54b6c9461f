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

// fleet is the set of all simulated machines. The fleet verifies each manifest only once, because the simulated
// machines share the hub's processor, whereas each real machine has its own processor.
type fleet struct {
	hub   *simHub
	all   []*simulated
	again time.Duration // interval at which a machine repeats an unacknowledged batch

	library   *library
	unpackers sync.Pool // *gzip.Reader

	mu      sync.Mutex
	opened  map[[sha256.Size]byte]*wire.Manifest // verified manifests, by hash
	told    time.Time                            // time at which the first machine received the newest manifest
	watched uint64                               // version of the bundle before the measured change
	reached map[*simulated]time.Time             // time at which a newer version came into force, by machine
	notes   map[string]int                       // number of errors that a retry solved, by text
	news    map[*simulated]chan struct{}         // channel that signals that a machine has a change to publish
	waiters []chan struct{}                      // channels of running calls of await
}

// newFleet returns a fleet without machines.
func newFleet(hub *simHub) *fleet {
	return &fleet{hub: hub, again: simTimeout, library: newLibrary(), opened: map[[sha256.Size]byte]*wire.Manifest{},
		reached: map[*simulated]time.Time{}, notes: map[string]int{}, news: map[*simulated]chan struct{}{}}
}

// add adds a machine before the fleet runs.
func (f *fleet) add(m *simulated) {
	m.fleet, m.hub, m.inForce = f, f.hub, &wire.Manifest{}
	f.all, f.news[m] = append(f.all, m), make(chan struct{}, 1)
}

// run runs all machines until ctx ends.
func (f *fleet) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range f.all {
		all.Go(func() { m.run(ctx) })
	}
	all.Wait()
}

// open verifies a manifest only once for all machines.
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

// preload stores the chunks of a bundle on every machine, but not the bundle's version. Each machine therefore brings
// the current bundle into force once the machine is connected.
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

// addresses matches network addresses, which are removed from errors so that equal errors have equal texts.
var addresses = regexp.MustCompile(`[0-9.]+:[0-9]+(->[0-9.]+:[0-9]+)?`)

// countRetried counts an error that a retry solves.
func (f *fleet) countRetried(what string, err error) {
	text := what + ": " + fmt.Sprintf("%.80s", addresses.ReplaceAllString(fmt.Sprint(err), "…"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[text]++
}

// takeNotes returns the errors since the last call.
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

// inForce records that a version is in force on a machine, and makes the machine publish that version.
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

// changesOf returns the channel that signals a machine to publish its changes.
func (f *fleet) changesOf(m *simulated) <-chan struct{} { return f.news[m] }

// changed wakes all running calls of await.
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

// await returns once done returns true, or with an error after the time most.
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
	look := time.NewTicker(50 * time.Millisecond) // also check for changes without an event, such as a reconnection
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

// connected returns the number of connected machines.
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

// watch starts the measurement of when versions newer than this version come into force.
func (f *fleet) watch(version uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched = version
	clear(f.reached)
}

// firstManifestAfter returns the time from at until the first machine received the newest manifest.
func (f *fleet) firstManifestAfter(at time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told.Sub(at)
}

// since returns the sorted times from at until the watched version was in force on each machine.
func (f *fleet) since(at time.Time) (out []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.reached {
		out = append(out, t.Sub(at))
	}
	slices.Sort(out)
	return out
}

// allOn reports whether all machines have this bundle version or a newer version.
func (f *fleet) allOn(version uint64) bool {
	for _, m := range f.all {
		if m.version.Load() < version {
			return false
		}
	}
	return true
}

// bytes returns the sorted numbers of bytes that each machine has received since the last call.
func (f *fleet) bytes() (out []int64) {
	for _, m := range f.all {
		out = append(out, m.bytes.Swap(0))
	}
	slices.Sort(out)
	return out
}
