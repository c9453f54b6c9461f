package publish_test

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/site"
)

// While the first bundle of a policy is being built, Current must not return the warnings of the previous bundle.
func TestNewPolicyHidesWarningsOfThePreviousBundle(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	var fails atomic.Bool
	var hold chan struct{}
	waiting := func(b *bench) {
		hold = make(chan struct{}, 1) // create the channel here, because it must belong to the synctest bubble
		build := b.o.Build
		b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
			select {
			case <-hold:
			case <-ctx.Done():
				return nil, ctx.Err()
			}
			if fails.Load() {
				return nil, errors.New("the roster is too large")
			}
			built, err := build(ctx, s, o)
			if err == nil {
				built.Warnings = []string{"oscar.json: the issuer is not known"}
				built.Unsigned = site.Unsigned{Documents: []string{"https://lab.example/jwks"}}
			}
			return built, err
		}
	}
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		if got := b.bundle(); got.Making != 1 || got.Problem != "" {
			t.Errorf("before the first bundle: %+v", got)
		}
		hold <- struct{}{}
		first := b.bundle()
		if first.Making != 0 || len(first.Warnings) != 1 || first.SignatureWanted == nil {
			t.Errorf("the first bundle: %+v", first)
		}

		fails.Store(true)
		b.publish(b.text+"# two\n", 1)
		if got := b.bundle(); got.Making != 2 || got.Warnings != nil || got.SignatureWanted != nil ||
			got.Version != first.Version {
			t.Errorf("while the second is made: %+v", got)
		}
		sub, cancel := b.site.Subscribe(store.Bundle)
		defer cancel()
		hold <- struct{}{}
		if got := b.bundle(); got.Making != 0 || got.Problem == "" || got.Since.IsZero() || len(got.Warnings) != 1 {
			t.Errorf("the second cannot be made: %+v", got)
		}
		if !slices.Contains(sub.Take(), store.Bundle) {
			t.Error("nobody was told that the build failed")
		}

		fails.Store(false)
		b.publish(b.text+"# three\n", 2)
		if got := b.bundle(); got.Making != 3 || got.Problem != "" || !got.Since.IsZero() {
			t.Errorf("while the third is made: %+v", got)
		}
		hold <- struct{}{}
		if got := b.bundle(); got.Making != 0 || got.Problem != "" || got.Policy != 3 || len(got.Warnings) != 1 {
			t.Errorf("the third bundle: %+v", got)
		}
		synctest.Wait()
	}, waiting)
}
