package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"portillon/wire"
)

const (
	machinesP99   = 2 * time.Second // longest time until a change is in force on 99 of 100 machines
	machinesBytes = 64 << 10        // largest number of bytes that a machine may receive for a change of one member
	// longest time until all machines are connected after a restart and all their records are acknowledged
	machinesRestart = 30 * time.Second
	machinesMemory  = 300 << 20 // largest resident memory of the hub together with its broker
	// machinesWait is the timeout of each wait; it is long enough for a heavily loaded computer.
	machinesWait = 2 * time.Minute
	// machinesPause is the pause between two changes, so that a change does not affect the measurement of the next.
	machinesPause = 2 * time.Second
	restartBatch  = 10 // number of records that each machine writes while the hub does not run
)

// machinesRun is the state of one run of the row "machines".
type machinesRun struct {
	o     options
	site  *bigSite
	fleet *fleet
	hub   *hubProcess
	admin *admin
	sizes []int64 // for each kind of change, the largest median of the bytes that a machine has received
	fails []error // one text for each limit that was exceeded
}

// machines runs a hub with its broker in a child process, and simulates many machines in this process. The row
// measures three things: the time until a change is in force on all machines, the bytes that each machine receives,
// and the time that a killed hub needs until it works again.
func machines(ctx context.Context, o options) error {
	dir, err := os.MkdirTemp(o.dir, "portillon-machines-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r := &machinesRun{o: o}
	if r.site, err = newBigSite(filepath.Join(dir, "hub"), o.members, o.machines); err != nil {
		return err
	}
	if err := r.prepare(ctx); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.fleet.run(ctx)
	}()
	err = r.measure(ctx)
	cancel()
	<-done
	return errors.Join(err, r.hub.stop(), errors.Join(r.fails...))
}

// prepare creates the site. It adds members and badges through the API, and machines in the database of the stopped
// hub.
func (r *machinesRun) prepare(ctx context.Context) (err error) {
	began := time.Now()
	if r.hub, err = startProcess(ctx, r.o.log, childOfMachines, r.site.config); err != nil {
		return err
	}
	if r.admin, err = newAdmin(r.site.web); err != nil {
		return err
	}
	err = r.admin.createOwner(ctx, r.hub.code)
	if err == nil {
		err = r.site.fill(ctx, r.admin, func(string) {})
	}
	// Wait until the hub's bundle contains the badge of every member.
	h, herr := r.site.simHub()
	if r.fleet = newFleet(h); r.o.quick {
		r.fleet.again = time.Second
	}
	for err = errors.Join(err, herr); err == nil; {
		var all bool
		if all, err = r.isBuilt(); all {
			break
		}
		time.Sleep(200 * time.Millisecond)
	}
	// Stop the hub, write the machines into its database, and start the hub again.
	if err = errors.Join(err, r.hub.stop()); err != nil {
		return err
	}
	if err := r.site.enrol(ctx, r.fleet); err != nil {
		return err
	}
	m, err := r.store().Current()
	if err != nil {
		return err
	}
	if err := r.fleet.preload(r.store(), m); err != nil {
		return err
	}
	r.o.out(
		fmt.Sprintf(
			"  %d members with a card and a badge each, %d machines, made in %.0f s; a bundle of %d chunks",
			r.o.members,
			r.o.machines,
			time.Since(began).Seconds(),
			len(m.Chunks),
		),
	)
	args := []string{childOfMachines, r.site.config}
	if r.o.profile != "" {
		args = append(args, r.o.profile)
	}
	r.hub, err = startProcess(ctx, r.o.log, args...)
	return err
}

// isBuilt reports whether the current bundle contains the badge of every member.
func (r *machinesRun) isBuilt() (bool, error) {
	s := r.store()
	m, err := s.Current()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	badges := 0
	for i := range wire.Buckets {
		var bucket wire.RosterBucket
		b, cerr := s.Chunk(m, wire.RosterChunk(i))
		if err = errors.Join(err, cerr); err != nil || b == nil {
			continue // the chunk is missing, or the hub has just replaced this bundle by a newer one
		}
		if err := wire.DecodeChunk(b, &bucket); err != nil {
			return false, err
		}
		for _, x := range bucket.Members {
			badges += len(x.Badges)
		}
	}
	return badges == r.o.members, nil
}

// store returns the hub's store of bundles, for reading.
func (r *machinesRun) store() wire.Store {
	return wire.Store{Dir: filepath.Join(r.site.c.Data, "bundle"), Site: site, Keys: r.fleet.hub.keys}
}

// require stores an error text if ok is false.
func (r *machinesRun) require(kept bool, format string, a ...any) {
	if !kept {
		r.fails = append(r.fails, fmt.Errorf(format, a...))
	}
}

// measure runs all measurements in order: the first connection, each kind of change, the bare server, and a restart.
func (r *machinesRun) measure(ctx context.Context) error {
	began := time.Now()
	m, err := r.store().Current()
	if err != nil {
		return err
	}
	if err := r.fleet.await(ctx, machinesWait, "first connection",
		func() bool { return r.allConnected(m.Version) }); err != nil {
		return err
	}
	r.o.out(
		fmt.Sprintf(
			"  all connected for the first time, the bundle in force: %.1f s; %s",
			time.Since(began).Seconds(),
			r.hubUsage(),
		),
	)
	if err := r.waitUntilIdle(ctx); err != nil {
		return err
	}
	for _, c := range r.changes() {
		if err := r.change(ctx, c); err != nil {
			return fmt.Errorf("%s: %w", c.name, err)
		}
	}
	if err := r.bare(ctx); err != nil {
		return err
	}
	if err := r.restart(ctx); err != nil {
		return err
	}
	u, err := r.hub.usage()
	if err != nil {
		return err
	}
	r.require(u.peak <= machinesMemory, "hub with broker had %d MB resident, want at most %d",
		u.peak>>20, machinesMemory>>20)
	return nil
}

// waitUntilIdle waits until the hub has used less than 5 % of a processor for 3 s. After its start, the hub first
// verifies all badges, for its first bundle and for the directory.
func (r *machinesRun) waitUntilIdle(ctx context.Context) error {
	began := time.Now()
	for calm := 0; calm < 3 && time.Since(began) < machinesWait && !r.o.quick; {
		before, err := r.hub.usage()
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
		now, err := r.hub.usage()
		if err != nil {
			return err
		}
		if calm++; now.cpu-before.cpu > time.Second/20 {
			calm = 0
		}
	}
	r.o.out(fmt.Sprintf("  the hub is quiet %.1f s later: it has verified all badges; %s", time.Since(began).Seconds(),
		r.hubUsage()))
	return nil
}

// bare measures, for comparison, a bare server that sends the same number of bytes to each client over connections
// that are already open.
func (r *machinesRun) bare(ctx context.Context) error {
	for _, size := range r.sizes {
		own := cpuTime()
		times, err := bareTime(ctx, r.o.log, r.o.machines, size)
		if err != nil {
			return fmt.Errorf("measure the bare server: %w", err)
		}
		r.o.out(fmt.Sprintf("  beside it, a bare HTTPS server that gives %.1f KB to each over open connections: p50 %d ms, "+
			"p99 %d ms; processor %.2f s clients, opening the connections too; load %s", float64(size)/1024,
			times[len(times)/2].Milliseconds(), times[len(times)*99/100].Milliseconds(), (cpuTime() - own).Seconds(), load()))
	}
	return nil
}

// allConnected reports whether all machines are connected, have this version of the bundle and have no unacknowledged
// record.
func (r *machinesRun) allConnected(version uint64) bool {
	for _, m := range r.fleet.all {
		if !m.caughtUp(version) {
			return false
		}
	}
	return true
}

// hubUsage describes how much memory and processor time the hub uses.
func (r *machinesRun) hubUsage() string {
	u, err := r.hub.usage()
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf(
		"hub with broker: %d MB resident, %d at most, %.1f s of processor",
		u.resident>>20,
		u.peak>>20,
		u.cpu.Seconds(),
	)
}

// siteChange is a kind of change that an administrator makes.
type siteChange struct {
	name   string
	member bool // true: the change concerns only one member
	do     func(ctx context.Context, n int) error
}

// changes returns the kinds of change that are measured.
func (r *machinesRun) changes() []siteChange {
	member := func(n int) string { return fmt.Sprintf("/members/%s", memberName(n*7%r.o.members)) }
	return []siteChange{
		{"card", true, func(ctx context.Context, n int) error {
			return r.admin.api(ctx, "POST", member(n)+"/cards", "application/json", map[string]string{
				"number": fmt.Sprintf("05%012X", n)}, nil)
		}},
		{"badge", true, func(ctx context.Context, n int) error {
			data, err := r.site.badge(n * 7 % r.o.members)
			if err != nil {
				return err
			}
			return r.admin.api(ctx, "POST", member(n)+"/badges?name=new.jwt", "text/plain", data, nil)
		}},
		{"policy", false, func(ctx context.Context, n int) error {
			return r.admin.publish(ctx, r.site.policyText(fmt.Sprint("change ", n)))
		}},
	}
}

// change makes one kind of change o.rounds times, and measures each of these changes.
func (r *machinesRun) change(ctx context.Context, c siteChange) error {
	var sizes []int64
	for n := range r.o.rounds {
		if !r.o.quick {
			time.Sleep(machinesPause)
		}
		before, _, err := r.admin.bundle(ctx)
		if err != nil {
			return err
		}
		used, err := r.hub.usage()
		if err != nil {
			return err
		}
		// Set the counters to zero, make the change, and wait until it is in force on all machines.
		r.fleet.bytes()
		r.fleet.watch(before)
		own, at := cpuTime(), time.Now()
		if err := c.do(ctx, n); err != nil {
			return err
		}
		answered := time.Since(at)
		if err := r.fleet.await(ctx, machinesWait, c.name, func() bool { return r.fleet.allOn(before + 1) }); err != nil {
			return err
		}
		now, err := r.hub.usage()
		if err != nil {
			return err
		}
		// Print the measured values and compare them with the limits.
		times, bytes := r.fleet.since(at), r.fleet.bytes()
		p99, most := times[len(times)*99/100], bytes[len(bytes)-1]
		sizes = append(sizes, bytes[len(bytes)/2])
		r.o.out(fmt.Sprintf("  %-6s answered in %4d ms, manifest out after %4d ms; in force p50 %5d ms, p99 %5d ms, "+
			"last %5d ms; %.1f KB to each; processor %.2f s hub, %.2f s machines; load %s", c.name, answered.Milliseconds(),
			r.fleet.firstManifestAfter(at).Milliseconds(), times[len(times)/2].Milliseconds(), p99.Milliseconds(),
			times[len(times)-1].Milliseconds(), float64(most)/1024, (now.cpu - used.cpu).Seconds(), (cpuTime() - own).Seconds(),
			load()))
		r.require(p99 <= machinesP99, "%s: in force p99 after %v, want %v", c.name, p99.Round(time.Millisecond), machinesP99)
		r.require(
			!c.member || most <= machinesBytes,
			"%s: %d bytes came to a machine, want at most %d",
			c.name,
			most,
			machinesBytes,
		)
	}
	r.sizes = append(r.sizes, slices.Max(sizes))
	for _, note := range r.fleet.takeNotes() {
		r.o.out("    met: " + note)
	}
	return nil
}

// restart kills the hub, makes each machine write records, and starts the hub again. The measured time begins at the
// start of the hub and ends when all machines are connected and all their records are acknowledged.
func (r *machinesRun) restart(ctx context.Context) error {
	version, _, err := r.admin.bundle(ctx)
	if err != nil {
		return err
	}
	end := r.hub.kill
	if r.o.profile != "" { // do not ask for a profile, because a killed process writes none
		end = r.hub.stop
	}
	if err := end(); err != nil {
		return err
	}
	for _, m := range r.fleet.all {
		if err := m.record(restartBatch); err != nil {
			return err
		}
	}
	args := []string{childOfMachines, r.site.config}
	if r.o.profile != "" {
		args = append(args, r.o.profile+".restart")
	}
	began := time.Now()
	if r.hub, err = startProcess(ctx, r.o.log, args...); err != nil {
		return err
	}
	ready := time.Since(began)
	if err := r.fleet.await(ctx, machinesWait, "restart", func() bool { return r.allConnected(version) }); err != nil {
		return err
	}
	took := time.Since(began)
	r.o.out(
		fmt.Sprintf(
			"  hub killed (-9) and started: ready after %.1f s, all %d back, %d records of each acknowledged after %.1f s; %s; "+
				"load %s",
			ready.Seconds(),
			len(r.fleet.all),
			restartBatch,
			took.Seconds(),
			r.hubUsage(),
			load(),
		),
	)
	for _, note := range r.fleet.takeNotes() {
		r.o.out("    met: " + note)
	}
	r.require(
		took <= machinesRestart,
		"after a restart all are back after %v, want %v",
		took.Round(time.Millisecond),
		machinesRestart,
	)
	return nil
}
