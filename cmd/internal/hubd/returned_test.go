package hubd

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/cmd/internal/hublink"
	"portillon/hub"
	"portillon/hub/actor"
	"portillon/hub/directory"
	"portillon/internal/testlog"
	"portillon/site"
	"portillon/wire"
)

// restorable is a hub that manages its site, and a machine that has joined over the network.
type restorable struct {
	t      *testing.T
	config string
	policy note.Signer // separate policy key; nil: the hub's key also signs policies
	key    note.Verifier
	link   *hublink.Link
	store  wire.Store // the machine's store
	number uint64
	// offset of the hub's clock; each return advances it, because the hub accepts only a few returns per minute
	later atomic.Int64
}

// newRestorable creates the hub in a folder. If apart is true, a separate key signs the policy, and the hub does not
// have that key.
func newRestorable(t *testing.T, apart bool) *restorable {
	t.Helper()
	if testing.Short() {
		t.Skip("short: starts a hub with its broker")
	}
	r := &restorable{t: t}
	dir := t.TempDir()
	kind := "site"
	if apart {
		kind = "hub"
	}
	private, public, err := note.GenerateKey(rand.Reader, "portillon:"+kind+":biklab")
	if err != nil {
		t.Fatal(err)
	}
	r.key, _ = note.NewVerifier(public)
	r.store = wire.Store{Dir: filepath.Join(t.TempDir(), "machine"), Site: "biklab", Keys: note.VerifierList(r.key)}
	text := "portillon: 1\nsite: biklab\ndata: data\nkey: keys/site.key\ncard-key: keys/card.key\n" +
		"web: { listen: \"127.0.0.1:0\" }\nmachines-listen: \"127.0.0.1:0\"\nname: hub.test\n" +
		"mqtt: { listen: \"127.0.0.1:0\" }\n"
	if apart {
		p, pub, err := note.GenerateKey(rand.Reader, "portillon:policy:biklab")
		if err != nil {
			t.Fatal(err)
		}
		r.policy, _ = note.NewSigner(p)
		v, _ := note.NewVerifier(pub)
		r.store.Policy = note.VerifierList(v)
		text += "policy-key: " + pub + "\n"
	}
	for name, s := range map[string]string{"keys/site.key": private + "\n", "keys/card.key": cardKeyText + "\n",
		"hub.yaml": text} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(s), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	r.config = filepath.Join(dir, "hub.yaml")
	return r
}

// start runs the hub of a folder until stop is called. The argument ahead is the time by which the hub's clock is ahead
// of the computer's clock.
func (r *restorable) start(config string, ahead time.Duration) (h *hub.Hub, stop func()) {
	r.t.Helper()
	c, err := hub.ReadConfig(config)
	if err != nil {
		r.t.Fatal(err)
	}
	h, err = hub.New(c, hub.Options{Log: testlog.New(r.t), Now: func() time.Time {
		return time.Now().Add(ahead + time.Duration(r.later.Load()))
	}})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- h.Run(ctx) }()
	stop = func() {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			r.t.Error(err)
		}
		if err := h.Close(); err != nil {
			r.t.Error(err)
		}
	}
	return h, stop
}

// join enrols the machine at a running hub.
func (r *restorable) join(h *hub.Hub) {
	r.t.Helper()
	root := actor.Local("test")
	if _, err := h.Enrol().Machines.Add(r.t.Context(), root, "laser"); err != nil {
		r.t.Fatal(err)
	}
	made, err := h.Enrol().Codes.New(r.t.Context(), root, "laser", false)
	if err != nil {
		r.t.Fatal(err)
	}
	code, err := wire.ParseJoinCode(made.Text)
	if err != nil {
		r.t.Fatal(err)
	}
	j, err := hublink.Begin(r.t.Context(), nil, h.MachinesAddr(), code)
	if err != nil {
		r.t.Fatal(err)
	}
	defer j.Close()
	private, public, err := note.GenerateKey(rand.Reader, "portillon:machine:laser.biklab")
	if err != nil {
		r.t.Fatal(err)
	}
	signer, _ := note.NewSigner(private)
	dir := r.t.TempDir()
	tlsKey, err := hublink.NewKey(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	answer, err := j.Join(r.t.Context(), signer, public, tlsKey, "test")
	if err != nil {
		r.t.Fatal(err)
	}
	if err := hublink.WriteLink(dir, j.CA, answer.Certificate); err != nil {
		r.t.Fatal(err)
	}
	r.link, err = hublink.Open(hublink.Config{Dir: dir, Site: "biklab", Machine: "laser", Name: "hub.test",
		Address: h.MachinesAddr(),
		HubKey:  note.VerifierList(r.key), Signer: signer, Now: time.Now, Trusted: func() bool { return true }})
	if err != nil {
		r.t.Fatal(err)
	}
}

// fetch makes the machine install the bundle that the hub offers.
func (r *restorable) fetch() (wire.Manifest, []byte, error) {
	r.t.Helper()
	signed, err := r.link.Manifest(r.t.Context())
	if err != nil {
		return wire.Manifest{}, nil, err
	}
	offered, err := wire.OpenManifest(signed, r.store.Keys)
	if err != nil {
		return wire.Manifest{}, signed, err
	}
	chunks := wire.Assembler{Store: r.store, Source: r.link.Chunks(r.t.Context())}
	m, err := r.store.Install(signed, chunks.Fetch(offered), nil)
	return m, signed, err
}

// fetchUntil fetches bundles until is returns true for the manifest in force.
func (r *restorable) fetchUntil(is func(wire.Manifest) bool) (m wire.Manifest) {
	r.t.Helper()
	end := time.After(30 * time.Second)
	for {
		if _, _, err := r.fetch(); err == nil {
			if m, err = r.store.Current(); err == nil && is(m) {
				return m
			}
		}
		select {
		case <-end:
			r.t.Fatalf("the machine works from %d", m.Version)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

// publish makes the hub publish a policy that contains the given comment line.
func (r *restorable) publish(h *hub.Hub, comment string) string {
	r.t.Helper()
	text, err := os.ReadFile("../../../site-example/policy.yaml")
	if err != nil {
		r.t.Fatal(err)
	}
	text = append(text, "# "+comment+"\n"...)
	var signature []byte
	if r.policy != nil {
		r.number++
		if signature, _, err = site.SignPolicyText(text, r.number, r.policy); err != nil {
			r.t.Fatal(err)
		}
	}
	of := int64(0)
	if now, err := h.Publishing().Policies.Current(r.t.Context(), actor.Local("test")); err == nil {
		of = now.Number
	}
	if _, err := h.Publishing().Policies.Publish(r.t.Context(), actor.Local("test"), string(text), comment, of,
		signature); err != nil {
		r.t.Fatal(err)
	}
	return wire.Hash(text)
}

// A hub is restored from a backup on another computer, with a wrong clock. The hub had published three changes after
// the backup. The machine sends its bundle back, and installs the hub's next bundle and the bundle after a further
// change.
func TestRestoredHubPublishesHigherVersionsThanItsMachinesReturn(t *testing.T) {
	for name, apart := range map[string]bool{"one key": false, "policy key apart": true} {
		t.Run(name, func(t *testing.T) {
			r := newRestorable(t, apart)
			h, stop := r.start(r.config, 0)
			r.join(h)
			sha := r.publish(h, "first")
			has := func(sha string) func(wire.Manifest) bool {
				return func(m wire.Manifest) bool { c, _ := m.Chunk(wire.PolicyChunk); return c.SHA256 == sha }
			}
			r.fetchUntil(has(sha))
			if _, _, err := RecoveryPhrase(r.data()); err != nil {
				t.Fatal(err)
			}
			backup, to := filepath.Join(t.TempDir(), "b.tar"), filepath.Join(t.TempDir(), "new")
			command(t, 0, "backup", "-config", r.config, "-with-secrets", backup)
			for i := range 3 {
				m := directory.Member{Name: fmt.Sprint("Member ", i)}
				if _, err := h.Directory().Members.Add(t.Context(), actor.Local("test"), m); err != nil {
					t.Fatal(err)
				}
				sha = r.publish(h, fmt.Sprint("after the backup: ", i))
				r.fetchUntil(has(sha))
			}
			highest, err := r.store.Current()
			if err != nil {
				t.Fatal(err)
			}
			kept, err := r.store.Signed()
			if err != nil {
				t.Fatal(err)
			}
			stop()

			command(t, 0, "restore", "-phrase-file", filepath.Join(r.data(), phraseFile), backup, to)
			h, stop = r.start(filepath.Join(to, "hub.yaml"), -time.Hour)
			defer stop()
			if err := r.link.Move(t.Context(), h.MachinesAddr()); err != nil {
				t.Fatalf("the machine does not know the restored hub: %v", err)
			}
			var refused *wire.Refusal
			if _, _, err := r.fetch(); !errors.As(err, &refused) || refused.Code != "older-version" {
				t.Fatalf("the restored hub offers nothing older: %v", err)
			}
			r.sendForgeries(h, kept)
			// Send the bundle back as a machine does (daemoncmd: hubReturns).
			var policy []byte
			if apart {
				policy = r.policyFile(highest)
			}
			if err := r.sendBack(kept, policy); err != nil {
				t.Fatal(err)
			}
			m := r.fetchUntil(func(m wire.Manifest) bool { return m.Version > highest.Version })
			if b, err := h.Publishing().Bundles.Current(t.Context(), actor.Local("test")); err != nil || b.Returned.IsZero() {
				t.Errorf("an administrator is not told: %+v, %v", b, err)
			}
			if apart && r.store.PolicyFloor().Number != 4 {
				t.Errorf("policy number %d, want 4", r.store.PolicyFloor().Number)
			}
			if m.Version > highest.Version+2 {
				t.Errorf("version %d is far above %d", m.Version, highest.Version)
			}
			r.fetchUntil(has(r.publish(h, "after the restore")))
		})
	}
}

// sendBack sends the machine's bundle and policy back, one minute after the previous return.
func (r *restorable) sendBack(manifest, policy []byte) error {
	r.later.Add(int64(time.Minute))
	return r.link.Return(r.t.Context(), manifest, policy)
}

// sendForgeries sends forged and damaged manifests, after which the hub must not publish. sendForgeries then sends the
// genuine manifest with false policies, and the hub must publish a bundle with a higher version.
func (r *restorable) sendForgeries(h *hub.Hub, kept []byte) {
	r.t.Helper()
	private, _, err := note.GenerateKey(rand.Reader, r.key.Name())
	if err != nil {
		r.t.Fatal(err)
	}
	forger, _ := note.NewSigner(private)
	hubKey, err := os.ReadFile(filepath.Join(filepath.Dir(r.config), "keys", "site.key"))
	if err != nil {
		r.t.Fatal(err)
	}
	own, err := note.NewSigner(strings.TrimSpace(string(hubKey)))
	if err != nil {
		r.t.Fatal(err)
	}
	sign := func(m wire.Manifest, s note.Signer) []byte {
		b, err := wire.SignManifest(m, s)
		if err != nil {
			r.t.Fatal(err)
		}
		return b
	}
	now, err := r.store.Current()
	if err != nil {
		r.t.Fatal(err)
	}
	far, other := now, now
	far.Version, other.Site = 1<<53, "otherlab"
	other.Version++
	last := now
	last.Version = ^uint64(0)
	for name, manifest := range map[string][]byte{"a forged manifest": sign(far, forger), "another site's": sign(other,
		own), "a version beyond whole numbers": sign(far, own),
		"the highest version": sign(last, own), "nothing": nil, "no manifest": []byte("hello\n"),
		"a changed one": bytes.Replace(kept, []byte("biklab"), []byte("biklob"), 1),
		"too much":      make([]byte, wire.MaxSigned+1)} {
		if err := r.sendBack(manifest, nil); err == nil {
			r.t.Errorf("%s is taken", name)
		}
	}
	if _, version := h.Manifest(); version >= now.Version {
		r.t.Fatalf("a false manifest made the hub publish version %d", version)
	}
	sum := sha256.Sum256(kept)
	for name, policy := range map[string][]byte{"a forged policy": sum[:], "an empty one": {}} {
		if err := r.sendBack(kept, policy); err == nil {
			r.t.Errorf("%s is taken", name)
		}
	}
}

// A thief of the policy key who also controls a machine signs a policy with a higher number, and sends it to the hub.
// The hub accepts only a policy from one of its own bundles. A thief who has only the policy key can therefore not
// change the policy in force without an administrator.
func TestReturnedPolicyIsAcceptedOnlyFromABundleOfTheHub(t *testing.T) {
	r := newRestorable(t, true)
	h, stop := r.start(r.config, 0)
	defer stop()
	r.join(h)
	sha := r.publish(h, "first")
	r.fetchUntil(func(m wire.Manifest) bool { c, _ := m.Chunk(wire.PolicyChunk); return c.SHA256 == sha })
	kept, err := r.store.Signed()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("../../../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, number := range []uint64{2, 1<<53 - 1, 1<<63 - 1} {
		stolen, _, err := site.SignPolicyText(append(text, "# of a thief\n"...), number, r.policy)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.sendBack(kept, stolen); err == nil {
			t.Errorf("policy %d is taken", number)
		}
	}
	if now, err := h.Publishing().Policies.Current(t.Context(), actor.Local("test")); err != nil || now.Number != 1 {
		t.Errorf("policy %d is in force: %v", now.Number, err)
	}
}

// policyFile returns the signed policy of a bundle in the machine's store.
func (r *restorable) policyFile(m wire.Manifest) []byte {
	r.t.Helper()
	f := wire.PolicyFile{Signed: []byte(m.SignedPolicy), Chunks: map[string][]byte{}}
	text, err := r.store.Chunk(m, wire.PolicyChunk)
	if err != nil {
		r.t.Fatal(err)
	}
	f.Chunks[wire.PolicyChunk] = text
	var out bytes.Buffer
	if err := wire.WritePolicyFile(&out, f); err != nil {
		r.t.Fatal(err)
	}
	return out.Bytes()
}

func (r *restorable) data() string { return filepath.Join(filepath.Dir(r.config), "data") }
