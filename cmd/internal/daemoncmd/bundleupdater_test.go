package daemoncmd

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// exampleUpdater returns the bundleUpdater of the example site's laser, and a function that builds that site's
// bundles.
func exampleUpdater(t *testing.T) (*bundleUpdater, func(version uint64) *site.Built) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "portillon-biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, _ := note.NewSigner(skey)
	verifier, _ := note.NewVerifier(vkey)
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	card, now := bytes.Repeat([]byte{1}, 32), time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	build := func(version uint64) *site.Built {
		b, err := s.Build(
			site.Order{Version: version, Issued: now, Expires: now.AddDate(0, 1, 0), Signer: signer, CardKey: card},
		)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	return &bundleUpdater{
		machine:   "laser",
		store:     wire.Store{Dir: t.TempDir(), Site: "biklab", Keys: note.VerifierList(verifier)},
		options:   roster.Options{CardKey: card},
		now:       func() time.Time { return now },
		log:       slog.New(slog.DiscardHandler),
		manifests: make(chan []byte, 1),
	}, build
}

// The hub sends its manifest again whenever the state of a machine changes. A machine that rejects the bundle records
// the rejection once, because each record is written to the disk.
func TestRejectionOfARepeatedOfferIsRecordedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, build := exampleUpdater(t)
		from := t.TempDir()
		k.conf = BundleConfig{From: from}
		ctx, cancel := context.WithCancel(t.Context())
		taken, refused := uint64(0), 0
		go k.run(ctx, func(r *roster.Roster) { taken = r.Version }, func(error) { refused++ })
		offers := func(m []byte, wantRefused int, wantTaken uint64) {
			t.Helper()
			k.offer(m)
			synctest.Wait()
			if refused != wantRefused || taken != wantTaken {
				t.Errorf("refused %d, taken %d; want %d, %d", refused, taken, wantRefused, wantTaken)
			}
		}
		first, second := build(1), build(2)
		for range 50 {
			offers(first.Signed, 1, 0) // no source has the chunks of this bundle
		}
		<-time.After(refusalEvery)
		offers(second.Signed, 2, 0)
		if err := os.MkdirAll(filepath.Join(from, "chunks"), 0o700); err != nil {
			t.Fatal(err)
		}
		for sha, b := range second.Chunks {
			if err := os.WriteFile(filepath.Join(from, "chunks", sha), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		offers(second.Signed, 2, 2)
		cancel()
		synctest.Wait()
	})
}

// A machine with a bundle for another workshop would refuse everybody. The machine must therefore reject such a bundle,
// and the current bundle stays in force.
func TestBundleWithoutThisMachineIsRejected(t *testing.T) {
	k, build := exampleUpdater(t)
	b := build(1)
	if _, err := k.store.Install(b.Signed, b.Chunk, nil); err != nil {
		t.Fatal(err)
	}
	for machine, want := range map[string]bool{"laser": true, "lathe": false, "": false} {
		k.machine = policy.MachineID(machine)
		if r, err := k.firstRoster(); (r != nil) != want || (err == nil) != want {
			t.Errorf("%q: %v, %v", machine, r != nil, err)
		}
	}
}

// A client that may publish on the bundle topic must not be able to fill the disk with records of rejections.
func TestForgedManifestsAreRecordedOncePerReasonAndMinute(t *testing.T) {
	if testing.Short() {
		t.Skip("short: starts the daemon")
	}
	synctest.Test(t, func(t *testing.T) {
		k, build := exampleUpdater(t)
		k.conf = BundleConfig{From: t.TempDir()}
		ctx, cancel := context.WithCancel(t.Context())
		refused := 0
		go k.run(ctx, func(*roster.Roster) {}, func(error) { refused++ })
		good := build(1).Signed
		flood := func(want int) {
			t.Helper()
			for i := range 500 {
				forged := bytes.Clone(good)
				forged[20+i%50] ^= byte(1 + i/50)
				k.offer(forged)
				synctest.Wait()
			}
			if refused != want {
				t.Errorf("%d refusals are recorded, want %d", refused, want)
			}
		}
		flood(1)
		<-time.After(refusalEvery)
		flood(2)
		cancel()
		synctest.Wait()
	})
}

func TestMembersDeniedBecauseOfAnUnknownFieldAreLoggedWithThatField(t *testing.T) {
	k, build := exampleUpdater(t)
	var log bytes.Buffer
	k.log = slog.New(slog.NewTextHandler(&log, nil))
	b := build(1)
	if _, err := k.store.Install(b.Signed, b.Chunk, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := k.firstRoster(); err != nil || log.Len() != 0 {
		t.Fatalf("%v, %s", err, log.String())
	}
	member, _ := wire.EncodeChunk(
		map[string]any{"members": []any{map[string]any{"id": "m-1", "name": "n", "critical": []string{"novel"}, "novel": 1}}},
	)
	for i, c := range b.Manifest.Chunks {
		if c.Name == wire.RosterChunk(wire.Bucket("m-020dc2")) {
			b.Manifest.Chunks[i] = wire.Chunk{Name: c.Name, SHA256: wire.Hash(member), Size: int64(len(member))}
			b.Chunks[wire.Hash(member)] = member
		}
	}
	if _, err := k.load(b.Manifest); err == nil {
		t.Fatal("the changed chunk is in the store already")
	}
	b.Manifest.Version = 2
	if err := os.WriteFile(filepath.Join(k.store.Dir, "chunks", wire.Hash(member)), member, 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := k.load(b.Manifest)
	if err != nil || len(r.Denied) != 1 {
		t.Fatal(err)
	}
	if !bytes.Contains(log.Bytes(), []byte(`msg="member denied" member=m-1 bundle=2 why="requires the field \"novel\"`)) {
		t.Errorf("the log says %s", log.String())
	}
}

// If the connection to the hub is lost during a download, the machine fetches the missing chunks without waiting for
// another manifest.
func TestBundleWithMissingChunksIsFetchedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, build := exampleUpdater(t)
		from := t.TempDir()
		k.conf = BundleConfig{From: from}
		ctx, cancel := context.WithCancel(t.Context())
		taken, refused := uint64(0), 0
		go k.run(ctx, func(r *roster.Roster) { taken = r.Version }, func(error) { refused++ })
		first := build(1)
		k.offer(first.Signed)
		synctest.Wait()
		if refused != 1 || taken != 0 {
			t.Fatalf("refused %d, taken %d", refused, taken)
		}
		if err := os.MkdirAll(filepath.Join(from, "chunks"), 0o700); err != nil {
			t.Fatal(err)
		}
		for sha, b := range first.Chunks {
			if err := os.WriteFile(filepath.Join(from, "chunks", sha), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(fetchAgain + checkInterval)
		synctest.Wait()
		if refused != 1 || taken != 1 {
			t.Errorf("refused %d, taken %d once the chunks are there", refused, taken)
		}
		cancel()
		synctest.Wait()
	})
}
