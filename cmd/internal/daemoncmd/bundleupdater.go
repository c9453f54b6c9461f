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

// bundleUpdater maintains the bundle that the machine uses. The updater installs newer bundles from the bundle file, or
// from a manifest that arrived over MQTT. The updater rejects a bundle that is invalid or not newer than the current
// bundle, and reports the reason. The current bundle stays in force until the next bundle is complete and verified.
//
// Only one goroutine may call firstRoster and then run. Other goroutines may call only offer.
type bundleUpdater struct {
	machine policy.MachineID
	store   wire.Store
	conf    BundleConfig
	options roster.Options
	now     func() time.Time // clock for the validity of badges
	log     *slog.Logger

	manifests chan []byte    // the newest manifest that offer has received; capacity 1
	chunks    wire.Assembler // source of chunks at the hub; nil: chunks come from conf.From
	cardKeys  cardKeySource
	returns   hubReturns

	lastFile        string        // size and time of the bundle file at the last check, or the error
	refusedManifest []byte        // the last rejected manifest from the network; a repetition is not recorded
	unfetched       unfetched     // a manifest whose chunks must be fetched again; zero: none
	recorded        refusalRecord // time of the last recorded rejection of each kind
	wrongKey        wrongKeyTexts // state of the bundle that the panel shows

	// unverified is true if firstRoster did not load the stored bundle, because the verification of its credentials
	// would take too long at the start; run loads this bundle later.
	unverified bool

	state                  daemon.BundleState       // state of the bundle on the disk
	onState                func(daemon.BundleState) // called when state changes; may be nil
	repairedAt, verifiedAt time.Time                // times of the stored bundle's last repair and last check
}

// wrongKeyTexts are the reasons why a bundle was rejected because of a key, one for each source. A text is empty if the
// last bundle of this source was not rejected because of a key.
type wrongKeyTexts struct{ stored, file, manifest string }

// checkInterval is the interval between two checks of the bundle file for a change.
const checkInterval = 2 * time.Second

// firstRoster returns the roster for the start, from the stored bundle or from a newer bundle file. Without a bundle,
// both results are nil.
//
// A start verifies few credentials, because systemd and members wait for it. If a bundle has more than
// unverifiedAtStart credentials to verify, the method run loads the bundle while the daemon already works. Until the
// method run has loaded that bundle, the daemon uses the previous bundle, or the panel shows that the list is being
// verified.
func (u *bundleUpdater) firstRoster() (*roster.Roster, error) {
	u.options.MaxUnverified = unverifiedAtStart
	defer func() { u.options.MaxUnverified = 0 }()
	r, why := u.fromFile()
	if r != nil {
		return r, nil
	}
	if errors.Is(why, roster.ErrUnverified) {
		why, u.lastFile, u.wrongKey.file = nil, "", "" // forget the last check of the file, so that run reads the file again
	}
	u.setState(u.state)
	r, err := u.loadStored()
	if err != nil && !errors.Is(err, roster.ErrUnverified) {
		u.verifiedAt = time.Now()
		r, err = u.inForce(context.Background(), false)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, why
	}
	if errors.Is(err, roster.ErrUnverified) {
		u.unverified, u.wrongKey.stored = true, ""
		u.state.Refused = "" // a bundle that waits for verification is not rejected
		u.setState(daemon.BundleState{Version: u.state.Version, Damage: u.state.Damage, Verifying: true})
		return nil, why
	}
	return r, errors.Join(err, why)
}

// loadStored loads the bundle in force. loadStored reads only the chunks that it needs: a tenth of the bundle if the
// daemon has already stored the verdicts on all credentials. The times in the field upkeep decide when the daemon
// compares all chunks with their hashes.
func (u *bundleUpdater) loadStored() (*roster.Roster, error) {
	m, err := u.store.Current()
	if err != nil {
		return nil, err
	}
	r, err := u.load(m)
	if err != nil {
		return nil, err
	}
	u.setState(daemon.BundleState{Version: m.Version})
	return r, nil
}

// unverifiedAtStart is the largest number of credentials that a start verifies: about 2 s on a Pi Zero (measured: 3 to
// 10 ms each).
const unverifiedAtStart = 200

// verifyInForce loads the bundle that had too many unverified credentials for the start, or returns nil if no such
// bundle waits.
func (u *bundleUpdater) verifyInForce(ctx context.Context, refuse func(error)) *roster.Roster {
	if !u.unverified {
		return nil
	}
	u.unverified = false
	u.log.Info("verification of the stored bundle started")
	r, err := u.inForce(ctx, false)
	u.setState(u.state)
	if err != nil {
		u.log.Warn("bundle refused", "err", err)
		refuse(err)
	}
	return r
}

// load reads a bundle of the store into a roster. A bundle whose policy does not name this machine is rejected. Members
// with unreadable data are denied and logged; the others are not affected.
func (u *bundleUpdater) load(m wire.Manifest) (*roster.Roster, error) {
	o := u.options
	o.Now = u.now()
	r, err := roster.Load(u.store, m, o)
	if err != nil {
		return nil, err
	}
	if r.MemoryError != nil {
		u.log.Warn("storing the badge verdicts failed", "err", r.MemoryError)
	}
	for _, d := range r.Denied {
		u.log.Error("member denied", "member", d.Member, "bundle", r.Version, "why", d.Why)
	}
	if _, known := r.Policy.Machine(u.machine); !known {
		return nil, fmt.Errorf("bundle's policy does not contain machine %q, want a bundle of this machine's site", u.machine)
	}
	return r, nil
}

// fromFile installs the bundle file if the file has changed since the last check and contains a newer bundle. If the
// file contains no newer bundle, both results are nil.
func (u *bundleUpdater) fromFile() (_ *roster.Roster, err error) {
	if u.conf.File == "" {
		return nil, nil
	}
	fi, err := os.Stat(u.conf.File)
	if err != nil {
		return nil, oncePerMark(&u.lastFile, err.Error(), err)
	}
	if !fi.Mode().IsRegular() { // only a regular file is opened, because opening a pipe would wait for its writer
		return nil, oncePerMark(&u.lastFile, "not regular", fmt.Errorf("bundle: file: %s is not a regular file", u.conf.File))
	}
	mark := fmt.Sprint(fi.Size(), fi.ModTime().UnixNano())
	if mark == u.lastFile {
		return nil, nil
	}
	u.lastFile = mark
	defer func() { u.wrongKey.file = wrongKeyText(err) }()
	f, err := os.Open(u.conf.File)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if head, _, err := wire.Peek(f); err == nil && bytes.Equal([]byte(head), signedManifest(u.store)) {
		return nil, nil
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	var r *roster.Roster
	_, err = u.store.InstallFile(f, func(m wire.Manifest) (err error) { r, err = u.load(m); return err })
	if err != nil {
		return nil, err
	}
	return r, nil
}

// oncePerMark returns err if the mark differs from that of the previous call, and otherwise nil.
func oncePerMark(last *string, mark string, err error) error {
	if *last == mark {
		return nil
	}
	*last = mark
	return err
}

// signedManifest returns the signed manifest of the bundle in a store, or nil if the store is empty.
func signedManifest(s wire.Store) []byte {
	b, err := s.Signed()
	if err != nil {
		return nil
	}
	return b
}

// fromManifest installs a bundle whose manifest arrived over the network, and fetches missing chunks.
func (u *bundleUpdater) fromManifest(ctx context.Context, manifest []byte) (*roster.Roster, error) {
	if bytes.Equal(manifest, signedManifest(u.store)) {
		return nil, nil
	}
	fetch, err := u.chunkFetcher(ctx, manifest)
	if err != nil || fetch == nil {
		return nil, err
	}
	if lacksCardKey(manifest, u.store.Keys, cardKeysOf(u.options)) {
		if _, err := u.refreshCardKeys(ctx); err != nil {
			// continue with the installation: it rejects the bundle and reports the check values of both card keys
			u.log.Warn("fetching the card keys from the hub failed", "err", err)
		}
	}
	var r *roster.Roster
	_, err = u.store.InstallChanged(manifest, fetch,
		func(m wire.Manifest) (err error) { r, err = u.load(m); return err })
	return r, err
}

// chunkFetcher returns the function that fetches the chunks of a bundle, or nil if the machine reads its bundles from a
// file.
func (u *bundleUpdater) chunkFetcher(ctx context.Context, manifest []byte) (wire.Fetch, error) {
	switch {
	case u.conf.From != "":
		return func(sha string) ([]byte, error) { return fetchChunk(ctx, u.conf.From, sha) }, nil
	case u.chunks.Source == nil:
		return nil, nil
	}
	m, err := wire.OpenManifest(manifest, u.store.Keys)
	if err != nil {
		return nil, err
	}
	return u.chunks.Fetch(m), nil
}

// offer passes a manifest from the network to run. A newer manifest replaces a waiting one. Any goroutine may call
// offer.
func (u *bundleUpdater) offer(manifest []byte) {
	for {
		select {
		case u.manifests <- manifest:
			return
		default:
		}
		select {
		case <-u.manifests:
		default:
		}
	}
}

// run looks for newer bundles until ctx ends. Method run passes each installed bundle to the function take, and each
// rejection that must be recorded to the function refuse.
func (u *bundleUpdater) run(ctx context.Context, take func(*roster.Roster), refuse func(error)) {
	t := time.NewTicker(checkInterval)
	defer t.Stop()
	if r := u.verifyInForce(ctx, refuse); r != nil {
		u.log.Info("bundle", "version", r.Version, "members", r.Size(), "verified", r.Verified)
		take(r)
	}
	for {
		var r *roster.Roster
		var again bool
		var err error
		select {
		case <-ctx.Done():
			return
		case m := <-u.manifests:
			if r, again, err = u.fromNetwork(ctx, m); again {
				u.log.Info("hub's bundle was rejected again for the same reason", "err", err)
			}
		case <-u.cardKeys.again:
			r, err = u.withNewCardKeys(ctx)
		case <-t.C:
			r, again, err = u.periodic(ctx)
		}
		if again { // the daemon has already recorded this rejection
			continue
		}
		// Both an error and a roster are possible: the file was rejected, and a repair succeeded.
		if err != nil {
			u.log.Warn("bundle refused", "err", err)
			if u.recorded.isDue(err, time.Now()) {
				refuse(err)
			}
		}
		// Use the bundle before comparing its chunks with their hashes, because members wait.
		if r != nil {
			u.log.Info("bundle", "version", r.Version, "members", r.Size(), "verified", r.Verified)
			take(r)
			u.checkStored()
		}
		u.setState(u.state)
	}
}

// withNewCardKeys asks the hub for its card keys, and loads the bundle again if the card keys changed.
func (u *bundleUpdater) withNewCardKeys(ctx context.Context) (*roster.Roster, error) {
	changed, err := u.refreshCardKeys(ctx)
	if changed {
		return u.inForce(ctx, false)
	}
	if err != nil { // the hub is unreachable: keep the known card keys
		u.log.Warn("fetching the card keys from the hub failed", "err", err)
	}
	return nil, nil
}

// periodic fetches missing chunks again, or reads the bundle file, or repairs the bundle on the disk. The result again
// is true if the same manifest was already rejected before this call.
func (u *bundleUpdater) periodic(ctx context.Context) (r *roster.Roster, again bool, err error) {
	if m := u.unfetched.dueManifest(); m != nil {
		return u.fromNetwork(ctx, m)
	}
	if r, err = u.fromFile(); r == nil {
		r = u.upkeep(ctx)
	}
	return r, false, err
}

// checkStored compares all chunks on the disk with their hashes. checkStored reads the whole bundle, so run calls
// checkStored only after the bundle is in force.
func (u *bundleUpdater) checkStored() {
	m, err := u.store.Current()
	if err != nil {
		return
	}
	u.wrongKey.stored = ""
	u.setState(daemon.BundleState{Version: m.Version, Damage: damageOf(m, u.store.Damaged(m), nil)})
}

// fetchAgain is the time after which the updater tries again to fetch missing chunks.
const fetchAgain = 10 * time.Second

// unfetched contains a manifest whose chunks could not be fetched. The zero value contains no manifest.
type unfetched struct {
	manifest []byte
	at       time.Time
}

// dueManifest returns the manifest if the pause before the next fetch is over, otherwise nil.
func (u unfetched) dueManifest() []byte {
	if u.manifest == nil || time.Since(u.at) < fetchAgain {
		return nil
	}
	return u.manifest
}

// fromNetwork calls fromManifest and notes which manifest must be fetched again. The result again is true if the same
// manifest was rejected before.
func (u *bundleUpdater) fromNetwork(ctx context.Context, m []byte) (r *roster.Roster, again bool, err error) {
	r, err = u.fromManifest(ctx, m)
	u.wrongKey.manifest, u.unfetched = wrongKeyText(err), unfetched{}
	u.returns.answer(ctx, u.store, m, err)
	if err == nil {
		return r, false, nil
	}
	var why *wire.Refusal
	if errors.As(err, &why) && why.Code == "missing-chunk" {
		u.unfetched = unfetched{m, time.Now()}
	}
	again = bytes.Equal(m, u.refusedManifest)
	u.refusedManifest = m
	return nil, again, err
}

// refusalEvery is the minimum time between two records of rejections of one kind, so that a flood of forged manifests
// cannot fill the disk.
const refusalEvery = time.Minute

// refusalRecord maps each reason code to the time at which the daemon last recorded a rejection for that reason.
type refusalRecord map[string]time.Time

// isDue reports whether a rejection is the first of its kind within refusalEvery, and notes the time.
func (r *refusalRecord) isDue(err error, now time.Time) bool {
	kind := "other"
	if why := (*wire.Refusal)(nil); errors.As(err, &why) {
		kind = why.Code
	}
	if last, ok := (*r)[kind]; ok && now.Sub(last) < refusalEvery {
		return false
	}
	if *r == nil {
		*r = refusalRecord{}
	}
	(*r)[kind] = now
	return true
}

// fetchChunk reads a chunk from a folder or over HTTPS. The caller must check the chunk's hash.
func fetchChunk(ctx context.Context, from, sha string) ([]byte, error) {
	if !strings.Contains(from, "://") {
		return os.ReadFile(filepath.Join(from, "chunks", sha))
	}
	u, err := url.Parse(from)
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(u.Hostname()); u.Scheme != "https" && (u.Scheme != "http" || ip == nil || !ip.IsLoopback()) {
		return nil, fmt.Errorf("source of chunks is %s, want a folder or an https URL", u.Redacted())
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
		err = fmt.Errorf("chunk has more than the %d bytes that the manifest declares", wire.MaxChunk)
	}
	return b, err
}
