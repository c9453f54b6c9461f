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

// fleet is all simulated machines. It opens each manifest once: a machine's own processor does that in reality, and
// those that are simulated share one with the hub.
type fleet struct {
	hub   *simHub
	all   []*simulated
	again time.Duration // after how long a machine sends again what is not acknowledged

	library   *library
	unpackers sync.Pool // *gzip.Reader

	mu      sync.Mutex
	opened  map[[sha256.Size]byte]*wire.Manifest
	told    time.Time                // when the newest manifest came to the first machine
	watched uint64                   // the version that stood before the change that is measured
	reached map[*simulated]time.Time // when a newer one came into force
	notes   map[string]int           // errors that were met and overcome, by their words
	kicked  map[*simulated]chan struct{}
	waiters []chan struct{}
}

// newFleet is a fleet without machines.
func newFleet(hub *simHub) *fleet {
	return &fleet{hub: hub, again: simTimeout, library: newLibrary(), opened: map[[sha256.Size]byte]*wire.Manifest{},
		reached: map[*simulated]time.Time{}, notes: map[string]int{}, kicked: map[*simulated]chan struct{}{}}
}

// add adds a machine before the fleet runs.
func (f *fleet) add(m *simulated) {
	m.fleet, m.hub, m.inForce = f, f.hub, &wire.Manifest{}
	f.all, f.kicked[m] = append(f.all, m), make(chan struct{}, 1)
}

// run runs all machines until ctx ends.
func (f *fleet) run(ctx context.Context) {
	var all sync.WaitGroup
	for _, m := range f.all {
		all.Go(func() { m.run(ctx) })
	}
	all.Wait()
}

// open verifies a manifest.
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

// give has every machine hold what a bundle holds, but for its version: it takes the bundle in force once it is
// connected.
func (f *fleet) give(s wire.Store, m wire.Manifest) error {
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

// addresses are those of connections, whose ports tell equal errors apart.
var addresses = regexp.MustCompile(`[0-9.]+:[0-9]+(->[0-9.]+:[0-9]+)?`)

// note counts an error that a machine gets over by trying again.
func (f *fleet) note(what string, err error) {
	text := what + ": " + fmt.Sprintf("%.80s", addresses.ReplaceAllString(fmt.Sprint(err), "…"))
	f.mu.Lock()
	defer f.mu.Unlock()
	f.notes[text]++
}

// takeNotes are the errors since the last call.
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

// inForce notes that a machine works from a version, and has it say so.
func (f *fleet) inForce(m *simulated, version uint64) {
	f.mu.Lock()
	if _, counted := f.reached[m]; !counted && version > f.watched {
		f.reached[m] = time.Now()
	}
	f.mu.Unlock()
	f.kick(m)
	f.changed()
}

// kick has a machine publish what is new of it.
func (f *fleet) kick(m *simulated) {
	select {
	case f.kicked[m] <- struct{}{}:
	default:
	}
}

func (f *fleet) speak(m *simulated) <-chan struct{} { return f.kicked[m] }

// changed wakes those that wait for the fleet.
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

// await returns once done holds, or an error after a while.
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
	look := time.NewTicker(50 * time.Millisecond) // what is no event: a connection that came back
	defer look.Stop()
	for !done() {
		select {
		case <-w:
		case <-look.C:
		case <-ctx.Done():
			return fmt.Errorf("%s: not within %v: %d of %d machines are there; met: %v", what, most, f.there(), len(f.all),
				f.takeNotes())
		}
	}
	return nil
}

// there counts the machines that are connected.
func (f *fleet) there() (n int) {
	for _, m := range f.all {
		m.mu.Lock()
		if m.online {
			n++
		}
		m.mu.Unlock()
	}
	return n
}

// watch measures from now on when a newer version than this one comes into force.
func (f *fleet) watch(version uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.watched = version
	clear(f.reached)
}

// toldAfter is how long after a moment the newest manifest came to the first machine.
func (f *fleet) toldAfter(at time.Time) time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.told.Sub(at)
}

// since is how long after a moment the version that is watched for came into force on each machine, sorted.
func (f *fleet) since(at time.Time) (out []time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.reached {
		out = append(out, t.Sub(at))
	}
	slices.Sort(out)
	return out
}

// allOn reports whether all machines work from this version or a newer one.
func (f *fleet) allOn(version uint64) bool {
	for _, m := range f.all {
		if m.version.Load() < version {
			return false
		}
	}
	return true
}

// bytes are how many bytes came to each machine since the last call, sorted.
func (f *fleet) bytes() (out []int64) {
	for _, m := range f.all {
		out = append(out, m.bytes.Swap(0))
	}
	slices.Sort(out)
	return out
}
