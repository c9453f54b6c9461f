package daemoncmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"portillon/daemon"
	"portillon/daemon/roster"
	"portillon/policy"
	"portillon/wire"
)

// bundleUpdater keeps the bundle that the machine works from: it takes a better one from the bundle file or from a manifest
// that came over MQTT, and refuses all others with their reason. What is in force stays in force until the next is
// whole.
type bundleUpdater struct {
	store     wire.Store
	conf      BundleConfig
	options   roster.Options
	now       func() time.Time
	log       *slog.Logger
	manifests chan []byte
	chunks    wire.Assembler // of the hub that the machine was enrolled at; without a source: from conf.From
	machine   policy.MachineID
	offered   string // the last bundle file that was looked at: size and time
	refused   []byte // the last manifest from the network that was refused: it is offered again and again, and said once

	unfetched   []byte // a manifest whose chunks could not be fetched; nil: none
	unfetchedAt time.Time

	// What is said of a bundle that was refused because of a key: the one in force, the file's, the network's.
	refusedWhole, refusedFile, refusedManifest string

	recorded map[string]time.Time // when a refusal of each kind was last recorded

	// unverified says that the bundle in force waits for run: at the start too many of its credentials had no verdict.
	unverified bool

	state                  daemon.BundleState       // how the bundle stands on the disk
	onState                func(daemon.BundleState) // told when that changes; nil: nobody
	repairedAt, verifiedAt time.Time                // when damage was last repaired, and looked for

	askCardKeys  func(context.Context) ([][]byte, error)               // the hub's; nil: the machine was not enrolled
	keepCardKeys func(given, held [][]byte) (kept [][]byte, err error) // on the disk
	// the hub's card keys are asked for again; holds one
	askAgain chan struct{}
	back     hubReturns
}

// look is how often the bundle file is looked at again.
const look = 2 * time.Second

// first is the roster to begin with: the bundle in the store, or a newer one in the file. nil without error: there is
// none yet.
//
// A start verifies few credentials: systemd waits for it, and so do members. A bundle with more is loaded by run,
// beside the taps. Until then the bundle before serves, or the panel says that the list is being verified.
func (k *bundleUpdater) first() (*roster.Roster, error) {
	k.options.MaxUnverified = unverifiedAtStart
	defer func() { k.options.MaxUnverified = 0 }()
	r, why := k.fromFile()
	if r != nil {
		return r, nil
	}
	if errors.Is(why, roster.ErrUnverified) {
		why, k.offered, k.refusedFile = nil, "", "" // run takes it
	}
	k.setState(k.state)
	r, err := k.loadStored()
	if err != nil && !errors.Is(err, roster.ErrUnverified) {
		k.verifiedAt = time.Now()
		r, err = k.inForce(context.Background(), false)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, why
	}
	if errors.Is(err, roster.ErrUnverified) {
		k.unverified, k.refusedWhole = true, ""
		k.state.Refused = "" // it is not refused
		k.setState(daemon.BundleState{Version: k.state.Version, Damage: k.state.Damage, Verifying: true})
		return nil, why
	}
	return r, errors.Join(err, why)
}

// loadStored loads the bundle in force and reads the chunks that this needs: where all verdicts are known, no badges, which
// are nine tenths of it. Upkeep compares all chunks with their hashes, beside the taps.
func (k *bundleUpdater) loadStored() (*roster.Roster, error) {
	m, err := k.store.Current()
	if err != nil {
		return nil, err
	}
	r, err := k.load(m)
	if err != nil {
		return nil, err
	}
	k.setState(daemon.BundleState{Version: m.Version})
	return r, nil
}

// unverifiedAtStart is how many credentials a start verifies: about 2 s on a Pi Zero (3 to 10 ms each).
const unverifiedAtStart = 200

// verifyInForce loads the bundle that was too much for the start. It returns nil where there is none.
func (k *bundleUpdater) verifyInForce(ctx context.Context, refuse func(error)) *roster.Roster {
	if !k.unverified {
		return nil
	}
	k.unverified = false
	k.log.Info("verifying the credentials of the bundle")
	r, err := k.inForce(ctx, false)
	k.setState(k.state)
	if err != nil {
		k.log.Warn("a bundle was refused", "why", err)
		refuse(err)
	}
	return r
}

func (k *bundleUpdater) load(m wire.Manifest) (*roster.Roster, error) {
	o := k.options
	o.Now = k.now()
	r, err := roster.Load(k.store, m, o)
	if err != nil {
		return nil, err
	}
	if r.MemoryError != nil {
		k.log.Warn("verdicts on badges were not written", "err", r.MemoryError)
	}
	for _, d := range r.Denied {
		k.log.Error("a member is denied", "member", d.Member, "bundle", r.Version, "why", d.Why)
	}
	if _, known := r.Policy.Machine(k.machine); !known {
		return nil, fmt.Errorf("its policy knows no machine %q", k.machine)
	}
	return r, nil
}

// fromFile takes the bundle file if it has changed since it was last looked at, and is newer. nil without error:
// nothing new.
func (k *bundleUpdater) fromFile() (_ *roster.Roster, err error) {
	if k.conf.File == "" {
		return nil, nil
	}
	fi, err := os.Stat(k.conf.File)
	if err != nil {
		return nil, once(&k.offered, err.Error(), err)
	}
	if !fi.Mode().IsRegular() { // opening a pipe would wait for its writer
		return nil, once(&k.offered, "not regular", fmt.Errorf("bundle: file: %s is not a regular file", k.conf.File))
	}
	mark := fmt.Sprint(fi.Size(), fi.ModTime().UnixNano())
	if mark == k.offered {
		return nil, nil
	}
	k.offered = mark
	defer func() { k.refusedFile = refusalOf(err) }()
	f, err := os.Open(k.conf.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if head, _, err := wire.Peek(f); err == nil && bytes.Equal([]byte(head), k.current()) {
		return nil, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var r *roster.Roster
	_, err = k.store.InstallFile(f, func(m wire.Manifest) (err error) { r, err = k.load(m); return err })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// once gives an error only the first time it comes.
func once(last *string, mark string, err error) error {
	if *last == mark {
		return nil
	}
	*last = mark
	return err
}

func (k *bundleUpdater) current() []byte {
	b, err := k.store.Signed()
	if err != nil {
		return nil
	}
	return b
}

// fromManifest takes a bundle whose manifest came over the network, and fetches what is missing.
func (k *bundleUpdater) fromManifest(ctx context.Context, manifest []byte) (*roster.Roster, error) {
	if bytes.Equal(manifest, k.current()) {
		return nil, nil
	}
	fetch, err := k.chunksOf(ctx, manifest)
	if err != nil || fetch == nil {
		return nil, err
	}
	if k.needsCardKeys(manifest) {
		if _, err := k.refreshCardKeys(ctx); err != nil {
			k.log.Warn("the hub's card keys are not known", "err", err) // the bundle is refused, with both check values
		}
	}
	var r *roster.Roster
	_, err = k.store.InstallChanged(manifest, fetch,
		func(m wire.Manifest) (err error) { r, err = k.load(m); return err })
	return r, err
}

// chunksOf is how the chunks of a bundle are fetched; nil: this machine takes its bundles from a file.
func (k *bundleUpdater) chunksOf(ctx context.Context, manifest []byte) (wire.Fetch, error) {
	switch {
	case k.conf.From != "":
		return func(sha string) ([]byte, error) { return fetchChunk(ctx, k.conf.From, sha) }, nil
	case k.chunks.Source == nil:
		return nil, nil
	}
	m, err := wire.OpenManifest(manifest, k.store.Keys)
	if err != nil {
		return nil, err
	}
	return k.chunks.Fetch(m), nil
}

// offer hands in a manifest from the network. Only the newest waits.
func (k *bundleUpdater) offer(manifest []byte) {
	for {
		select {
		case k.manifests <- manifest:
			return
		default:
		}
		select {
		case <-k.manifests:
		default:
		}
	}
}

// run looks for better bundles until ctx ends.
func (k *bundleUpdater) run(ctx context.Context, take func(*roster.Roster), refuse func(error)) {
	t := time.NewTicker(look)
	defer t.Stop()
	if r := k.verifyInForce(ctx, refuse); r != nil {
		k.log.Info("bundle", "version", r.Version, "members", r.Size(), "verified", r.Verified)
		take(r)
	}
	for {
		var r *roster.Roster
		var err error
		select {
		case <-ctx.Done():
			return
		case m := <-k.manifests:
			var again bool
			if r, again, err = k.fromNetwork(ctx, m); again {
				k.log.Info("a bundle was refused again", "why", err)
				continue
			}
		case <-k.askAgain:
			var changed bool
			if changed, err = k.refreshCardKeys(ctx); changed {
				r, err = k.inForce(ctx, false)
			} else if err != nil {
				k.log.Warn("the hub's card keys are not known", "err", err)
				err = nil
			}
		case <-t.C:
			if m := k.dueAgain(); m != nil {
				var again bool
				if r, again, err = k.fromNetwork(ctx, m); again {
					continue
				}
			} else if r, err = k.fromFile(); r == nil {
				if better := k.upkeep(ctx); better != nil {
					r = better
				}
			}
		}
		if err != nil {
			k.log.Warn("a bundle was refused", "why", err)
			if k.worthARecord(err, time.Now()) {
				refuse(err)
			}
		}
		if r != nil {
			k.log.Info("bundle", "version", r.Version, "members", r.Size(), "verified", r.Verified)
			take(r)
			if m, err := k.store.Current(); err == nil { // once the bundle is in force: this reads all of its chunks
				k.refusedWhole = ""
				k.setState(daemon.BundleState{Version: m.Version, Damage: damageOf(m, k.store.Damaged(m), nil)})
			}
		}
		k.setState(k.state)
	}
}

// fetchAgain is after how long a bundle is fetched again whose chunks could not be had: the way to the hub was lost
// meanwhile. What came before that is kept.
const fetchAgain = 10 * time.Second

// dueAgain is the manifest that is to be fetched again now; nil: none.
func (k *bundleUpdater) dueAgain() []byte {
	if k.unfetched == nil || time.Since(k.unfetchedAt) < fetchAgain {
		return nil
	}
	return k.unfetched
}

// fromNetwork is fromManifest, which notes what is to be fetched again, and whether the same was refused before.
func (k *bundleUpdater) fromNetwork(ctx context.Context, m []byte) (r *roster.Roster, again bool, err error) {
	r, err = k.fromManifest(ctx, m)
	k.refusedManifest, k.unfetched = refusalOf(err), nil
	k.returnToHub(ctx, m, err)
	if err == nil {
		return r, false, nil
	}
	var why *wire.Refusal
	if errors.As(err, &why) && why.Code == "missing-chunk" {
		k.unfetched, k.unfetchedAt = m, time.Now()
	}
	again = bytes.Equal(m, k.refused)
	k.refused = m
	return nil, again, err
}

// refusalEvery is how often a refusal of the same kind is recorded: whoever may publish manifests cannot fill the disk.
const refusalEvery = time.Minute

// worthARecord reports whether a refusal is the first of its kind for a while.
func (k *bundleUpdater) worthARecord(err error, now time.Time) bool {
	kind := "other"
	if r := (*wire.Refusal)(nil); errors.As(err, &r) {
		kind = r.Code
	}
	if last, ok := k.recorded[kind]; ok && now.Sub(last) < refusalEvery {
		return false
	}
	if k.recorded == nil {
		k.recorded = map[string]time.Time{}
	}
	k.recorded[kind] = now
	return true
}

// fetchChunk reads a chunk from a folder or over HTTPS. Its hash is checked by whoever asked.
func fetchChunk(ctx context.Context, from, sha string) ([]byte, error) {
	if !strings.Contains(from, "://") {
		return os.ReadFile(filepath.Join(from, "chunks", sha))
	}
	u, err := url.Parse(from)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("chunks come from a folder or over https, not from %s", u.Redacted())
	}
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.JoinPath("chunks", sha).String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", u.Redacted(), resp.Status)
	}
	b, err := io.ReadAll(io.LimitReader(resp.Body, wire.MaxChunk+1))
	if err == nil && len(b) > wire.MaxChunk {
		err = fmt.Errorf("the chunk has more than %d bytes", wire.MaxChunk)
	}
	return b, err
}
