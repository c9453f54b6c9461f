package display

import (
	"context"
	"sync"
	"time"

	"portillon/hub/fault"
	"portillon/policy"
)

const (
	freshness   = 5 * time.Second // time for which Board reuses the machines that it read
	readTimeout = 5 * time.Second // timeout for reading the machines and names
)

// Board shows the machines to people who are not signed in.
type Board struct {
	o        Options
	settings *Settings
	screens  *Screens

	mu   sync.Mutex // locked while the machines are read, so that concurrent requests wait for one result
	last reading
}

// reading is what Board read last. An error is kept too: a database that fails is not asked more often than one that
// works.
type reading struct {
	at       time.Time
	machines []Machine
	names    map[policy.MemberID]string
	err      error
}

// Public is the public status of the site.
type Public struct {
	At       time.Time // time at which the states were read
	Machines []Shown   // sorted by id
	SpaceAPI bool      // the site also publishes a SpaceAPI document
}

// Wall is the content of a wall screen.
type Wall struct {
	At       time.Time
	Machines []WallMachine // sorted by id
}

// errOff is the answer while the site has no public status. It does not differ from the answer for an address that does
// not exist.
func errOff() error { return &fault.NotFound{What: "page"} }

// Public returns the public status. The error is *fault.NotFound if the site has no public status.
func (b *Board) Public(ctx context.Context) (Public, error) {
	s := b.settings.Current()
	if !s.Public {
		return Public{}, errOff()
	}
	r := b.read(ctx)
	return Public{At: r.at, Machines: shown(r.machines), SpaceAPI: s.complete()}, r.err
}

// SpaceAPI returns the site's SpaceAPI document. The error is *fault.NotFound if the site has no public status, or if a
// value that the format requires is missing.
func (b *Board) SpaceAPI(ctx context.Context) ([]byte, error) {
	s := b.settings.Current()
	if !s.Public || !s.complete() {
		return nil, errOff()
	}
	r := b.read(ctx)
	if r.err != nil {
		return nil, r.err
	}
	zone := ""
	if b.o.Zone != nil {
		if z := b.o.Zone(); z != nil {
			zone = z.String()
		}
	}
	return spaceAPI(s, b.o.Title(), b.o.URL(), zone, shown(r.machines))
}

// Wall returns the content of a wall screen with this key. The error is *fault.NotFound for a wrong or revoked key, or
// the error of Options.Wrong after too many wrong keys from the client's address.
func (b *Board) Wall(ctx context.Context, key, address string) (Wall, error) {
	if err := b.screens.check(ctx, key, address); err != nil {
		return Wall{}, err
	}
	r := b.read(ctx)
	return Wall{At: r.at, Machines: onWall(r.machines, r.names)}, r.err
}

// read returns the machines and the names of their users. read asks the database only if the last reading is older than
// freshness.
func (b *Board) read(ctx context.Context) reading {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.o.Now()
	// A negative age means that the clock was set back.
	if age := now.Sub(b.last.at); !b.last.at.IsZero() && age >= 0 && age < freshness {
		return b.last
	}
	// The result serves other requests too, so it must not depend on whether this request is cancelled.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readTimeout)
	defer cancel()
	r := reading{at: now}
	if r.machines, r.err = b.o.Machines(ctx); r.err == nil {
		r.names, r.err = b.namesOf(ctx, r.machines)
	}
	b.last = r
	return r
}

// namesOf returns the names of the members who use a machine now.
func (b *Board) namesOf(ctx context.Context, all []Machine) (map[policy.MemberID]string, error) {
	var ids []policy.MemberID
	for _, m := range all {
		if m.Session != nil && m.Session.Member != "" {
			ids = append(ids, m.Session.Member)
		}
	}
	if len(ids) == 0 || b.o.Names == nil {
		return nil, nil
	}
	return b.o.Names(ctx, ids)
}
