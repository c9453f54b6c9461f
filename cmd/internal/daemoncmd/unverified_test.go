package daemoncmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/sitetest"
	"portillon/daemon"
	"portillon/daemon/roster"
	"portillon/rfid"
	"portillon/site"
	"portillon/wire"
)

// largeSite returns the updater of a machine at a site with more credentials than a start verifies, and a function
// that builds the site's bundle with this number of members.
func largeSite(t *testing.T) (k *bundleUpdater, build func(version uint64, members int) *site.Built) {
	skipIfShort(t, "signs hundreds of badges")
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-big")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	now := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	const members = unverifiedAtStart/3 + 10 // each member has three badges
	if err := sitetest.Make(dir, members, now); err != nil {
		t.Fatal(err)
	}
	s, err := site.Read(dir)
	if err != nil {
		t.Fatal(err)
	}
	card, all := bytes.Repeat([]byte{1}, 32), s.Members
	build = func(version uint64, n int) *site.Built {
		s.Members = all[:min(n, len(all))]
		b, err := s.Build(site.Order{Version: version, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: signer,
			CardKey: card})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return &bundleUpdater{
		machine:   "laser",
		store:     wire.Store{Dir: t.TempDir(), Site: "big", Keys: note.VerifierList(verifier)},
		options:   roster.Options{CardKey: card, Memory: filepath.Join(t.TempDir(), "verdicts")},
		now:       func() time.Time { return now },
		log:       slog.New(slog.DiscardHandler),
		manifests: make(chan []byte, 1),
	}, build
}

// hasCard reports whether a roster contains a member's card.
func hasCard(t *testing.T, r *roster.Roster, member int) bool {
	t.Helper()
	uid, err := rfid.ParseUID(sitetest.Card(member))
	if err != nil {
		t.Fatal(err)
	}
	_, ok := r.Lookup(uid)
	return ok
}

// At the daemon's start, a new bundle file contains thousands of unverified badges. Members tap while the bundle is
// verified.
func TestPreviousBundleIsUsedWhileTheNextBundleIsVerified(t *testing.T) {
	k, build := largeSite(t)
	first := build(1, 20)
	if _, err := k.store.Install(first.Signed, first.Chunk, nil); err != nil {
		t.Fatal(err)
	}
	k.conf.File = filepath.Join(t.TempDir(), "site.bundle")
	if err := wire.WriteFile(k.conf.File, bundleOf(t, build(2, 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := k.firstRoster()
	if err != nil || r == nil || r.Version != 1 || !hasCard(t, r, 3) || hasCard(t, r, 30) {
		t.Fatalf("start: %v, a roster %t; want version 1", err, r != nil)
	}
	if got := firstRosterOf(t, k); got == nil || got.Version != 2 || !hasCard(t, got, 30) {
		t.Error("run does not guardClient over version 2")
	}
}

// After an upgrade that changes the rules, or after the loss of the file with the verdicts, the machine knows no
// verdict. systemd waits 90 s for a start, and 30,000 signatures take minutes on a Pi Zero. The machine must therefore
// start at once, show that badges are being verified, and accept cards once the verification is complete.
func TestStartDoesNotWaitForThousandsOfUnverifiedBadges(t *testing.T) {
	k, build := largeSite(t)
	b := build(1, 1000)
	if _, err := k.store.Install(b.Signed, b.Chunk, nil); err != nil {
		t.Fatal(err)
	}
	var states []daemon.BundleState
	k.onState = func(s daemon.BundleState) { states = append(states, s) }
	r, err := k.firstRoster()
	if err != nil || r != nil {
		t.Fatalf("start: %v, a roster %t; want none yet", err, r != nil)
	}
	if len(states) == 0 || !states[len(states)-1].Verifying || states[len(states)-1].Refused != "" {
		t.Errorf("told %+v, want verifying", states)
	}
	if r := firstRosterOf(t, k); r == nil || r.Version != 1 || !hasCard(t, r, 30) {
		t.Error("run does not guardClient over version 1")
	}
	if last := states[len(states)-1]; last != (daemon.BundleState{Version: 1}) {
		t.Errorf("told at the end %+v", last)
	}
	k.state = daemon.BundleState{}
	if r, err := k.firstRoster(); err != nil || r == nil || r.Verified != 0 {
		t.Errorf("the next start: %v, a roster %t", err, r != nil)
	}
}

// firstRosterOf returns the first roster that the method run passes to its function take.
func firstRosterOf(t *testing.T, k *bundleUpdater) *roster.Roster {
	t.Helper()
	var got *roster.Roster
	synctest.Test(t, func(t *testing.T) {
		k.manifests = make(chan []byte, 1) // create the updater in the synctest bubble, so that it uses the bubble's clock
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			k.run(ctx, func(r *roster.Roster) {
				if got == nil {
					got = r
				}
			}, func(err error) { t.Error(err) })
		}()
		<-time.After(2 * checkInterval) // wait on the synctest clock
		synctest.Wait()
		cancel()
		<-done
	})
	return got
}
