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

// Pauses and intervals of Run.
const (
	retryFirst  = 5 * time.Second // pause after a failed build; doubles with each failure
	retryMost   = 5 * time.Minute
	renewMost   = 12 * time.Hour // longest time for which a bundle is served without a renewal
	renewLeast  = time.Minute
	renewalsPer = 3 // renewals of a bundle within the time for which machines accept it as fresh
)

// Builder builds and installs the site's bundles. Run and Once must be called by only one goroutine.
type Builder struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	build   func(ctx context.Context, s Snapshot, o Order) (*site.Built, error) // Options.Build
	install Installer
	life    time.Duration // how long a bundle stays fresh
	rows    *bundleRows
	status  *buildStatus
	wake    chan struct{} // Run must build a bundle even if its content equals that of the bundle in force
}

// Run builds bundles until ctx ends: at its start, whenever the directory or the policy changes, and before the bundle
// in force becomes stale.
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
			sub.Take() // a change from now on causes one more build
		case <-s.wake:
			force = true
		case <-timer.C:
		}
		due, err := s.next(ctx, force)
		if ctx.Err() != nil {
			return nil
		}
		s.note(ctx, err)
		if err != nil { // keep force set: the forced build has not succeeded yet
			timer.Reset(pause)
			pause = min(2*pause, retryMost)
			continue
		}
		pause, force = retryFirst, false
		timer.Reset(max(due.Sub(s.now()), renewLeast))
	}
}

// Rebuild makes Run build and install a bundle even if its content has not changed. Install then repairs chunks that
// the disk has damaged.
func (s *Builder) Rebuild() {
	select {
	case s.wake <- struct{}{}:
	default: // a rebuild is already requested
	}
}

// Once builds and installs the next bundle, even if its content has not changed. Run must not be running.
func (s *Builder) Once(ctx context.Context) error {
	if s.build == nil || s.install == nil {
		return errors.New("publish: Options.Build and Options.Install are required")
	}
	_, err := s.next(ctx, true)
	return err
}

// note stores the result of the newest build, and notifies subscribers if the result changed.
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
	if err != nil && ctx.Err() == nil { // without a notification, a page shows the change when it is next loaded
		s.log.Warn("bundle state change not announced", "err", err)
	}
}

// next builds a bundle. It installs the bundle if its content is new, if the bundle in force needs a renewal, or if
// force is true. due is the time of the next renewal.
func (s *Builder) next(ctx context.Context, force bool) (due time.Time, err error) {
	current, err := inForce(ctx, s.site)
	if err != nil {
		return time.Time{}, err
	}
	now, forgot := s.now(), s.rows.erasures.Load() > 0
	if current.Number == 0 { // without a policy no bundle can be built; the first policy wakes Run
		return now.Add(renewMost), nil
	}
	s.status.begin(current.Number)
	p, err := policyfile.Parse(fileName, []byte(current.Text))
	if err != nil {
		return time.Time{}, fmt.Errorf("policy %d: %w", current.Number, err)
	}
	before, err := installed(s.install)
	if err != nil { // the manifest is damaged on the disk: the next bundle replaces it
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
	// A clock that was ahead may have given the bundle in force a date in the future; such a bundle is renewed.
	fresh := now.Before(renewAt) && !before.Issued.After(now)
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

// nextVersion returns a version that is higher than floor, the highest version that was in force here or that a machine
// reported. It is at least the current Unix time in seconds, like the versions of "portillon bundle build". A hub that
// was restored from a backup therefore continues above its earlier versions.
func nextVersion(floor uint64, now time.Time) (uint64, error) {
	if floor >= maxVersion {
		return 0, fmt.Errorf("bundle version %d is in force, and no higher one can be made", floor)
	}
	return max(floor+1, uint64(max(now.Unix(), 1))), nil
}

// maxVersion is the largest version: databases and JSON do not represent larger integers exactly (RFC 8259, section 6).
const maxVersion = 1<<53 - 1

// maxWanted limits the documents that are listed as waiting for a signature.
const maxWanted = 100

// noteWanted stores what waits for a signature by the policy key, and notifies subscribers if that changed.
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

// renewAfter returns the age at which a bundle is renewed. A machine with fresh: in its policy refuses most roles once
// its bundle is older than that setting.
func (s *Builder) renewAfter(p *policy.Policy) time.Duration {
	after := min(renewMost, s.life/renewalsPer)
	for i := range p.Machines {
		if fresh := p.Machines[i].Fresh; fresh > 0 {
			after = min(after, fresh/renewalsPer)
		}
	}
	return max(after, renewLeast)
}

// sameContent reports whether two bundles are equal, apart from their versions and dates.
func sameContent(a, b wire.Manifest) bool {
	for _, m := range []*wire.Manifest{&a, &b} {
		m.Version, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
		if len(m.Chunks) == 0 {
			m.Chunks = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// changed returns the chunks of a bundle that are not in the bundle before.
func changed(before, after wire.Manifest) (out []wire.Chunk) {
	for _, c := range after.Chunks {
		if !slices.ContainsFunc(before.Chunks, func(x wire.Chunk) bool { return x.SHA256 == c.SHA256 }) {
			out = append(out, c)
		}
	}
	return out
}

// warningsOf returns the warnings about everything that a bundle leaves out. Their number is limited.
func warningsOf(b *site.Built) []string {
	const most = 500
	out := append(slices.Clone(b.Errors), b.Warnings...)
	if len(out) > most {
		out = append(out[:most:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}
