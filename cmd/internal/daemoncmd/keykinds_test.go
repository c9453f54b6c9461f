package daemoncmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon"
	"portillon/daemon/roster"
	"portillon/keykind"
	"portillon/site"
)

// otherCard builds a bundle of the example site with a card key that the machine does not have.
func otherCard(t *testing.T, k *bundleUpdater, build func(uint64) *site.Built, version uint64) *site.Built {
	t.Helper()
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	v, _ := note.NewVerifier(vkey)
	old := build(1).Manifest
	b, err := s.Build(
		site.Order{
			Version: version,
			Issued:  old.Issued,
			Expires: old.Expires,
			Signer:  signer,
			CardKey: bytes.Repeat([]byte{2}, 32),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	k.store.Keys = both{k.store.Keys, note.VerifierList(v)}
	return b
}

// both combines two lists of trusted keys, because a test's bundles are signed with two keys.
type both [2]note.Verifiers

func (b both) Verifier(name string, hash uint32) (note.Verifier, error) {
	if v, err := b[0].Verifier(name, hash); err == nil {
		return v, nil
	}
	return b[1].Verifier(name, hash)
}

func fileOf(t *testing.T, k *bundleUpdater, b *site.Built) {
	t.Helper()
	if err := os.WriteFile(k.conf.File, bundleOf(t, b), 0o600); err != nil {
		t.Fatal(err)
	}
	k.lastFile = ""
}

func TestBundleOfAnotherCardKeyIsRejectedWithBothCheckValues(t *testing.T) {
	k, build := exampleUpdater(t)
	k.conf.File = filepath.Join(t.TempDir(), "site.bundle")
	var told daemon.BundleState
	k.onState = func(s daemon.BundleState) { told = s }
	fileOf(t, k, build(1))
	if r, err := k.firstRoster(); err != nil || r.Version != 1 {
		t.Fatal(r, err)
	}
	fileOf(t, k, otherCard(t, k, build, 2))
	r, err := k.firstRoster()
	if r == nil || r.Version != 1 {
		t.Fatalf("%v %v, want the bundle before", r, err)
	}
	mine, theirs := keykind.CheckValue(bytes.Repeat([]byte{1}, 32)), keykind.CheckValue(bytes.Repeat([]byte{2}, 32))
	for _, said := range []string{err.Error(), told.Refused} {
		if !strings.Contains(said, mine) || !strings.Contains(said, theirs) {
			t.Errorf("%q, want both %s and %s", said, mine, theirs)
		}
	}
	fileOf(t, k, build(3))
	if r, err := k.firstRoster(); err != nil || r.Version != 3 {
		t.Error(r, err)
	}
}

// When somebody has replaced the machine's card key, the previous bundle may be the one that was built with the new
// key. The machine then uses the previous bundle.
func TestMachineUsesThePreviousBundleIfItHasTheNewCardKey(t *testing.T) {
	k, build := exampleUpdater(t)
	k.conf.File = filepath.Join(t.TempDir(), "site.bundle")
	fileOf(t, k, build(1))
	if _, err := k.firstRoster(); err != nil {
		t.Fatal(err)
	}
	mine := k.options.CardKey
	fileOf(t, k, otherCard(t, k, build, 2))
	k.options.CardKey = bytes.Repeat([]byte{2}, 32)
	if r, err := k.firstRoster(); err != nil || r.Version != 2 {
		t.Fatal(r, err)
	}
	k.options.CardKey = mine
	r, err := k.firstRoster()
	if r == nil || r.Version != 1 || k.state.Refused == "" {
		t.Errorf("%v %v %q, want the bundle before and a reason", r, err, k.state.Refused)
	}
}

func TestRejectionIsNoLongerShownAfterAValidManifest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, build := exampleUpdater(t)
		k.conf = BundleConfig{From: t.TempDir()}
		states := []daemon.BundleState{}
		k.onState = func(s daemon.BundleState) { states = append(states, s) }
		good := build(1)
		if _, err := k.store.InstallFile(bytes.NewReader(bundleOf(t, good)), nil); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go k.run(ctx, func(*roster.Roster) {}, func(error) {})
		k.offer([]byte(strings.Replace(string(good.Signed), `"version":1`, `"version":9`, 1)))
		synctest.Wait()
		if n := len(states); n == 0 || !strings.Contains(states[n-1].Refused, "bad-signature") {
			t.Errorf("%+v", states)
		}
		k.offer(good.Signed)
		synctest.Wait()
		if n := len(states); n < 2 || states[n-1].Refused != "" {
			t.Errorf("%+v", states)
		}
		cancel()
		synctest.Wait()
	})
}

func TestCheckRejectsACardKeyThatDoesNotFitTheStoredBundle(t *testing.T) {
	b := newBench(t)
	k, _ := b.c.readKeys(secrets{store: b.on.Credstore, instance: "laser"})
	f, err := os.Open(filepath.Join(b.dir, "site.bundle"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := b.c.store(k).InstallFile(f, nil); err != nil {
		t.Fatal(err)
	}
	if err := b.c.Check(b.on).Err(); err != nil {
		t.Fatal(err)
	}
	b.put(t, "credstore/portillon.card-key", strings.Repeat("77", 32))
	said := ""
	for _, err := range b.c.Check(b.on).Faults {
		said += err.Error() + "\n"
	}
	for _, want := range []string{"laser.yaml:6: card-key: bundle version 1 does not fit the card key: ",
		"bundle: file: unusable: bundle was built with card key ",
		keykind.CheckValue(bytes.Repeat([]byte{0x77}, 32)), keykind.CheckValue(bytes.Repeat([]byte("k"), 16))} {
		if !strings.Contains(said, want) {
			t.Errorf("%s\nwant %q", said, want)
		}
	}
}

func TestCheckNamesTheSignerOfARejectedBundle(t *testing.T) {
	b := newBench(t)
	skey, _, err := note.GenerateKey(rand.Reader, "laser.biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	built, err := s.Build(
		site.Order{
			Version: 2,
			Issued:  time.Now(),
			Expires: time.Now().AddDate(0, 1, 0),
			Signer:  signer,
			CardKey: bytes.Repeat([]byte("k"), 16),
		},
	)
	if err != nil {
		t.Fatal(err)
	}
	b.put(t, "site.bundle", string(bundleOf(t, built)))
	err = b.c.Check(b.on).Err()
	if err == nil ||
		!strings.Contains(err.Error(), `signed by "laser.biklab", want "portillon-biklab" (bundle: key)`) {
		t.Error(err)
	}
}
