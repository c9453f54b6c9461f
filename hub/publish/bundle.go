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

// Bundles returns the state of the bundle in force, and receives bundles that machines return.
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

// Current returns the bundle in force, and the bundle that each machine uses. If no bundle is in force, its Version is
// 0.
func (s *Bundles) Current(ctx context.Context, a actor.Actor) (Bundle, error) {
	if err := a.May(actor.ReadMachines, actor.Target{}); err != nil {
		return Bundle{}, err
	}
	m, err := installed(s.install)
	if err != nil {
		return Bundle{}, err
	}
	out, err := s.rows.read(ctx, m)
	if err != nil {
		return Bundle{}, err
	}
	if out.Taken, err = s.taken(ctx, a); err != nil {
		return Bundle{}, err
	}
	if out.Returned, err = s.rows.returned(ctx); err != nil {
		return Bundle{}, err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Bundle{}, err
	}
	s.status.addTo(&out, current.Number, s.builder.build != nil)
	if a.May(actor.ReadMembers, actor.Target{}) != nil { // these fields name members, cards and badges
		out.Warnings = nil
		if out.Problem != "" {
			out.Problem = "the newest bundle cannot be built"
		}
	}
	return out, nil
}

// taken returns the machines that the actor may see, with the bundle that each of them uses.
func (s *Bundles) taken(ctx context.Context, a actor.Actor) ([]Taken, error) {
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

// Adopt stores the version of a manifest that a machine returned. If the version is higher than every version known
// here, which happens after a restore from a backup, Run publishes the next bundle with a version above it.
func (s *Bundles) Adopt(ctx context.Context, signed []byte) error {
	if s.keys == nil {
		return errors.New("publish: adopt manifest: no trusted key for manifests is configured")
	}
	m, err := wire.OpenManifest(signed, s.keys)
	if err != nil {
		return fmt.Errorf("publish: adopt manifest: %w", err)
	}
	if m.Site != s.site.ID() {
		return fmt.Errorf("publish: adopt manifest: the manifest is of site %q, want %q", m.Site, s.site.ID())
	}
	if m.Version >= maxVersion {
		return fmt.Errorf("publish: adopt manifest: version %d, want less than %d", m.Version, uint64(maxVersion))
	}
	current, err := installed(s.install)
	if err != nil {
		current = wire.Manifest{} // damaged manifest: only the stored version counts
	}
	floor, err := s.rows.floor(ctx)
	if err != nil || m.Version < max(floor, current.Version) {
		return err
	}
	if m.Version == max(floor, current.Version) {
		// Of two different bundles with the same version, each machine keeps the one that it has.
		if m.Version == current.Version && !sameBundle(m, current) {
			s.builder.Rebuild()
		}
		return nil
	}
	if err := s.rows.raiseFloor(ctx, m.Version, s.now()); err != nil {
		return err
	}
	s.log.Warn("a machine works from a newer bundle than any known here; a newer one is built", "version", m.Version,
		"issued", m.Issued.Format(time.RFC3339))
	s.builder.Rebuild()
	return nil
}

// sameBundle reports whether two manifests describe the same bundle. Additional signatures make no difference.
func sameBundle(a, b wire.Manifest) bool {
	a.CardCheck, b.CardCheck = "", ""
	return a.Issued.Equal(b.Issued) && sameContent(a, b)
}
