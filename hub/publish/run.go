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

// These are the pauses and intervals of Run.
const (
	retryFirst  = 5 * time.Second // pause after a failed build; each further failure doubles the pause
	retryMost   = 5 * time.Minute
	renewMost   = 12 * time.Hour // maximum age at which a bundle is renewed
	renewLeast  = time.Minute
	renewalsPer = 3 // number of renewals within the time for which machines accept a bundle as fresh
)

// Builder builds and installs the site's bundles. Run and Once must be called by only one goroutine.
type Builder struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	build   func(ctx context.Context, s Snapshot, o Order) (*site.Built, error) // Options.Build
	install Installer
	life    time.Duration // time for which a bundle stays fresh
	rows    *bundleRows
	status  *buildStatus
	wake    chan struct{} // a value in this channel makes Run install a bundle even if the content is unchanged
}

// Run builds bundles until ctx is done: at the start, whenever the directory or the policy changes, and before the
// bundle in force becomes stale.
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
			sub.Take() // a change of directory or policy after this point causes another build
		case <-s.wake:
			force = true
		case <-timer.C:
		}
		due, err := s.buildNext(ctx, force)
		if ctx.Err() != nil {
			return nil
		}
		s.recordResult(ctx, err)
		if err != nil { // force stays set until the forced build succeeds
			timer.Reset(pause)
			pause = min(2*pause, retryMost)
			continue
		}
		pause, force = retryFirst, false
		timer.Reset(max(due.Sub(s.now()), renewLeast))
	}
}

// Rebuild makes Run build and install a bundle even if the content has not changed. Installing a bundle also replaces
// chunks that the disk has damaged.
func (s *Builder) Rebuild() {
	select {
	case s.wake <- struct{}{}:
	default: // the channel already contains a request
	}
}

// Once builds and installs the next bundle, even if the content has not changed. Once must not be called while Run is
// running.
func (s *Builder) Once(ctx context.Context) error {
	if s.build == nil || s.install == nil {
		return errors.New("publish: Options.Build and Options.Install are required")
	}
	_, err := s.buildNext(ctx, true)
	return err
}

// recordResult stores the result of the newest build, and notifies subscribers if the result changed.
func (s *Builder) recordResult(ctx context.Context, err error) {
	if err != nil {
		s.log.Warn("bundle build failed", "err", err)
	}
	if s.status.finish(err, s.now()) {
		s.notify(ctx)
	}
}

// notify notifies subscribers of the topic Bundle that the state of the bundle has changed.
func (s *Builder) notify(ctx context.Context) {
	err := s.site.Write(ctx, func(tx *store.Tx) error { tx.Changed(store.Bundle); return nil })
	// The error is harmless: without a notification, a page shows the change when a person loads the page again.
	if err != nil && ctx.Err() == nil {
		s.log.Warn("notifying subscribers of a bundle change failed", "err", err)
	}
}

// buildNext builds a bundle. The bundle is installed if its content is new, if the bundle in force needs a
// renewal, or if force is true. The result due is the time of the next renewal.
func (s *Builder) buildNext(ctx context.Context, force bool) (due time.Time, err error) {
	current, err := inForce(ctx, s.site)
	if err != nil {
		return time.Time{}, err
	}
	now, forgot := s.now(), s.rows.erasures.Load() > 0
	if current.Number == 0 { // build nothing without a policy; the publication of the first policy wakes Run
		return now.Add(renewMost), nil
	}
	s.status.begin(current.Number)
	p, err := policyfile.Parse(fileName, []byte(current.Text))
	if err != nil {
		return time.Time{}, fmt.Errorf("cannot read policy %d: %w", current.Number, err)
	}
	before, err := installedManifest(s.install)
	if err != nil { // continue, because the next bundle replaces the damaged manifest on the disk
		s.log.Warn("reading the manifest in force failed", "err", err)
		before = wire.Manifest{}
	}
	floor, err := s.rows.highestVersion(ctx)
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
	s.storeWanted(ctx, built.Unsigned)
	renewAt := before.Issued.Add(s.renewAfter(p))
	// If the bundle in force has a date in the future, because the clock was wrong, the bundle is renewed.
	fresh := now.Before(renewAt) && !before.Issued.After(now)
	if !force && fresh && floor <= before.Version && sameContent(built.Manifest, before) {
		return renewAt, s.rows.updateWarnings(ctx, before.Version, current.Number, built, forgot)
	}
	if _, err := s.install.Install(built.Signed, built.Chunk); err != nil {
		return time.Time{}, fmt.Errorf("cannot install bundle %d: %w", version, err)
	}
	if err := s.rows.add(ctx, current.Number, before, built, forgot); err != nil {
		return time.Time{}, fmt.Errorf("bundle %d is in force, but its database row cannot be written: %w", version, err)
	}
	s.log.Info(
		"bundle came into force",
		"version",
		version,
		"policy",
		current.Number,
		"changed",
		len(newChunks(before, built.Manifest)),
	)
	return built.Manifest.Issued.Add(s.renewAfter(p)), nil
}

// nextVersion returns a bundle version that is higher than the version highest and at least the current Unix time in
// seconds. The command "portillon bundle build" uses the Unix time, too. Because of the Unix time, a hub that was
// restored from a backup uses higher versions than before the restore.
func nextVersion(highest uint64, now time.Time) (uint64, error) {
	if highest >= maxVersion {
		return 0, fmt.Errorf("bundle version %d is in use, and no higher version is possible", highest)
	}
	return max(highest+1, uint64(max(now.Unix(), 1))), nil
}

// maxVersion is the maximum version of a bundle, because JSON does not represent larger integers exactly (RFC 8259,
// section 6).
const maxVersion = 1<<53 - 1

// maxWanted is the maximum number of documents in the list of documents that wait for a signature.
const maxWanted = 100

// storeWanted stores the changes that wait for a signature of the policy key, and notifies subscribers if the changes
// differ from the stored changes.
func (s *Builder) storeWanted(ctx context.Context, u site.Unsigned) {
	var now *Wanted
	if !u.IsZero() {
		now = &Wanted{Documents: append([]string{}, u.Documents[:min(len(u.Documents), maxWanted)]...),
			Members: len(u.Members)}
	}
	if !s.status.setWanted(now) {
		return
	}
	if now != nil {
		s.log.Warn("changes wait for a signature of the policy key", "documents", len(u.Documents), "members", len(u.Members))
	}
	s.notify(ctx)
}

// renewAfter returns the age at which a bundle is renewed. If the policy sets fresh: for a machine, the machine refuses
// most roles when its bundle is older than this setting.
func (s *Builder) renewAfter(p *policy.Policy) time.Duration {
	after := min(renewMost, s.life/renewalsPer)
	for i := range p.Machines {
		if fresh := p.Machines[i].Fresh; fresh > 0 {
			after = min(after, fresh/renewalsPer)
		}
	}
	return max(after, renewLeast)
}

// sameContent reports whether two bundles differ only in their versions and dates.
func sameContent(a, b wire.Manifest) bool {
	for _, m := range []*wire.Manifest{&a, &b} {
		m.Version, m.Issued, m.Expires = 0, time.Time{}, time.Time{}
		if len(m.Chunks) == 0 {
			m.Chunks = nil
		}
	}
	return reflect.DeepEqual(a, b)
}

// newChunks returns the chunks of the bundle after that are not in the bundle before.
func newChunks(before, after wire.Manifest) (out []wire.Chunk) {
	for _, c := range after.Chunks {
		if !slices.ContainsFunc(before.Chunks, func(x wire.Chunk) bool { return x.SHA256 == c.SHA256 }) {
			out = append(out, c)
		}
	}
	return out
}

// warningsOf returns the errors and warnings about data that a bundle omits, at most 500.
func warningsOf(b *site.Built) []string {
	const most = 500
	out := append(slices.Clone(b.Errors), b.Warnings...)
	if len(out) > most {
		out = append(out[:most:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}
