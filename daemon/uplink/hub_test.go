package uplink

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

const deadline = 60 * time.Second // longest time that a test waits for an event

var topics = wire.Topics{Site: "lab"}

// keyPair returns a key pair from a fixed seed, so that a failure is reproducible.
func keyPair(t testing.TB, name string, seed byte) (note.Signer, note.Verifiers) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(bytes.NewReader(bytes.Repeat([]byte{seed}, 64)), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, note.VerifierList(v)
}

func machineKey(t testing.TB) (note.Signer, note.Verifiers) { return keyPair(t, "laser", 1) }
func hubKey(t testing.TB) (note.Signer, note.Verifiers)     { return keyPair(t, "hub", 2) }

// hub does for a machine what a real hub does: it stores each record once, and acknowledges the records.
type hub struct {
	t      testing.TB
	client mqtt.Client
	in     chan []byte
	done   chan struct{}
	wg     sync.WaitGroup
	grown  chan struct{} // signals new records

	mu         sync.Mutex
	records    [][]byte
	hashes     []tlog.Hash  // stored hashes, in the order of the package tlog
	twice      atomic.Int64 // records received again
	gaps       int
	generation wire.Generation // generation of the journal that the hub acknowledges
}

func (h *hub) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	out := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		out[i] = h.hashes[x]
	}
	return out, nil
}

func startHub(t testing.TB, url string) *hub {
	t.Helper()
	h := &hub{t: t, in: make(chan []byte, 1000), done: make(chan struct{}), grown: make(chan struct{}, 1)}
	subscribed := make(chan struct{}, 10)
	o := mqtt.NewClientOptions().AddBroker(url).SetClientID("hub-of-lab").SetCleanSession(true).
		SetAutoReconnect(true).SetMaxReconnectInterval(200 * time.Millisecond).
		SetConnectRetry(true).SetConnectRetryInterval(50 * time.Millisecond).
		SetOnConnectHandler(func(c mqtt.Client) {
			c.Subscribe(topics.All("records"), 1, func(_ mqtt.Client, m mqtt.Message) {
				if len(m.Payload()) == 0 {
					return // true if the topic was cleared
				}
				select {
				case h.in <- m.Payload():
				case <-h.done:
				}
			}).WaitTimeout(deadline)
			replaceOldest(subscribed, struct{}{})
		})
	h.client = mqtt.NewClient(o)
	h.client.Connect()
	within(t, "the hub's subscription", subscribed)
	h.wg.Go(h.run)
	t.Cleanup(h.stop)
	return h
}

func (h *hub) stop() {
	select {
	case <-h.done:
		return
	default:
	}
	close(h.done)
	h.wg.Wait()
	h.client.Disconnect(0)
}

func (h *hub) run() {
	s, _ := hubKey(h.t)
	for {
		select {
		case <-h.done:
			return
		case data := <-h.in:
			if err := h.storeBatch(data); err != nil {
				h.t.Errorf("hub: %v", err)
				return
			}
			h.client.Publish(topics.Ack("laser"), 1, true, h.ack(s))
			replaceOldest(h.grown, struct{}{})
		}
	}
}

func (h *hub) ack(s note.Signer) []byte {
	h.mu.Lock()
	defer h.mu.Unlock()
	root, err := tlog.TreeHash(int64(len(h.records)), h)
	if err != nil {
		h.t.Error(err)
	}
	a, err := wire.SignAck(
		wire.Ack{
			Site:       "lab",
			Machine:    "laser",
			Seq:        uint64(len(h.records)),
			Root:       hex.EncodeToString(root[:]),
			Generation: h.generation,
		},
		s,
	)
	if err != nil {
		h.t.Error(err)
	}
	return a
}

// storeBatch stores the new records of a batch, and compares the records that the hub already holds with the stored
// ones.
func (h *hub) storeBatch(data []byte) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	b, records, err := wire.ParseBatch(data)
	if err != nil {
		return err
	}
	if len(data) > 64<<10 {
		return fmt.Errorf("a batch of %d bytes", len(data))
	}
	for i, r := range records {
		switch have := uint64(len(h.records)); {
		case r.Seq > have+1:
			h.gaps++
			return nil
		case r.Seq <= have:
			h.twice.Add(1)
			if !bytes.Equal(h.records[r.Seq-1], b.Records[i].Record) {
				return fmt.Errorf("record %d came twice and is not the same", r.Seq)
			}
		default:
			more, err := tlog.StoredHashesForRecordHash(int64(have), wire.Leaf(b.Records[i].Salt, b.Records[i].Record), h)
			if err != nil {
				return err
			}
			h.hashes, h.records = append(h.hashes, more...), append(h.records, b.Records[i].Record)
		}
	}
	_, keys := machineKey(h.t)
	h.generation = b.Generation
	c, err := wire.OpenCheckpoint([]byte(b.Checkpoint), b.Generation.Origin("lab", "laser"), keys)
	if err != nil {
		return err
	}
	if root, err := tlog.TreeHash(int64(c.Size), h); err != nil || root != c.Root ||
		c.Size != records[len(records)-1].Seq {
		return fmt.Errorf("the checkpoint of %d does not fit: %v", c.Size, err)
	}
	return nil
}

func (h *hub) held() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.records)
}

// waitFor returns when the hub holds n records.
func (h *hub) waitFor(n int) {
	h.t.Helper()
	end := time.After(deadline)
	for h.held() < n {
		select {
		case <-h.grown:
		case <-end:
			h.t.Fatalf("the hub holds %d of %d records", h.held(), n)
		}
	}
}

func within[T any](t testing.TB, what string, c <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-c:
	case <-time.After(deadline):
		t.Fatalf("%s did not come within %s", what, deadline)
	}
	return v
}

func treeHash(h *hub) string {
	root, err := tlog.TreeHash(int64(len(h.records)), h)
	if err != nil {
		h.t.Error(err)
	}
	return root.String()
}
