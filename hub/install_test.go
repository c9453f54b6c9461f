package hub_test

import (
	"bytes"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"portillon/hub"
	"portillon/hub/ledger/ledgertest"
	"portillon/wire"
)

func TestABundleThatTheHubBuildsIsRetainedAndServed(t *testing.T) {
	m := ledgertest.New(t, "biklab", "laser")
	b := newBundler(t)
	o := run(t, configure(t, []*ledgertest.Machine{m}, func(c *hub.Config) { c.Bundle = hub.BundleConfig{Key: b.key} }))
	if _, err := o.Bundles().Current(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("before the first bundle: %v", err)
	}
	chunk := func(string) ([]byte, error) { return []byte("the policy"), nil }
	first := b.putBundle("biklab", 1, b.signer, "the policy")
	got, err := o.Bundles().Install(first, chunk)
	if err != nil || got.Version != 1 {
		t.Fatalf("%+v, %v", got, err)
	}
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Bundle())
	if got := c.awaitMessage(c.topics.Bundle()).Payload(); !bytes.Equal(got, first) {
		t.Errorf("%s is retained", got)
	}
	if got := get(t, o.HTTP()+"/manifest", ""); got.body != string(first) {
		t.Errorf("%s is served", got.body)
	}
	if got := get(t, o.HTTP()+"/chunks/"+wire.Hash([]byte("the policy")), ""); got.body != "the policy" {
		t.Errorf("chunk: %d, %q", got.code, got.body)
	}
	stranger, _ := ledgertest.NewKey(t, "portillon-biklab")
	for name, signed := range map[string][]byte{
		"an older bundle":                b.putBundle("biklab", 1, b.signer, "another policy"),
		"a bundle of another site":       b.putBundle("other", 2, b.signer, "the policy"),
		"a bundle signed by another key": b.putBundle("biklab", 2, stranger, "the policy"),
		"a bundle without its chunk":     b.putBundle("biklab", 2, b.signer, "a policy that is nowhere"),
	} {
		if _, err := o.Bundles().Install(signed, chunk); err == nil {
			t.Errorf("%s came into force", name)
		}
		if now, version := o.Manifest(); version != 1 || !bytes.Equal(now, first) {
			t.Errorf("%s: version %d is in force", name, version)
		}
	}
	second := b.putBundle("biklab", 2, b.signer, "the policy")
	if _, err := o.Bundles().Install(second, nil); err != nil {
		t.Fatal(err)
	}
	for got := c.next().Payload(); !bytes.Equal(got, second); got = c.next().Payload() {
		if !bytes.Equal(got, first) { // the manifest may arrive twice: as a retained and as a new message
			t.Fatalf("%s", got)
		}
	}
}

func TestHubWithoutABundleKeyInstallsNoBundle(t *testing.T) {
	b := newBundler(t)
	o := run(t, configure(t, []*ledgertest.Machine{ledgertest.New(t, "biklab", "laser")}))
	if _, err := o.Bundles().Current(); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("%v", err)
	}
	if _, err := o.Bundles().Install(b.putBundle("biklab", 1, b.signer, "the policy"), nil); err == nil ||
		!strings.Contains(err.Error(), "bundle: key") {
		t.Errorf("%v", err)
	}
}
