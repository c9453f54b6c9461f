package hub_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"portillon/hub"
	"portillon/hub/broker"
	"portillon/hub/ledger/ledgertest"
	"portillon/policy"
	"portillon/wire"
)

// bundler creates bundle files of one site.
type bundler struct {
	t      *testing.T
	signer note.Signer
	key    note.Verifier
	file   string
}

func newBundler(t *testing.T) *bundler {
	s, k := ledgertest.NewKey(t, "portillon-biklab")
	return &bundler{t, s, k, filepath.Join(t.TempDir(), "site.bundle")}
}

// putBundle replaces the bundle file, and returns the signed manifest.
func (b *bundler) putBundle(site policy.SiteID, version uint64, signer note.Signer, chunks ...string) []byte {
	b.t.Helper()
	m := wire.Manifest{
		Site:    site,
		Version: version,
		Issued:  ledgertest.Start(),
		Expires: ledgertest.Start().AddDate(1, 0, 0),
	}
	held := map[string][]byte{}
	for i, c := range chunks {
		name := wire.PolicyChunk
		if i > 0 {
			name = wire.RosterChunk(i)
		}
		m.Chunks = append(m.Chunks, wire.Chunk{Name: name, SHA256: wire.Hash([]byte(c)), Size: int64(len(c))})
		held[wire.Hash([]byte(c))] = []byte(c)
	}
	signed, err := wire.SignManifest(m, signer)
	if err != nil {
		b.t.Fatal(err)
	}
	var f bytes.Buffer
	if err := wire.WriteBundle(&f, signed, m, func(sha string) ([]byte, error) { return held[sha], nil }); err != nil {
		b.t.Fatal(err)
	}
	if err := wire.WriteFile(b.file, f.Bytes(), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return signed
}

func (b *bundler) configured(c *hub.Config) { c.Bundle = hub.BundleConfig{File: b.file, Key: b.key} }

func TestManifestIsRetainedAndFollowsTheBundleFile(t *testing.T) {
	t.Parallel() // most of the test's time is waiting
	m := ledgertest.New(t, "biklab", "laser")
	b := newBundler(t)
	first := b.putBundle("biklab", 1, b.signer, "policy one")
	config := configure(t, []*ledgertest.Machine{m}, b.configured)
	o := run(t, config)
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Bundle())
	if got := c.awaitMessage(c.topics.Bundle()).Payload(); !bytes.Equal(got, first) {
		t.Fatalf("%s", got)
	}
	second := b.putBundle("biklab", 2, b.signer, "policy two")
	for got := c.next().Payload(); !bytes.Equal(got, second); got = c.next().Payload() {
		if !bytes.Equal(got, first) { // the manifest may arrive twice: as a retained and as a new message
			t.Fatalf("%s", got)
		}
	}
	stranger, _ := ledgertest.NewKey(t, "portillon-biklab")
	for name, put := range map[string]func(){
		"an older bundle":                func() { b.putBundle("biklab", 1, b.signer, "policy one") },
		"a bundle of another site":       func() { b.putBundle("elsewhere", 9, b.signer, "policy two") },
		"a bundle signed by another key": func() { b.putBundle("biklab", 9, stranger, "policy two") },
		"a text file":                    func() { write(t, b.file, "words") },
		"a missing file":                 func() { os.Remove(b.file) },
		"a bundle without its policy":    func() { b.putBundle("biklab", 9, b.signer) },
	} {
		put()
		o.stop()
		o = run(t, config) // the hub reads the bundle file at its start too
		late := dial(t, o.Broker())
		late.subscribe(late.topics.Bundle())
		if got := late.awaitMessage(late.topics.Bundle()).Payload(); !bytes.Equal(got, second) {
			t.Errorf("%s came into force: %s", name, got)
		}
		if got := get(t, o.HTTP()+"/manifest", ""); got.body != string(second) {
			t.Errorf("%s came into force: %s", name, got.body)
		}
	}
}

type answer struct {
	code   int
	body   string
	header http.Header
}

func get(t *testing.T, url, etag string, changes ...func(*http.Request)) answer {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if etag != "" {
		r.Header.Set("If-None-Match", etag)
	}
	for _, f := range changes {
		f(r)
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, string(body), resp.Header}
}

func TestOnlyChunksOfTheBundleAreServed(t *testing.T) {
	b := newBundler(t)
	signed := b.putBundle("biklab", 1, b.signer, "the policy", "a bucket")
	o := run(t, configure(t, []*ledgertest.Machine{ledgertest.New(t, "biklab", "laser")}, b.configured))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Bundle())
	c.awaitMessage(c.topics.Bundle()) // wait until the bundle is in force
	for _, want := range []string{"the policy", "a bucket"} {
		got := get(t, o.HTTP()+"/chunks/"+wire.Hash([]byte(want)), "")
		if got.code != 200 || got.body != want || !strings.Contains(got.header.Get("Cache-Control"), "immutable") ||
			!strings.Contains(got.header.Get("Cache-Control"), "private") {
			t.Errorf("%+v", got)
		}
		if again := get(t, o.HTTP()+"/chunks/"+wire.Hash([]byte(want)), got.header.Get("ETag")); again.code != 304 {
			t.Errorf("asked again: %d", again.code)
		}
	}
	if got := get(t, o.HTTP()+"/manifest", ""); got.body != string(signed) ||
		got.header.Get("Cache-Control") != "no-cache" {
		t.Errorf("%+v", got)
	}
	hash := wire.Hash([]byte("the policy"))
	write(t, filepath.Join(o.config.Data, "bundle", "chunks", ".new-1"), "half written")
	for _, path := range []string{"/", "/chunks/", "/chunks/" + hash[:63], "/chunks/" + strings.ToUpper(hash), "/chunks/" +
		wire.Hash(nil), "/chunks/..%2fmanifest",
		"/chunks/..%2f..%2fledger.db", "/ledger.db", "/chunks/" + hash + "/", "/chunks/%00", "/chunks/.new-1", "/chunks//" +
			hash[:1]} {
		if got := get(t, o.HTTP()+path, "", func(r *http.Request) { r.URL.Opaque = "" }); got.code != 404 {
			t.Errorf("%s: %d", path, got.code)
		}
	}
	for _, host := range []string{"evil.example", "evil.example:8038", "192.0.2.1", "localhost.evil.example", ""} {
		if got := get(t, o.HTTP()+"/manifest", "", func(r *http.Request) { r.Host = host }); host != "" && got.code != 421 {
			t.Errorf("host %q: %d", host, got.code)
		}
	}
	if got := get(t, strings.Replace(o.HTTP(), "127.0.0.1", "localhost", 1)+"/manifest", ""); got.code != 200 {
		t.Errorf("localhost: %d", got.code)
	}
	for _, method := range []string{"POST", "PUT", "DELETE", "PATCH"} {
		if got := get(t, o.HTTP()+"/manifest", "", func(r *http.Request) { r.Method = method }); got.code != 405 {
			t.Errorf("%s: %d", method, got.code)
		}
	}
	if got := get(t, o.HTTP()+"/machines", ""); got.code != 200 || !strings.Contains(got.body, `"machine":"laser"`) {
		t.Errorf("%+v", got)
	}
}

// If a machine's state shows an older bundle, or more records than the hub has, the hub sends the manifest or an
// acknowledgement again. The hub does not send these messages after every state, because a machine that rejects the
// bundle would receive them for ever.
func TestHubSendsTheManifestOnceToAMachineWithAnOldBundle(t *testing.T) {
	t.Parallel() // most of the test's time is waiting
	b := newBundler(t)
	b.putBundle("biklab", 7, b.signer, "the policy")
	m := ledgertest.New(t, "biklab", "laser")
	m.Fill(5)
	var seconds atomic.Int64
	br, err := broker.Start(broker.Config{Dir: t.TempDir(), Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	defer br.Close()
	c := dial(t, "tcp://"+br.Addr()) // the client connects before the hub, so the client receives every message once
	c.subscribe(c.topics.Bundle(), c.topics.Ack("laser"))
	o := runAt(
		t,
		configure(
			t,
			[]*ledgertest.Machine{m},
			b.configured,
			func(c *hub.Config) { c.MQTT = hub.MQTTConfig{Broker: "tcp://" + br.Addr()} },
		),
		func() time.Time { return ledgertest.Start().Add(time.Duration(seconds.Load()) * time.Second) },
	)
	c.next() // the manifest
	c.next() // the acknowledgement
	state := func(bundle, journal uint64) {
		c.publish(
			c.topics.State("laser"),
			[]byte(
				fmt.Sprintf(
					`{"machine":"laser","phase":"off","relay":false,"tagged":false,"bundle":%d,"journal":%d}`,
					bundle,
					journal,
				),
			),
		)
		o.awaitMachine("laser", "heard", func(m hub.Machine) bool {
			return m.State != nil && m.State.Bundle == bundle && m.State.Journal == journal
		})
	}
	state(7, 0)
	c.requireNoMessage()
	seconds.Add(4) // wait, because the hub publishes the manifest again only after 3 s
	state(6, 0)
	if got := c.next(); got.Topic() != c.topics.Bundle() {
		t.Fatalf("%s", got.Topic())
	}
	state(5, 0)
	state(7, 5)
	c.requireNoMessage() // the hub sent both messages less than a minute ago
	seconds.Add(60)
	state(8, 0) // the hub does not send its bundle to a machine that has a newer bundle
	c.requireNoMessage()
	state(7, 5)
	if got := c.next(); got.Topic() != c.topics.Ack("laser") {
		t.Fatalf("%s", got.Topic())
	}
	state(6, 5)
	if got := c.next(); got.Topic() != c.topics.Bundle() {
		t.Fatalf("%s", got.Topic())
	}
	c.requireNoMessage()
}

// If the hub's disk has damaged a chunk, the hub repairs the chunk from the bundle file or reports the damage. Machines
// never receive a damaged chunk.
func TestDamagedChunkIsRepairedBeforeItIsServed(t *testing.T) {
	b := newBundler(t)
	b.putBundle("biklab", 1, b.signer, "the policy", "a bucket")
	o := run(t, configure(t, []*ledgertest.Machine{ledgertest.New(t, "biklab", "laser")}, b.configured))
	c := dial(t, o.Broker())
	c.subscribe(c.topics.Bundle())
	c.awaitMessage(c.topics.Bundle()) // wait until the bundle is in force
	path := filepath.Join(o.config.Data, "bundle", "chunks", wire.Hash([]byte("a bucket")))
	url := o.HTTP() + "/chunks/" + wire.Hash([]byte("a bucket"))
	write(t, path, "a buckey")
	if got := get(t, url, ""); got.code != 200 || got.body != "a bucket" {
		t.Errorf("%+v", got)
	}
	if err := os.Remove(b.file); err != nil {
		t.Fatal(err)
	}
	write(t, path, "a buckey")
	if got := get(t, url, ""); got.code != 200 || got.body != "a bucket" {
		t.Errorf("what was read before is served: %+v", got)
	}
	write(t, filepath.Join(filepath.Dir(path), wire.Hash([]byte("the policy"))), "the policc")
	if got := get(t, o.HTTP()+"/chunks/"+wire.Hash([]byte("the policy")), ""); got.code != 503 ||
		strings.Contains(got.body, "policc") {
		t.Errorf("with no file to repair from: %+v", got)
	}
}
