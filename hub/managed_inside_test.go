package hub

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/cardkey"
	"portillon/hub/enrol"
	"portillon/hub/fault"
	"portillon/hub/ledger/ledgertest"
	"portillon/hub/store/storetest"
	"portillon/policy"
	"portillon/policy/file"
	"portillon/site"
	"portillon/wire"
)

// newConfiguration returns the configuration of a new hub that manages the site and listens on loopback.
func newConfiguration(t *testing.T, changes ...func(*Config)) Config {
	t.Helper()
	made, err := Create(storetest.Dir(t), NewHub{Site: "biklab", Host: "localhost", Web: "127.0.0.1:0",
		Machines: "127.0.0.1:0", Broker: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadConfig(made.Config)
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range changes {
		change(&c)
	}
	return c
}

// openHub opens a hub without running it.
func openHub(t *testing.T, c Config) *Hub {
	t.Helper()
	storetest.Place(t, c.Data)
	h, err := New(c, Options{Offline: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	return h
}

// example returns the policy of the example site.
func example(t *testing.T) *policy.Policy {
	t.Helper()
	text, err := os.ReadFile("../site-example/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	p, err := file.Parse("policy.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// withPolicy makes a parsed policy the policy in force.
func withPolicy(h *Hub, p *policy.Policy) {
	h.services.policies.read = func(context.Context) (int64, string, error) { return 1, "", nil }
	h.services.policies.number, h.services.policies.last = 1, p
}

func TestHubFindsNamesInThePolicyInForce(t *testing.T) {
	p := example(t)
	h := newParts(&core{})
	h.services.policies.read = func(context.Context) (int64, string, error) { return 0, "", nil }
	ps := &h.services.policies
	if ps.issuerName("x") != "" || ps.zone() != nil || ps.machineIDs() != nil ||
		ps.machineName("laser") != (policy.Text{}) || ps.badgeName("laser-user") != (policy.Text{}) {
		t.Error("names are found without a policy")
	}
	withPolicy(h, p)
	issuer := p.Issuers[0]
	if got := ps.issuerName(issuer.Profile); got != issuer.Name {
		t.Errorf("%s: %q, want %q", issuer.Profile, got, issuer.Name)
	}
	for _, key := range issuer.Keys {
		if got := ps.issuerName(key); got != issuer.Name {
			t.Errorf("%s: %q, want %q", key, got, issuer.Name)
		}
	}
	if got := ps.issuerName("did:key:other"); got != "" {
		t.Errorf("an unknown issuer is %q", got)
	}
	laser, _ := p.Machine("laser")
	if ps.machineName("laser") != laser.Name || !slices.Contains(ps.machineIDs(), "laser") || ps.zone() != p.Zone {
		t.Errorf("%v %v %v", ps.machineName("laser"), ps.machineIDs(), ps.zone())
	}
}

func TestCardKeyCannotChangeWhileThePolicyKeySignsBindings(t *testing.T) {
	h := newParts(&core{})
	for signed, want := range map[bool]bool{false: false, true: true} {
		p := example(t)
		p.SignedBindings = signed
		withPolicy(h, p)
		var refused *fault.Invalid
		if err := h.cards.refuseCardKey(t.Context()); errors.As(err, &refused) != want || !want && err != nil {
			t.Errorf("bindings signed %v: %v", signed, err)
		}
	}
	h.services.policies.read = func(context.Context) (int64, string, error) { return 0, "", errors.New("closed") }
	if err := h.cards.refuseCardKey(t.Context()); err == nil {
		t.Error("a policy that cannot be read lets the card key change")
	}
}

// After a change of the card key, a card may be tapped at a machine that still has the previous key.
func TestUnknownCardIsMarkedWithTheCardKeyOfItsMachine(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	ctx, by := t.Context(), actor.Local("test")
	key := func() string { return wire.MarkOf(h.services.cardKey.Ring().InForce) }
	first := key()
	marked := func(c wire.EnrolCard) wire.EnrolCard {
		h.cards.markTap(&c, "laser")
		return c
	}
	card := wire.EnrolCard{Code: "7F3K9Q", Card: "c0ffee"}
	if got := marked(card); got != card {
		t.Errorf("before any change: %+v", got)
	}
	status, err := h.services.cardKey.Status(ctx, by)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.services.cardKey.Rotate(ctx, by, status.Version, "test"); err != nil {
		t.Fatal(err)
	}
	withKey := func(k string) wire.EnrolCard { c := card; c.Key = k; return c }
	old := withKey(first)
	old.Card = wire.MarkCard(first, card.Card)
	silent := withKey("")
	silent.Card = wire.MarkCard(first, card.Card)
	for name, x := range map[string]struct{ given, want wire.EnrolCard }{
		"the key in force":               {withKey(key()), withKey(key())},
		"the previous key":               {withKey(first), old},
		"an unknown key":                 {withKey("other"), wire.EnrolCard{}},
		"a machine that reports no key":  {withKey(""), silent},
		"the key in force with a suffix": {withKey(key() + "x"), wire.EnrolCard{}},
	} {
		if got := marked(x.given); got != x.want {
			t.Errorf("%s: %+v, want %+v", name, got, x.want)
		}
	}
	if h.CardKey() != h.services.cardKey || h.cards.oldCardKey() != first {
		t.Errorf("the key before is %q, want %q", h.cards.oldCardKey(), first)
	}
	if keys, err := h.cards.cardKeys(); err != nil || len(keys.Keys) != 2 {
		t.Errorf("%+v, %v", keys, err)
	}
}

func TestMachineOfHubYAMLMustGetTheNewCardKeyByHand(t *testing.T) {
	laser := ledgertest.New(t, "biklab", "laser")
	h := openHub(t, newConfiguration(t, func(c *Config) {
		c.Machines = []MachineConfig{{ID: "laser", Key: laser.Key, Public: laser.VKey}}
	}))
	if _, err := h.enrolments.machines.Machines.Add(t.Context(), actor.Local("test"), "press"); err != nil {
		t.Fatal(err)
	}
	got, err := h.cards.cardKeyMachines(t.Context(), actor.Local("test"))
	if err != nil || len(got) != 1 || got[0].ID != "laser" || got[0].Why != cardkey.ByHand {
		t.Errorf("%+v, %v; want the laser alone: the press has not joined", got, err)
	}
}

func TestEnrolledMachinesAreAppliedAndRevokedOnesRemoved(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	laser := ledgertest.New(t, "biklab", "laser")
	on := enrol.Enrolled{ID: "laser", Key: laser.Key, Password: sha256.Sum256([]byte("secret")), Replacing: "ines"}
	if err := h.enrolments.applyMachines(t.Context(), []enrol.Enrolled{on}); err != nil {
		t.Fatal(err)
	}
	laser.Append(wire.Refused, "", "", wire.RefusedBody{})
	if !h.fleet.has("laser") || h.enrolments.replacing["laser"] != "ines" {
		t.Errorf("known %v, replacing %v", h.fleet.has("laser"), h.enrolments.replacing)
	}
	if _, err := h.core.ledger.Take("laser", laser.Data(1, 1)); err != nil {
		t.Errorf("a record of an enrolled machine: %v", err)
	}
	on.Revoked = true
	if err := h.enrolments.applyMachines(t.Context(), []enrol.Enrolled{on}); err != nil {
		t.Fatal(err)
	}
	if h.fleet.has("laser") || len(h.enrolments.replacing) != 0 {
		t.Errorf("known %v, replacing %v", h.fleet.has("laser"), h.enrolments.replacing)
	}
	laser.Append(wire.Refused, "", "", wire.RefusedBody{})
	if _, err := h.core.ledger.Take("laser", laser.Data(2, 2)); err == nil {
		t.Error("a record of a revoked machine counts")
	}
}

// The administrator who created the enrolment code allowed one new journal of that machine.
func TestJournalOfAReplacedComputerIsAcceptedOnce(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	laser := ledgertest.New(t, "biklab", "laser")
	if _, err := h.enrolments.machines.Machines.Add(t.Context(), actor.Local("test"), "laser"); err != nil {
		t.Fatal(err)
	}
	h.core.ledger.Pin("laser", laser.Key)
	laser.Append(wire.Refused, "", "", wire.RefusedBody{})
	if _, err := h.core.ledger.Take("laser", laser.Data(1, 1)); err != nil {
		t.Fatal(err)
	}
	head, err := h.core.ledger.Head("laser")
	if err != nil {
		t.Fatal(err)
	}
	journals := func() int {
		all, err := h.core.ledger.Generations(t.Context(), "laser")
		if err != nil {
			t.Fatal(err)
		}
		return len(all)
	}
	h.enrolments.replaceAwaited("laser", "2222222222222222")
	if journals() != 1 {
		t.Error("a journal that nobody let in takes the place of the one held")
	}
	h.enrolments.replacing = map[policy.MachineID]string{"laser": "ines"}
	h.enrolments.replaceAwaited("laser", "")
	h.enrolments.replaceAwaited("laser", head.Generation)
	if journals() != 1 || len(h.enrolments.replacing) != 1 {
		t.Error("the journal of the computer before takes the place of itself")
	}
	h.enrolments.replaceAwaited("laser", "2222222222222222")
	all, err := h.core.ledger.Generations(t.Context(), "laser")
	if err != nil || len(all) != 2 || len(h.enrolments.replacing) != 0 {
		t.Fatalf("%+v, %v; still awaited: %v", all, err, h.enrolments.replacing)
	}
}

// signedPolicy signs a policy without machines that has this number. signedPolicy returns the signed policy as a file
// and as a part of a manifest.
func signedPolicy(t *testing.T, signer note.Signer, number uint64) (whole []byte, of wire.PolicyFile) {
	t.Helper()
	out, _, err := site.SignPolicyText(fmt.Appendf(nil, starterPolicy, "biklab"), number, signer)
	if err != nil {
		t.Fatal(err)
	}
	f, err := wire.ReadPolicyFile(bytes.NewReader(out), nil)
	if err != nil {
		t.Fatal(err)
	}
	return out, f
}

// withPolicyKey returns a separate policy key, and a change of hub.yaml that configures the key.
func withPolicyKey(t *testing.T) (note.Signer, func(*Config)) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "policy-biklab")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return signer, func(c *Config) { c.PolicyKey = public }
}

// The hub accepts a policy that a machine returns only if the policy key signed the policy and a manifest of this hub
// names it.
func TestPolicyThatAMachineReturnsMustHaveBeenInABundle(t *testing.T) {
	signer, pinned := withPolicyKey(t)
	h := openHub(t, newConfiguration(t, pinned))
	ctx := t.Context()
	whole, of := signedPolicy(t, signer, 7)
	stranger, _ := withPolicyKey(t)
	other, _ := signedPolicy(t, stranger, 9)
	if err := h.enrolments.takePolicy(ctx, "laser", whole); !errors.Is(err, errOtherPolicy) {
		t.Errorf("before its manifest: %v", err)
	}
	text := of.Chunks[wire.PolicyChunk]
	m := wire.Manifest{Site: "biklab", Version: 41, Issued: time.Now(), Expires: time.Now().AddDate(1, 0, 0),
		SignedPolicy: string(of.Signed),
		Chunks:       []wire.Chunk{{Name: wire.PolicyChunk, SHA256: wire.Hash(text), Size: int64(len(text))}}}
	manifest, err := wire.SignManifest(m, h.core.signer)
	if err != nil {
		t.Fatal(err)
	}
	if err := h.enrolments.takeManifest(ctx, "laser", []byte("forged")); err == nil {
		t.Error("a forged manifest is taken")
	}
	if err := h.enrolments.takeManifest(ctx, "laser", manifest); err != nil {
		t.Fatal(err)
	}
	if err := h.enrolments.takePolicy(ctx, "laser", other); err == nil {
		t.Error("a policy of another key is taken")
	}
	if err := h.enrolments.takePolicy(ctx, "laser", whole); err != nil {
		t.Fatal(err)
	}
	p, err := h.services.publish.Policies.Current(ctx, actor.Local("test"))
	if err != nil || p.Number != 7 {
		t.Errorf("policy %d in force, %v; want the returned one, 7", p.Number, err)
	}
	if v, err := h.services.verifyPolicy(whole); err != nil || v.Number != 7 || len(v.Text) == 0 ||
		v.By != "policy-biklab" {
		t.Errorf("%+v, %v", v, err)
	}
	if _, err := h.services.verifyPolicy(other); err == nil {
		t.Error("a policy of another key is verified")
	}
	h.core.c.Site = "elsewhere"
	if _, err := h.services.verifyPolicy(whole); err == nil || !strings.Contains(err.Error(), `want "elsewhere"`) {
		t.Errorf("a policy of another site: %v", err)
	}
}

func TestReturnedDocumentsAreRefusedWhileTheHubStarts(t *testing.T) {
	h := newParts(&core{})
	if err := h.enrolments.takeManifest(t.Context(), "laser", nil); !errors.Is(err, errNotYet) {
		t.Error(err)
	}
	if err := h.enrolments.takePolicy(t.Context(), "laser", nil); !errors.Is(err, errNotYet) {
		t.Error(err)
	}
	h = openHub(t, newConfiguration(t))
	err := h.enrolments.takePolicy(t.Context(), "laser", nil)
	if err == nil || !strings.Contains(err.Error(), "no separate policy key") {
		t.Errorf("a site without a separate policy key: %v", err)
	}
}

func TestNumberOfReturnedPoliciesIsLimited(t *testing.T) {
	var p returnedPolicies
	for i := range maxReturnedPolicies {
		p.add(string(rune('a' + i)))
	}
	if !p.has([]byte("a")) || len(p.of) != maxReturnedPolicies {
		t.Errorf("%d are known, want %d", len(p.of), maxReturnedPolicies)
	}
	if p.add("one more"); len(p.of) != 1 || !p.has([]byte("one more")) {
		t.Errorf("%d are known after one too many", len(p.of))
	}
}

func TestPagesAreServedWithTheCertificateOfTheHubsAuthority(t *testing.T) {
	h := openHub(t, newConfiguration(t, func(c *Config) { c.Web.Cert = OwnCert }))
	if got := h.WebURL(); !strings.HasPrefix(got, "https://localhost:") {
		t.Errorf("%s", got)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(t.Context())
	go func() { ended <- h.pagesServer.servePages(ctx) }()
	conn, err := tls.Dial("tcp", h.pagesServer.listener.Addr().String(),
		&tls.Config{RootCAs: h.Authority().Pool(), ServerName: "localhost", NextProtos: []string{"h2"}})
	if err != nil {
		t.Fatal(err)
	}
	if s := conn.ConnectionState(); s.NegotiatedProtocol != "h2" || s.Version < tls.VersionTLS12 {
		t.Errorf("%+v", s)
	}
	conn.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestHubSignedCertificateOfPagesNeedsTheAuthority(t *testing.T) {
	c := newConfiguration(t, func(c *Config) { c.Web.Cert, c.Join = OwnCert, JoinConfig{CardKey: c.Join.CardKey} })
	h, err := New(c, Options{Offline: true})
	if err == nil {
		h.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "the hub has no authority") {
		t.Error(err)
	}
}

func TestStateOfAMachineListsItsFaults(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	seen := time.Date(2026, 11, 30, 9, 0, 0, 0, time.UTC)
	state := wire.State{Phase: "on", Program: "1.2", Bundle: 4, Journal: 12, Clock: "trusted", Disk: "chunk damaged",
		BundleRefused: "policy key", SilentScreen: "127.0.0.1", UnackedWhy: "no-answer"}
	h.fleet.machines = map[policy.MachineID]*Machine{"laser": {ID: "laser", Online: true, Seen: seen, Held: 11,
		Trouble: "rolled-back: x", State: &state, Dropped: &Dropped{}}}
	got := h.fleet.standing("laser")
	if !got.Online || !got.Seen.Equal(seen) || got.Held != 11 || got.RefuseOf != "rolled-back: x" || got.Phase != "on" ||
		got.Program != "1.2" || got.Bundle != 4 || got.Records != 12 || got.Clock != "trusted" ||
		got.Disk != "chunk damaged" || got.Refused != "policy key" {
		t.Errorf("%+v", got)
	}
	want := []string{"screen: 127.0.0.1", "uplink: no-answer", "message too large"}
	if !slices.Equal(got.Faults, want) {
		t.Errorf("faults %q, want %q", got.Faults, want)
	}
	if got := h.fleet.standing("press"); got.Online || got.Faults != nil {
		t.Errorf("a machine that is not known: %+v", got)
	}
	var unreachable *enrol.Unreachable
	if _, err := h.enrolments.orderMachine(t.Context(), "press", wire.Command{}); !errors.As(err, &unreachable) {
		t.Errorf("an order for it: %v", err)
	}
}

func TestCredentialIsServedOnlyFromTheBundleInForce(t *testing.T) {
	h := openHub(t, newConfiguration(t))
	if _, err := h.bundles.credential(t.Context(), wire.Hash([]byte("x"))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestPasswordOfABrokerAccountIsReadFromItsFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	if _, err := readPassword(path); err == nil {
		t.Error("a file that is not there is a password")
	}
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := readPassword(path); err != nil || got != "secret" {
		t.Errorf("%q, %v", got, err)
	}
}
