package publish

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/wire"
)

// Bundles returns the state of the bundle in force, and receives the manifests that machines return.
type Bundles struct {
	site    *store.Site
	now     func() time.Time
	log     *slog.Logger
	keys    note.Verifiers // Options.Keys
	states  func(ctx context.Context) ([]Taken, error)
	install Installer
	rows    *bundleRows
	status  *buildStatus
	builder *Builder
}

// Current returns the bundle in force, and the bundle that each machine uses. If no bundle is in force, Bundle.Version
// is 0.
func (s *Bundles) Current(ctx context.Context, a actor.Actor) (Bundle, error) {
	if err := a.May(actor.ReadMachines, actor.Target{}); err != nil {
		return Bundle{}, err
	}
	m, err := installedManifest(s.install)
	if err != nil {
		return Bundle{}, err
	}
	out, err := s.rows.read(ctx, m)
	if err != nil {
		return Bundle{}, err
	}
	if out.Taken, err = s.takenBundles(ctx, a); err != nil {
		return Bundle{}, err
	}
	if out.Returned, err = s.rows.lastReturn(ctx); err != nil {
		return Bundle{}, err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Bundle{}, err
	}
	s.status.addTo(&out, current.Number, s.builder.build != nil)
	if a.May(actor.ReadMembers, actor.Target{}) != nil { // the texts below name members, cards and badges
		out.Warnings = nil
		if out.Problem != "" {
			out.Problem = "the newest bundle cannot be built"
		}
	}
	return out, nil
}

// takenBundles returns the machines that the actor may see, with the bundle that each machine uses.
func (s *Bundles) takenBundles(ctx context.Context, a actor.Actor) ([]Taken, error) {
	out := []Taken{}
	if s.states == nil {
		return out, nil
	}
	all, err := s.states(ctx)
	if err != nil {
		return nil, err
	}
	for _, t := range all {
		if a.May(actor.ReadMachines, actor.Target{Machine: t.Machine}) == nil {
			out = append(out, t)
		}
	}
	return out, nil
}

// Adopt stores the version of a manifest that a machine returned. After a restore from a backup, the version may be
// higher than every version that the hub knows. Because of that version, Run gives the next bundle a higher version
// than the returned manifest.
func (s *Bundles) Adopt(ctx context.Context, signed []byte) error {
	if s.keys == nil {
		return errors.New("publish: cannot check the returned manifest, because no trusted key for manifests is configured")
	}
	m, err := wire.OpenManifest(signed, s.keys)
	if err != nil {
		return fmt.Errorf("publish: returned manifest is invalid: %w", err)
	}
	if m.Site != s.site.ID() {
		return fmt.Errorf("publish: returned manifest belongs to site %q, want site %q", m.Site, s.site.ID())
	}
	if m.Version >= maxVersion {
		return fmt.Errorf("publish: returned manifest has version %d, want a version below %d", m.Version, uint64(maxVersion))
	}
	current, err := installedManifest(s.install)
	if err != nil {
		current = wire.Manifest{} // the manifest in force is damaged: compare only with the stored version
	}
	floor, err := s.rows.highestVersion(ctx)
	if err != nil || m.Version < max(floor, current.Version) {
		return err
	}
	if m.Version == max(floor, current.Version) {
		// A machine refuses a bundle that differs from its own and has the same version, so that the hub needs a
		// higher version.
		if m.Version == current.Version && !sameBundle(m, current) {
			s.builder.Rebuild()
		}
		return nil
	}
	if err := s.rows.storeReturned(ctx, m.Version, s.now()); err != nil {
		return err
	}
	s.log.Warn("machine uses a newer bundle than the hub, building a bundle with a higher version", "version", m.Version,
		"issued", m.Issued.Format(time.RFC3339))
	s.builder.Rebuild()
	return nil
}

// sameBundle reports whether two manifests describe the same bundle. sameBundle ignores additional signatures.
func sameBundle(a, b wire.Manifest) bool {
	a.CardCheck, b.CardCheck = "", ""
	return a.Issued.Equal(b.Issued) && sameContent(a, b)
}
