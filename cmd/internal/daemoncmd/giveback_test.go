package daemoncmd

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/site"
	"portillon/wire"
)

// returnedData records the data that a machine sent back to the hub.
type returnedData struct {
	manifests, policies [][]byte
	err                 error
}

func (r *returnedData) Return(_ context.Context, manifest, policy []byte) error {
	r.manifests, r.policies = append(r.manifests, manifest), append(r.policies, policy)
	return r.err
}

// A machine sends its bundle back only to a hub that offers an older bundle, and at most once a minute.
func TestMachineReturnsItsBundleToAHubThatOffersAnOlderOne(t *testing.T) {
	key := func(kind string) (note.Signer, note.Verifiers) {
		private, public, err := note.GenerateKey(rand.Reader, "portillon:"+kind+":biklab")
		if err != nil {
			t.Fatal(err)
		}
		s, _ := note.NewSigner(private)
		v, _ := note.NewVerifier(public)
		return s, note.VerifierList(v)
	}
	hub, hubKeys := key("hub")
	policy, policyKeys := key("policy")
	s, err := site.Read("../../../site-example")
	if err != nil {
		t.Fatal(err)
	}
	build := func(version, number uint64) *site.Built {
		b, err := s.Build(site.Order{Version: version, Issued: time.Now(), Expires: time.Now().Add(time.Hour), Signer: hub,
			CardKey: make([]byte, 32),
			Policy:  site.PolicyOrder{Number: number, Signer: policy}})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	older, olderPolicy, now := build(5, 3), build(5, 2), build(7, 3)
	k := &bundleUpdater{store: wire.Store{Dir: t.TempDir(), Site: "biklab", Keys: hubKeys, Policy: policyKeys},
		log: slog.New(slog.DiscardHandler)}
	if _, err := k.store.Install(now.Signed, now.Chunk, nil); err != nil {
		t.Fatal(err)
	}
	tooOld := &wire.Refusal{Code: "older-version"}
	for name, c := range map[string]struct {
		offered []byte
		why     error
		last    time.Duration // time since the last return; 0: no return yet
		fails   error
		returns bool
		policy  bool
	}{
		"an older bundle":                {older.Signed, tooOld, 0, nil, true, false},
		"an older policy too":            {olderPolicy.Signed, tooOld, 0, nil, true, true},
		"an older policy alone":          {olderPolicy.Signed, &wire.Refusal{Code: wire.OlderPolicy}, 0, nil, true, true},
		"a bundle that is taken":         {now.Signed, nil, 0, nil, false, false},
		"a damaged bundle":               {older.Signed, &wire.Refusal{Code: "wrong-hash"}, 0, nil, false, false},
		"a bundle of somebody else":      {[]byte("x"), &wire.Refusal{Code: "bad-signature"}, 0, nil, false, false},
		"again at once":                  {older.Signed, tooOld, time.Second, nil, false, false},
		"again after two minutes":        {older.Signed, tooOld, 2 * time.Minute, nil, true, false},
		"to a hub that does not take it": {older.Signed, tooOld, 0, errors.New("refused"), true, false},
	} {
		hub := &returnedData{err: c.fails}
		k.returns = hubReturns{to: hub, log: k.log}
		if c.last > 0 {
			k.returns.last = time.Now().Add(-c.last)
		}
		k.returns.answer(t.Context(), k.store, c.offered, c.why)
		if got := len(hub.manifests) == 1; got != c.returns || got && string(hub.manifests[0]) != string(now.Signed) {
			t.Errorf("%s: %d manifests are returned", name, len(hub.manifests))
			continue
		}
		if c.returns && (hub.policies[0] != nil) != c.policy {
			t.Errorf("%s: the policy has %d bytes", name, len(hub.policies[0]))
		}
	}
	k.returns = hubReturns{}
	// A machine that was not enrolled has no connection to a hub, so it returns no bundle.
	k.returns.answer(t.Context(), k.store, older.Signed, tooOld)
}
