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

// Bundles tells the state of the bundle in force, and receives bundles that machines returned.
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

// Current is the bundle in force, and which bundle each machine works from. Where none is in force, its Version is 0.
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
	if a.May(actor.ReadMembers, actor.Target{}) != nil { // both name members, cards and badges
		out.Warnings = nil
		if out.Problem != "" {
			out.Problem = "the newest bundle cannot be built"
		}
	}
	return out, nil
}

// taken are the machines that the actor may see.
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

// Adopt takes note of a manifest that a machine returned. Where its version is higher than all that are known here, as
// after a backup was restored, Run publishes above it.
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
		current = wire.Manifest{} // damaged: what is noted counts
	}
	floor, err := s.rows.floor(ctx)
	if err != nil || m.Version < max(floor, current.Version) {
		return err
	}
	if m.Version == max(floor, current.Version) {
		if m.Version == current.Version && !sameBundle(m, current) { // of two bundles of one version a machine keeps its own
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

// sameBundle reports whether two manifests of one version are of one bundle, whoever else signed them.
func sameBundle(a, b wire.Manifest) bool {
	a.CardCheck, b.CardCheck = "", ""
	return a.Issued.Equal(b.Issued) && sameContent(a, b)
}
