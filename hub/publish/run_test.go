package publish_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"portillon/hub/actor"
	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// runInBubble runs the Builder of a bench in a synctest bubble, with the bubble's clock, until test returns.
func runInBubble(t *testing.T, test func(b *bench), with ...func(*bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, append(append([]func(*bench){func(b *bench) { b.o.Now = time.Now }}, with...), countBuilds)...)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- b.s.Builder.Run(ctx) }()
		synctest.Wait()
		test(b)
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// countBuilds makes a bench count its builds.
func countBuilds(b *bench) {
	build := b.o.Build
	b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
		b.builds.Add(1)
		return build(ctx, s, o)
	}
}

// changeDirectory notifies the Builder that the directory changed.
func (b *bench) changeDirectory() {
	b.t.Helper()
	if err := b.site.Write(b.ctx, func(tx *store.Tx) error { tx.Changed(store.Directory); return nil }); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) bundle() publish.Bundle {
	b.t.Helper()
	synctest.Wait()
	out, err := b.s.Bundles.Current(b.ctx, owner)
	if err != nil {
		b.t.Fatal(err)
	}
	return out
}

func TestPublishedPolicyCausesANewBundle(t *testing.T) {
	runInBubble(t, func(b *bench) {
		if got := b.bundle(); got.Version != 0 || got.Problem != "" || b.builds.Load() != 0 {
			t.Fatalf("without a policy: %+v, %d builds", got, b.builds.Load())
		}
		b.publish(b.text, 0)
		first := b.bundle()
		if first.Version != uint64(time.Now().Unix()) || first.Policy != 1 || first.Members != 13 ||
			!slices.Contains(first.Changed, "policy.yaml") ||
			first.Bytes == 0 ||
			!first.At.Equal(time.Now()) ||
			!first.Expires.Equal(time.Now().AddDate(0, 0, 30)) {
			t.Errorf("%+v", first)
		}
		b.publish(b.editedPolicy("status-grace: 7d", "status-grace: 8d"), 1)
		second := b.bundle()
		if second.Version != first.Version+1 || second.Policy != 2 ||
			!slices.Equal(second.Changed, []string{"policy.yaml"}) ||
			second.Bytes != int64(len(b.text)) {
			t.Errorf("%+v", second)
		}
	})
}

func TestUnsignedPolicyCausesNoBundle(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		if got := b.bundle(); got.Version != 0 || b.builds.Load() != 0 {
			t.Errorf("%+v", got)
		}
	}, withoutSigner)
}

func TestBundleIsBuiltAtStart(t *testing.T) {
	runInBubble(t, func(b *bench) {
		if got := b.bundle(); got.Policy != 1 {
			t.Errorf("%+v", got)
		}
	}, func(b *bench) {
		s, err := publish.New(b.o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Policies.Publish(b.ctx, owner, b.text, "", 0, nil); err != nil {
			t.Fatal(err)
		}
	})
}

func TestUnchangedContentCausesNoNewBundle(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		first := b.bundle()
		b.changeDirectory()
		if got := b.bundle(); got.Version != first.Version || b.builds.Load() != 2 {
			t.Errorf("version %d after %d, %d builds", got.Version, first.Version, b.builds.Load())
		}
	})
}

func TestChangesDuringABuildCauseOneFurtherBuild(t *testing.T) {
	var enter, leave chan struct{}
	runInBubble(t, func(b *bench) {
		enter, leave = make(chan struct{}), make(chan struct{})
		b.publish(b.text, 0)
		<-enter
		for range 5 {
			b.changeDirectory()
		}
		close(leave)
		<-enter
		b.bundle()
		if b.builds.Load() != 2 {
			t.Errorf("%d builds", b.builds.Load())
		}
	}, func(b *bench) {
		build := b.o.Build
		b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
			enter <- struct{}{}
			<-leave
			return build(ctx, s, o)
		}
	})
}

func TestFailedBuildKeepsTheBundleAndIsReported(t *testing.T) {
	var broken switchedError
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		first := b.bundle()
		const why = "card 1 of Léa is the same card as card 2 of Malik"
		broken.set(why)
		b.publish(b.editedPolicy("status-grace: 7d", "status-grace: 8d"), 1)
		got := b.bundle()
		if got.Version != first.Version || got.Problem != why || !got.Since.Equal(time.Now()) {
			t.Errorf("%+v", got)
		}
		seen, err := b.s.Bundles.Current(b.ctx, actor.Actor{Account: "5", Site: actor.Member})
		if err != nil || seen.Problem == "" ||
			strings.Contains(seen.Problem, "Léa") {
			t.Errorf("a member is told %q, %v", seen.Problem, err)
		}
		builds := b.builds.Load()
		time.Sleep(time.Hour)
		got = b.bundle()
		if tried := b.builds.Load() - builds; tried < 10 || tried > 30 || !got.Since.Equal(first.At) {
			t.Errorf("%d more tries in an hour, failing since %v", tried, got.Since)
		}
		broken.set("")
		time.Sleep(5 * time.Minute)
		if got = b.bundle(); got.Problem != "" || got.Policy != 2 || got.Version <= first.Version || !got.Since.IsZero() {
			t.Errorf("%+v", got)
		}
	}, func(b *bench) {
		build := b.o.Build
		b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
			if err := broken.err(); err != nil {
				return nil, err
			}
			return build(ctx, s, o)
		}
	})
}

// switchedError is an error that a test can set and clear.
type switchedError struct{ words atomic.Pointer[string] }

func (x *switchedError) set(words string) { x.words.Store(&words) }

func (x *switchedError) err() error {
	if w := x.words.Load(); w != nil && *w != "" {
		return errors.New(*w)
	}
	return nil
}

// failingInstaller is an Installer that refuses every bundle while its error is set.
type failingInstaller struct {
	installer
	*switchedError
}

func (f failingInstaller) Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error) {
	if err := f.err(); err != nil {
		return wire.Manifest{}, err
	}
	return f.installer.Install(signed, chunk)
}

func TestABundleThatCannotBeInstalledIsNotStored(t *testing.T) {
	var disk switchedError
	disk.set("no space left on device")
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		if got := b.bundle(); got.Version != 0 || !strings.Contains(got.Problem, "no space left on device") {
			t.Errorf("%+v", got)
		}
		disk.set("")
		time.Sleep(5 * time.Second)
		if got := b.bundle(); got.Version == 0 || got.Problem != "" {
			t.Errorf("%+v", got)
		}
	}, func(b *bench) { b.o.Install = failingInstaller{installer{&b.store}, &disk} })
}

func TestBundleIsRenewedBeforeItBecomesStale(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	for name, c := range map[string]struct {
		text  func(b *bench) string
		after time.Duration
	}{
		"by default": {func(b *bench) string { return b.text }, 12 * time.Hour},
		"fresh: 3h": {func(b *bench) string {
			return b.editedPolicy("  laser:\n", "  laser:\n    bundle: { fresh: 3h, then: [maintainer] }\n")
		}, time.Hour},
		"fresh: 1 min.": {func(b *bench) string {
			return b.editedPolicy("  laser:\n", "  laser:\n    bundle: { fresh: 1m, then: [maintainer] }\n")
		}, time.Minute},
	} {
		runInBubble(t, func(b *bench) {
			b.publish(c.text(b), 0)
			first := b.bundle()
			time.Sleep(c.after - time.Second)
			if got := b.bundle(); got.Version != first.Version {
				t.Errorf("%s: renewed after %v", name, got.At.Sub(first.At))
			}
			time.Sleep(time.Second)
			got := b.bundle()
			if got.Version <= first.Version || got.At.Sub(first.At) != c.after || len(got.Changed) != 0 {
				t.Errorf("%s: %+v", name, got)
			}
		})
	}
}

func TestNextBundleVersionExceedsTheVersionsOfMachines(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		first := b.bundle()
		adopt := func(m wire.Manifest) error {
			signed, err := wire.SignManifest(m, b.key)
			if err != nil {
				t.Fatal(err)
			}
			err = b.s.Bundles.Adopt(b.ctx, signed)
			synctest.Wait()
			return err
		}
		m, err := b.store.Current()
		if err != nil {
			t.Fatal(err)
		}
		if err := adopt(m); err != nil || b.bundle().Version != first.Version {
			t.Errorf("the one in force: %v, version %d", err, b.bundle().Version)
		}
		other := m
		other.Issued = m.Issued.Add(-time.Hour)
		if err := adopt(other); err != nil || b.bundle().Version != first.Version+1 {
			t.Errorf("another one of the same version: %v, version %d, want %d", err, b.bundle().Version, first.Version+1)
		}
		m.Version += 1000
		if err := adopt(m); err != nil {
			t.Fatal(err)
		}
		if got := b.bundle(); got.Version != m.Version+1 {
			t.Errorf("version %d after a machine reported %d", got.Version, m.Version)
		}
		m.Version -= 500
		if err := adopt(m); err != nil || b.bundle().Version != m.Version+501 {
			t.Errorf("a lower one: %v, version %d", err, b.bundle().Version)
		}
		for name, m := range map[string]wire.Manifest{
			"another site's":      {Site: "other", Version: m.Version + 9999, Chunks: m.Chunks},
			"the highest version": {Site: "biklab", Version: 1<<64 - 1, Chunks: m.Chunks},
		} {
			if err := adopt(m); err == nil {
				t.Errorf("%s was adopted", name)
			}
		}
		if err := b.s.Bundles.Adopt(b.ctx, []byte("words")); err == nil {
			t.Error("words were adopted")
		}
	})
}

func TestReturnedBundleVersionSurvivesARestart(t *testing.T) {
	const reported = 5_000_000_000
	runInBubble(t, func(b *bench) {
		if got := b.bundle(); got.Version != reported+1 {
			t.Errorf("version %d", got.Version)
		}
	}, func(b *bench) {
		s, err := publish.New(b.o)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.Policies.Publish(b.ctx, owner, b.text, "", 0, nil); err != nil {
			t.Fatal(err)
		}
		of := publish.Snapshot{Text: []byte(b.text)}
		built, err1 := b.build(b.ctx, of, publish.Order{Version: reported, Issued: time.Now(), Expires: time.Now()})
		same, err2 := b.build(b.ctx, of, publish.Order{Version: 10, Issued: time.Now(), Expires: time.Now()})
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		if _, err := b.store.Install(same.Signed, same.Chunk, nil); err != nil {
			t.Fatal(err)
		}
		if err := s.Bundles.Adopt(b.ctx, built.Signed); err != nil {
			t.Fatal(err)
		}
	})
}

func TestRebuildInstallsTheSameContentAgain(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		first := b.bundle()
		b.s.Builder.Rebuild()
		b.s.Builder.Rebuild()
		if got := b.bundle(); got.Version <= first.Version || len(got.Changed) != 0 {
			t.Errorf("%+v", got)
		}
	})
}

func TestCurrentListsEachMachineWithItsBundleOrItsRefusal(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		if got := b.bundle().Taken; len(got) != 2 || got[1].Refused != "wrong-hash" {
			t.Errorf("%+v", got)
		}
		mentor := actor.Actor{Account: "4", Machines: map[policy.MachineID]actor.Role{"laser": actor.Mentor}}
		got, err := b.s.Bundles.Current(b.ctx, mentor)
		if err != nil || len(got.Taken) != 1 || got.Taken[0].Machine != "laser" {
			t.Errorf("machines are %+v, %v", got.Taken, err)
		}
	}, func(b *bench) {
		b.o.States = func(context.Context) ([]publish.Taken, error) {
			return []publish.Taken{{Machine: "laser", Version: 5}, {Machine: "vinyl", Version: 4, Refused: "wrong-hash"}}, nil
		}
	})
}

func TestBundleWarningsNeedTheRightToReadMembers(t *testing.T) {
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		synctest.Wait()
		for name, want := range map[string]bool{"owner": true, "administrator": true, "maintainer": false, "mentor": false,
			"member": false} {
			got, err := b.s.Bundles.Current(b.ctx, actors()[name])
			if err != nil || got.Version == 0 {
				t.Fatalf("%s: %+v, %v", name, got, err)
			}
			if seen := slices.ContainsFunc(got.Warnings,
				func(w string) bool { return strings.Contains(w, "karim") }); seen != want {
				t.Errorf("%s sees %q", name, got.Warnings)
			}
		}
	}, func(b *bench) {
		build := b.o.Build
		b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
			built, err := build(ctx, s, o)
			if err == nil {
				built.Warnings = append(built.Warnings, "badges/karim.json: is no member's")
			}
			return built, err
		}
	})
}

func TestRunRequiresTheOptionsBuildAndInstall(t *testing.T) {
	b := newBench(t, func(b *bench) { b.o.Build = nil })
	if err := b.s.Builder.Run(b.ctx); err == nil {
		t.Error("no error")
	}
}

func TestDocumentsThatWaitForTheExternalKeyAreListed(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	var waits atomic.Pointer[site.Unsigned]
	waits.Store(&site.Unsigned{})
	runInBubble(t, func(b *bench) {
		b.publish(b.text, 0)
		sub, cancel := b.site.Subscribe(store.Bundle)
		defer cancel()
		for name, c := range map[string]struct {
			now  site.Unsigned
			want *publish.Wanted
		}{
			"a document": {site.Unsigned{Documents: []string{"https://lab.example/jwks"}},
				&publish.Wanted{Documents: []string{"https://lab.example/jwks"}}},
			"members": {site.Unsigned{Members: []policy.MemberID{"a", "b"}},
				&publish.Wanted{Documents: []string{}, Members: 2}},
			"too many": {site.Unsigned{Documents: make([]string, 300)}, &publish.Wanted{Documents: make([]string, 100)}},
			"nothing":  {},
		} {
			waits.Store(&site.Unsigned{})
			b.s.Builder.Rebuild()
			synctest.Wait()
			sub.Take()
			waits.Store(&c.now)
			b.s.Builder.Rebuild()
			synctest.Wait()
			if got := b.bundle(); !reflect.DeepEqual(got.SignatureWanted, c.want) {
				t.Errorf("%s: %+v, want %+v", name, got.SignatureWanted, c.want)
			}
		}
	}, func(b *bench) {
		build := b.o.Build
		b.o.Build = func(ctx context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
			built, err := build(ctx, s, o)
			if err == nil {
				built.Unsigned = *waits.Load()
			}
			return built, err
		}
	})
}
