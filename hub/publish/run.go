package publish

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"portillon/hub/store"
	"portillon/policy"
	policyfile "portillon/policy/file"
	"portillon/site"
	"portillon/wire"
)

// Pauses of Run.
const (
	retryFirst  = 5 * time.Second // after a build that failed; doubled each time
	retryMost   = 5 * time.Minute
	renewMost   = 12 * time.Hour // the longest that a bundle is served without a renewal
	renewLeast  = time.Minute
	renewalsPer = 3 // how often a bundle is renewed within the time for which machines take it for fresh
)

// Run builds bundles until ctx ends: at once, whenever the directory or the policy changes, and before machines take
// the bundle in force for old.
func (s *Service) Run(ctx context.Context) error {
	if s.o.Build == nil || s.o.Install == nil {
		return errors.New("publish: nothing builds or installs bundles")
	}
	sub, cancel := s.o.Site.Subscribe(store.Directory, store.Policy)
	defer cancel()
	timer := time.NewTimer(0)
	defer timer.Stop()
	pause, force := retryFirst, false
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-sub.C():
			sub.Take() // what changes from now on makes one more build
		case <-s.wake:
			force = true
		case <-timer.C:
		}
		due, err := s.build(ctx, force)
		if ctx.Err() != nil {
			return nil
		}
		s.note(ctx, err)
		if err != nil { // force stays: what asked for it is still to be done
			timer.Reset(pause)
			pause = min(2*pause, retryMost)
			continue
		}
		pause, force = retryFirst, false
		timer.Reset(max(due.Sub(s.o.Now()), renewLeast))
	}
}

// Once builds and installs the next bundle, whether or not its content is new. Run must not run meanwhile.
func (s *Service) Once(ctx context.Context) error {
	if s.o.Build == nil || s.o.Install == nil {
		return errors.New("publish: nothing builds or installs bundles")
	}
	_, err := s.build(ctx, true)
	return err
}

// note keeps why the newest build failed, and tells those who watch where that changed.
func (s *Service) note(ctx context.Context, err error) {
	s.mu.Lock()
	before := s.problem
	s.tried = s.trying
	switch {
	case err == nil:
		s.problem, s.since = "", time.Time{}
	case s.problem == "":
		s.since = s.o.Now()
		fallthrough
	default:
		s.problem = err.Error()
		s.o.Log.Warn("bundle build failed", "err", err)
	}
	same := s.problem == before
	s.mu.Unlock()
	if !same {
		s.tell(ctx)
	}
}

// tell tells those who watch that how it stands with the bundle has changed.
func (s *Service) tell(ctx context.Context) {
	err := s.o.Site.Write(ctx, func(tx *store.Tx) error { tx.Changed(store.Bundle); return nil })
	if err != nil && ctx.Err() == nil { // the page shows it when it is next read
		s.o.Log.Warn("the bundle's state changed, and nobody was told", "err", err)
	}
}

// build builds a bundle, and installs it where its content is new, where the one in force is to be renewed, or where
// force says so. due is when the one in force is to be renewed.
func (s *Service) build(ctx context.Context, force bool) (due time.Time, err error) {
	current, err := s.inForce(ctx)
	if err != nil {
		return time.Time{}, err
	}
	now, forgot := s.o.Now(), s.forgot.Load() > 0
	if current.Number == 0 { // without a policy there is nothing to build: the first one wakes Run
		return now.Add(renewMost), nil
	}
	s.mu.Lock()
	s.trying = current.Number
	s.mu.Unlock()
	p, err := policyfile.Parse(fileName, []byte(current.Text))
	if err != nil {
		return time.Time{}, fmt.Errorf("policy %d: %w", current.Number, err)
	}
	before, err := s.installed()
	if err != nil { // the disk has damaged the manifest: the next bundle takes its place
		s.o.Log.Warn("the manifest in force cannot be read", "err", err)
		before = wire.Manifest{}
	}
	floor, err := s.floor(ctx)
	if err != nil {
		return time.Time{}, err
	}
	version, err := s.nextVersion(max(floor, before.Version))
	if err != nil {
		return time.Time{}, err
	}
	built, err := s.o.Build(ctx, current.snapshot(), Order{Version: version, Issued: now, Expires: now.Add(s.o.Life)})
	if err != nil {
		return time.Time{}, err
	}
	s.noteWanted(ctx, built.Unsigned)
	renewAt := before.Issued.Add(s.renewAfter(p))
	fresh := now.Before(renewAt) && !before.Issued.After(now) // a clock that ran ahead may have made the one in force
	if !force && fresh && floor <= before.Version && sameContent(built.Manifest, before) {
		return renewAt, s.warn(ctx, before.Version, current.Number, built, forgot)
	}
	if _, err := s.o.Install.Install(built.Signed, built.Chunk); err != nil {
		return time.Time{}, fmt.Errorf("bundle %d: %w", version, err)
	}
	if err := s.remember(ctx, current.Number, before, built, forgot); err != nil {
		return time.Time{}, fmt.Errorf("bundle %d is in force, and not noted: %w", version, err)
	}
	s.o.Log.Info(
		"bundle in force",
		"version",
		version,
		"policy",
		current.Number,
		"changed",
		len(changed(before, built.Manifest)),
	)
	return built.Manifest.Issued.Add(s.renewAfter(p)), nil
}

// maxWanted bounds the documents that are named as waiting for a signature.
const maxWanted = 100

// noteWanted keeps what waits for the policy key, and tells those who watch where that changed.
func (s *Service) noteWanted(ctx context.Context, u site.Unsigned) {
	var now *Wanted
	if !u.IsZero() {
		now = &Wanted{Documents: append([]string{}, u.Documents[:min(len(u.Documents), maxWanted)]...),
			Members: len(u.Members)}
	}
	s.mu.Lock()
	same := reflect.DeepEqual(s.wanted, now)
	s.wanted = now
	s.mu.Unlock()
	if same {
		return
	}
	if now != nil {
		s.o.Log.Warn("policy signature wanted", "documents", len(u.Documents), "members", len(u.Members))
	}
	s.tell(ctx)
}

// renewAfter is how old a bundle gets before it is renewed. A machine with fresh: refuses most roles once its bundle is
// older than that.
func (s *Service) renewAfter(p *policy.Policy) time.Duration {
	after := min(renewMost, s.o.Life/renewalsPer)
	for i := range p.Machines {
		if fresh := p.Machines[i].Fresh; fresh > 0 {
			after = min(after, fresh/renewalsPer)
		}
	}
	return max(after, renewLeast)
}

// sameContent reports whether two bundles differ at most in their versions and dates.
func sameContent(a, b wire.Manifest) bool {
	for _, m := range []*wire.Manifest{&a, &b} {
		m.Version, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
		if len(m.Chunks) == 0 {
			m.Chunks = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// changed are the chunks of a bundle that a machine which works from the one before has not.
func changed(before, after wire.Manifest) (out []wire.Chunk) {
	for _, c := range after.Chunks {
		if !slices.ContainsFunc(before.Chunks, func(x wire.Chunk) bool { return x.SHA256 == c.SHA256 }) {
			out = append(out, c)
		}
	}
	return out
}

// warningsOf are all that a build left out, bounded.
func warningsOf(b *site.Built) []string {
	const most = 500
	out := append(slices.Clone(b.Errors), b.Warnings...)
	if len(out) > most {
		out = append(out[:most:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}
