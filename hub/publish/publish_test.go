package publish_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/publish"
	"portillon/hub/store"
	"portillon/hub/store/storetest"
	"portillon/site"
	"portillon/wire"
)

var owner = actor.Actor{Account: "1", Name: "Rosa", Site: actor.Owner}

// startTime is the initial time of tests that control the clock.
var startTime = time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)

// bench contains the services, a database, a folder with the example site, and a store of bundles.
type bench struct {
	t     *testing.T
	ctx   context.Context
	site  *store.Site
	o     publish.Options
	s     *publish.Services
	store wire.Store
	key   note.Signer
	text  string // text of the example site's policy

	mu     sync.Mutex
	audits []string
	builds atomic.Int64
}

// newBench creates a bench. Each function in with may change the bench before the services are created.
func newBench(t *testing.T, with ...func(*bench)) *bench {
	t.Helper()
	skey, vkey, err := note.GenerateKey(rand.Reader, "hub")
	if err != nil {
		t.Fatal(err)
	}
	key, err1 := note.NewSigner(skey)
	verifier, err2 := note.NewVerifier(vkey)
	text, err3 := os.ReadFile("../../site-example/policy.yaml")
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	db := storetest.Open(t)
	b := &bench{t: t, ctx: t.Context(), site: db.Site("biklab"), key: key, text: string(text)}
	b.store = wire.Store{Dir: t.TempDir(), Site: "biklab", Keys: note.VerifierList(verifier)}
	b.o = publish.Options{Site: b.site, Now: func() time.Time { return startTime }, Signer: fakeKey{},
		SignedBy: "policy key",
		Verify:   fakeKey{}.open, Keys: b.store.Keys, Install: installer{&b.store}, Audit: b.audit, Build: b.build}
	for _, f := range with {
		f(b)
	}
	if b.s, err = publish.New(b.o); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) audit(_ context.Context, _ *store.Tx, a actor.Actor, act actor.Act, on, detail string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.audits = append(b.audits, fmt.Sprintf("%s %s %s: %s", a.Name, act, on, detail))
	return nil
}

// build builds a bundle of the example site with the snapshot's policy.
func (b *bench) build(_ context.Context, s publish.Snapshot, o publish.Order) (*site.Built, error) {
	path := filepath.Join(b.t.TempDir(), "policy.yaml")
	if err := os.WriteFile(path, s.Text, 0o600); err != nil {
		return nil, err
	}
	x, err := site.ReadUnder("../../site-example", path)
	if err != nil {
		return nil, err
	}
	return x.Build(
		site.Order{
			Version: o.Version,
			Issued:  o.Issued,
			Expires: o.Expires,
			Signer:  b.key,
			CardKey: bytes.Repeat([]byte{1}, 32),
		},
	)
}

// installer adapts a store of bundles to publish.Installer.
type installer struct{ s *wire.Store }

func (i installer) Current() (wire.Manifest, error) { return i.s.Current() }
func (i installer) Install(signed []byte, chunk wire.Fetch) (wire.Manifest, error) {
	return i.s.Install(signed, chunk, nil)
}

// fakeKey signs by adding a prefix.
type fakeKey struct{}

type signedText struct {
	Key       string
	Number    int64
	Text      []byte
	Documents []byte
}

func (fakeKey) SignPolicy(number int64, text, documents []byte) ([]byte, error) {
	return json.Marshal(signedText{"policy key", number, text, documents})
}

func (fakeKey) open(signed []byte) (publish.SignedPolicy, error) {
	var x signedText
	if err := json.Unmarshal(signed, &x); err != nil || x.Key != "policy key" {
		return publish.SignedPolicy{}, errors.New("no trusted key has signed this")
	}
	return publish.SignedPolicy{Number: x.Number, Text: x.Text, Documents: x.Documents, By: x.Key}, nil
}

// withoutSigner removes the Signer, as if the policy key were on another computer.
func withoutSigner(b *bench) { b.o.Signer = nil }

func (b *bench) publish(text string, of int64) publish.Policy {
	b.t.Helper()
	p, err := b.s.Policies.Publish(b.ctx, owner, text, "", of, nil)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

func (b *bench) current() publish.Policy {
	b.t.Helper()
	p, err := b.s.Policies.Current(b.ctx, owner)
	if err != nil {
		b.t.Fatal(err)
	}
	return p
}

// editedPolicy returns the example policy with the text old replaced by the text by. The test fails if the policy does
// not contain old.
func (b *bench) editedPolicy(old, by string) string {
	b.t.Helper()
	if !strings.Contains(b.text, old) {
		b.t.Fatalf("the example's policy does not hold %q", old)
	}
	return strings.Replace(b.text, old, by, 1)
}

func TestPolicyNumbersIncreaseAndOneVersionIsInForce(t *testing.T) {
	b := newBench(t)
	var missing *fault.NotFound
	if _, err := b.s.Policies.Current(b.ctx, owner); !errors.As(err, &missing) {
		t.Fatalf("without a policy: %v", err)
	}
	second := b.editedPolicy("status-grace: 7d", "status-grace: 8d")
	for i, text := range []string{b.text, second, b.text} {
		p := b.publish(text, int64(i))
		if p.Number != int64(i+1) || !p.InForce || p.Unsigned || p.SignedBy != "policy key" || p.By != "Rosa" ||
			!p.At.Equal(startTime) {
			t.Errorf("version %d: %+v", i+1, p)
		}
		if got := b.current(); got.Number != p.Number || got.Text != text || !got.InForce {
			t.Errorf("in force: %d", got.Number)
		}
	}
	all, next, err := b.s.Policies.Versions(b.ctx, owner, publish.Page{Limit: 2})
	if err != nil || len(all) != 2 || all[0].Number != 3 || !all[0].InForce || all[1].Number != 2 || all[1].InForce ||
		all[0].Text != "" ||
		next != "2" {
		t.Errorf("%v, %q, %v", all, next, err)
	}
	all, next, err = b.s.Policies.Versions(b.ctx, owner, publish.Page{After: next, Limit: 2})
	if err != nil || len(all) != 1 || all[0].Number != 1 || next != "" {
		t.Errorf("%v, %q, %v", all, next, err)
	}
	if p, err := b.s.Policies.Version(b.ctx, owner, 2); err != nil || p.Text != second || p.InForce {
		t.Errorf("error is %v", err)
	}
	if _, err := b.s.Policies.Version(b.ctx, owner, 9); !errors.As(err, &missing) {
		t.Errorf("a number that is not there: %v", err)
	}
	for _, after := range []string{"x", "-1", "9999999999999999999999"} {
		if _, _, err := b.s.Policies.Versions(b.ctx, owner, publish.Page{After: after}); !isInvalid(err) {
			t.Errorf("cursor %q: %v", after, err)
		}
	}
	if len(b.audits) != 3 || b.audits[0] != "Rosa policy.publish policy 1: in force" {
		t.Errorf("%q", b.audits)
	}
}

func isInvalid(err error) bool {
	var x *fault.Invalid
	return errors.As(err, &x)
}

func TestPublicationForAPolicyThatIsNotInForceIsAConflict(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t)
	b.publish(b.text, 0)
	for _, of := range []int64{0, 2, -1, 99} {
		var c *fault.Conflict
		_, err := b.s.Policies.Publish(b.ctx, owner, b.text, "", of, nil)
		if !errors.As(err, &c) || c.Have != 1 || c.Got != of {
			t.Errorf("of %d: %v", of, err)
		}
	}
	if b.current().Number != 1 {
		t.Error("a refused version came into force")
	}
}

func TestOnlyOneOfManySimultaneousPublicationsSucceeds(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t)
	var all sync.WaitGroup
	won := make(chan int64, 8)
	for range cap(won) {
		all.Go(func() {
			p, err := b.s.Policies.Publish(b.ctx, owner, b.text, "", 0, nil)
			var c *fault.Conflict
			if err == nil {
				won <- p.Number
			} else if !errors.As(err, &c) {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(won) != 1 || <-won != 1 {
		t.Errorf("%d published", len(won))
	}
}

func TestUnpublishablePolicyIsRefusedWithEveryFault(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct{ text, comment string }{
		"two faults": {strings.Replace(b.editedPolicy("status-grace: 7d", "status-grace: never"), "language: fr",
			"language: it", 1), ""},
		"another site":        {b.editedPolicy("site: biklab", "site: other"), ""},
		"empty":               {"", ""},
		"too long":            {b.text + strings.Repeat("# long\n", 1<<18), ""},
		"a long comment":      {b.text, strings.Repeat("x", 2001)},
		"a control character": {b.text, "a\x00b"},
		"not UTF-8":           {b.text, "\xff"},
		"an escape sequence":  {b.text, "\x1b[2J"},
	} {
		_, err := b.s.Policies.Publish(b.ctx, owner, c.text, c.comment, 0, nil)
		var x *fault.Invalid
		if !errors.As(err, &x) {
			t.Errorf("%s: %v", name, err)
		} else if name == "two faults" && (len(x.Faults) != 2 || x.Faults[0].Row == 0) {
			t.Errorf("%+v", x.Faults)
		}
	}
	if _, err := b.s.Policies.Current(b.ctx, owner); err == nil {
		t.Error("something came into force")
	}
}

func TestBackPublishesThePreviousTextAsANewVersion(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t)
	var missing *fault.NotFound
	if _, err := b.s.Policies.Back(b.ctx, owner, ""); !errors.As(err, &missing) {
		t.Errorf("without a version before: %v", err)
	}
	second := b.editedPolicy("status-grace: 7d", "status-grace: 8d")
	b.publish(b.text, 0)
	b.publish(second, 1)
	p, err := b.s.Policies.Back(b.ctx, owner, "too long a grace")
	if err != nil || p.Number != 3 || p.BackTo != 1 || p.Text != b.text || !p.InForce || p.Comment != "too long a grace" {
		t.Errorf("policy after Back is %+v, %v", p, err)
	}
	if p, err = b.s.Policies.Back(b.ctx, owner, ""); err != nil || p.Number != 4 || p.BackTo != 2 || p.Text != second {
		t.Errorf("back from going back: %+v, %v", p, err)
	}
	if last := b.audits[len(b.audits)-2]; last != "Rosa policy.publish policy 3: in force: back to 1: too long a grace" {
		t.Errorf("%q", last)
	}
}

func TestPolicyWithoutSignerWaitsForItsSignature(t *testing.T) {
	if testing.Short() {
		t.Skip("short: compiles and compares whole policies")
	}
	b := newBench(t, withoutSigner)
	p, err := b.s.Policies.Publish(b.ctx, owner, b.text, "first", 0, nil)
	if err != nil || !p.Unsigned || p.InForce || p.Number != 1 {
		t.Fatalf("%+v, %v", p, err)
	}
	if _, err := b.s.Policies.Current(b.ctx, owner); err == nil {
		t.Fatal("an unsigned policy is in force")
	}
	other := b.editedPolicy("status-grace: 7d", "status-grace: 8d")
	sign := func(n int64, text string) []byte {
		out, _ := fakeKey{}.SignPolicy(n, []byte(text), []byte("documents"))
		return out
	}
	for name, c := range map[string]struct {
		text      string
		signature []byte
	}{
		"another text":                      {b.text, sign(1, other)},
		"another text than the one waiting": {other, sign(1, other)},
		"the number 0":                      {b.text, sign(0, b.text)},
		"no signature":                      {b.text, []byte("words")},
		"too large":                         {b.text, make([]byte, 48<<20+1)},
	} {
		if _, err := b.s.Policies.Publish(b.ctx, owner, c.text, "", 0, c.signature); !isInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	p, err = b.s.Policies.Publish(b.ctx, owner, b.text, "", 0, sign(1, b.text))
	if err != nil || p.Unsigned || !p.InForce || p.Number != 1 || p.Comment != "first" || p.SignedBy != "policy key" {
		t.Fatalf("%+v, %v", p, err)
	}
	if got := b.current(); got.Number != 1 || got.Unsigned {
		t.Errorf("%+v", got)
	}
	if _, err := b.s.Policies.Publish(b.ctx, owner, b.text, "", 1, sign(1, b.text)); !isInvalid(err) {
		t.Errorf("the number in force, signed again: %v", err)
	}
	p, err = b.s.Policies.Publish(b.ctx, owner, other, "", 1, sign(7, other))
	if err != nil || p.Number != 7 || !p.InForce {
		t.Errorf("a number that nothing waits for: %+v, %v", p, err)
	}
	if p, err = b.s.Policies.Back(b.ctx, owner, ""); err != nil || p.Number != 8 || !p.Unsigned || p.BackTo != 1 ||
		b.current().Number != 7 {
		t.Errorf("back: %+v, %v", p, err)
	}
}

func TestSignaturesAreRefusedWithoutVerify(t *testing.T) {
	b := newBench(t, func(b *bench) { b.o.Verify = nil })
	signature, _ := fakeKey{}.SignPolicy(1, []byte(b.text), nil)
	if _, err := b.s.Policies.Publish(b.ctx, owner, b.text, "", 0, signature); !isInvalid(err) {
		t.Errorf("error is %v", err)
	}
	if err := b.s.Policies.Adopt(b.ctx, signature); err == nil {
		t.Error("a policy was adopted")
	}
	if _, err := publish.New(publish.Options{Site: b.site}); err == nil {
		t.Error("a service that could bring nothing into force was made")
	}
}

func TestReturnedPolicyComesIntoForce(t *testing.T) {
	b := newBench(t)
	b.publish(b.text, 0)
	newer := b.editedPolicy("status-grace: 7d", "status-grace: 9d")
	signed, _ := fakeKey{}.SignPolicy(5, []byte(newer), []byte("documents"))
	if err := b.s.Policies.Adopt(b.ctx, signed); err != nil {
		t.Fatal(err)
	}
	if got := b.current(); got.Number != 5 || got.Text != newer {
		t.Errorf("%d is in force", got.Number)
	}
	older, _ := fakeKey{}.SignPolicy(4, []byte(b.text), nil)
	if err := b.s.Policies.Adopt(b.ctx, older); err != nil || b.current().Number != 5 {
		t.Errorf("an older one: %v, %d is in force", err, b.current().Number)
	}
	if err := b.s.Policies.Adopt(b.ctx, []byte("words")); err == nil {
		t.Error("words were adopted")
	}
	if p := b.publish(b.text, 5); p.Number != 6 {
		t.Errorf("the next number is %d", p.Number)
	}
}

func TestReturnedPolicyReplacesAnUnsignedPolicyWithTheSameNumber(t *testing.T) {
	b := newBench(t, withoutSigner)
	b.publish(b.text, 0)
	other := b.editedPolicy("status-grace: 7d", "status-grace: 9d")
	signed, _ := fakeKey{}.SignPolicy(1, []byte(other), nil)
	if err := b.s.Policies.Adopt(b.ctx, signed); err != nil {
		t.Fatal(err)
	}
	if got := b.current(); got.Number != 1 || got.Text != other || got.By != "returned by a machine" {
		t.Errorf("%+v", got)
	}
}

func TestAPolicyOfAnotherSiteIsNotVisible(t *testing.T) {
	b := newBench(t)
	b.publish(b.text, 0)
	db := storetest.Open(t)
	one, err1 := publish.New(publish.Options{Site: db.Site("biklab"), Signer: fakeKey{}})
	two, err2 := publish.New(publish.Options{Site: db.Site("other"), Signer: fakeKey{}})
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	if _, err := one.Policies.Publish(b.ctx, owner, b.text, "", 0, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := two.Policies.Current(b.ctx, owner); err == nil {
		t.Error("another site's policy is in force")
	}
	if all, _, err := two.Policies.Versions(b.ctx, owner, publish.Page{}); err != nil || len(all) != 0 {
		t.Errorf("policies of the other site are %v, %v", all, err)
	}
}

// newSite returns the example site in an empty database.
func newSite(t *testing.T) *store.Site {
	t.Helper()
	db := storetest.Open(t)
	return db.Site("biklab")
}
