package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
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

// Builder builds and installs the site's bundles. One goroutine calls Run or Once.
type Builder struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	build   func(ctx context.Context, s Snapshot, o Order) (*site.Built, error) // Options.Build
	install Installer
	life    time.Duration // how long a bundle is fresh
	rows    *bundleRows
	status  *buildStatus
	wake    chan struct{} // Run must build a bundle even if its content is the one in force
}

// Run builds bundles until ctx ends: at once, whenever the directory or the policy changes, and before machines take
// the bundle in force for old.
func (s *Builder) Run(ctx context.Context) error {
	if s.build == nil || s.install == nil {
		return errors.New("publish: Options.Build and Options.Install are required")
	}
	sub, cancel := s.site.Subscribe(store.Directory, store.Policy)
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
		due, err := s.next(ctx, force)
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
		timer.Reset(max(due.Sub(s.now()), renewLeast))
	}
}

// Rebuild has Run build and install a bundle, also one of the same content: Install repairs what the disk has damaged.
func (s *Builder) Rebuild() {
	select {
	case s.wake <- struct{}{}:
	default: // it is asked for already
	}
}

// Once builds and installs the next bundle, whether or not its content is new. Run must not run meanwhile.
func (s *Builder) Once(ctx context.Context) error {
	if s.build == nil || s.install == nil {
		return errors.New("publish: Options.Build and Options.Install are required")
	}
	_, err := s.next(ctx, true)
	return err
}

// note keeps the result of the newest build, and tells watchers if it changed.
func (s *Builder) note(ctx context.Context, err error) {
	if err != nil {
		s.log.Warn("bundle build failed", "err", err)
	}
	if s.status.finish(err, s.now()) {
		s.tell(ctx)
	}
}

// tell notifies subscribers of the topic Bundle that the state of the bundle has changed.
func (s *Builder) tell(ctx context.Context) {
	err := s.site.Write(ctx, func(tx *store.Tx) error { tx.Changed(store.Bundle); return nil })
	if err != nil && ctx.Err() == nil { // the page shows it when it is next read
		s.log.Warn("bundle state change not announced", "err", err)
	}
}

// next builds a bundle, and installs it where its content is new, where the one in force is to be renewed, or where
// force says so. due is when the one in force is to be renewed.
func (s *Builder) next(ctx context.Context, force bool) (due time.Time, err error) {
	current, err := inForce(ctx, s.site)
	if err != nil {
		return time.Time{}, err
	}
	now, forgot := s.now(), s.rows.erasures.Load() > 0
	if current.Number == 0 { // without a policy there is nothing to build: the first one wakes Run
		return now.Add(renewMost), nil
	}
	s.status.begin(current.Number)
	p, err := policyfile.Parse(fileName, []byte(current.Text))
	if err != nil {
		return time.Time{}, fmt.Errorf("policy %d: %w", current.Number, err)
	}
	before, err := installed(s.install)
	if err != nil { // the disk has damaged the manifest: the next bundle takes its place
		s.log.Warn("the manifest in force cannot be read", "err", err)
		before = wire.Manifest{}
	}
	floor, err := s.rows.floor(ctx)
	if err != nil {
		return time.Time{}, err
	}
	version, err := nextVersion(max(floor, before.Version), now)
	if err != nil {
		return time.Time{}, err
	}
	built, err := s.build(ctx, current.snapshot(), Order{Version: version, Issued: now, Expires: now.Add(s.life)})
	if err != nil {
		return time.Time{}, err
	}
	s.noteWanted(ctx, built.Unsigned)
	renewAt := before.Issued.Add(s.renewAfter(p))
	fresh := now.Before(renewAt) && !before.Issued.After(now) // a clock that ran ahead may have made the one in force
	if !force && fresh && floor <= before.Version && sameContent(built.Manifest, before) {
		return renewAt, s.rows.warn(ctx, before.Version, current.Number, built, forgot)
	}
	if _, err := s.install.Install(built.Signed, built.Chunk); err != nil {
		return time.Time{}, fmt.Errorf("bundle %d: %w", version, err)
	}
	if err := s.rows.add(ctx, current.Number, before, built, forgot); err != nil {
		return time.Time{}, fmt.Errorf("bundle %d is in force, and not noted: %w", version, err)
	}
	s.log.Info(
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

// nextVersion is higher than every version that was in force here, or that a machine reported: floor. It is at least
// the time in seconds, as of "portillon bundle build": so a hub that was restored from a backup goes on above what it
// had.
func nextVersion(floor uint64, now time.Time) (uint64, error) {
	if floor >= maxVersion {
		return 0, fmt.Errorf("bundle version %d is in force, and no higher one can be made", floor)
	}
	return max(floor+1, uint64(max(now.Unix(), 1))), nil
}

// maxVersion bounds a version: databases and JSON know no larger whole numbers exactly (RFC 8259, section 6).
const maxVersion = 1<<53 - 1

// maxWanted bounds the documents that are named as waiting for a signature.
const maxWanted = 100

// noteWanted keeps what waits for the policy key, and tells those who watch where that changed.
func (s *Builder) noteWanted(ctx context.Context, u site.Unsigned) {
	var now *Wanted
	if !u.IsZero() {
		now = &Wanted{Documents: append([]string{}, u.Documents[:min(len(u.Documents), maxWanted)]...),
			Members: len(u.Members)}
	}
	if !s.status.want(now) {
		return
	}
	if now != nil {
		s.log.Warn("policy signature wanted", "documents", len(u.Documents), "members", len(u.Members))
	}
	s.tell(ctx)
}

// renewAfter is how old a bundle gets before it is renewed. A machine with fresh: refuses most roles once its bundle is
// older than that.
func (s *Builder) renewAfter(p *policy.Policy) time.Duration {
	after := min(renewMost, s.life/renewalsPer)
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
