package daemoncmd

import (
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"
	"golang.org/x/mod/sumdb/note"

	"portillon/hub/broker"
	"portillon/wire"
)

// An attacker has the hub key and a connection to the site's broker. The attacker reads the machine's messages and
// acknowledges the machine's records, although the attacker does not store the records. The machine rejects an
// acknowledgement of records other than its own, of more records than it wrote, for another machine, or with another
// key. The machine accepts the attacker's acknowledgement if it contains the true root of the records ("open" in
// docs/security.md). The machine then no longer sends these records, but all records remain in the machine's journal.
func TestForgedAcknowledgementOverMQTTDeletesNoRecord(t *testing.T) {
	skipIfShort(t, "waits for a broker and a daemon")
	const records = 5
	w := newWay(t)
	text, err := os.ReadFile(filepath.Join(w.dir, "hub.key"))
	if err != nil {
		t.Fatal(err)
	}
	thief, err := note.NewSigner(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	stranger, _ := w.key("biklab")
	machine, err := note.NewVerifier(w.pinned)
	if err != nil {
		t.Fatal(err)
	}
	b, err := broker.Start(broker.Config{Addr: "127.0.0.1:0", Dir: t.TempDir(), Site: "biklab"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	url, topics := "tcp://"+b.Addr(), wire.Topics{Site: "biklab"}
	batches := make(chan []byte, 16)
	c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetProtocolVersion(4).SetClientID(topics.HubClientID()))
	wait := func(what string, tok mqtt.Token) {
		t.Helper()
		if !tok.WaitTimeout(wayDeadline) || tok.Error() != nil {
			t.Fatal(what, ": ", tok.Error())
		}
	}
	wait("connect", c.Connect())
	t.Cleanup(func() { c.Disconnect(0) })
	wait("subscribe", c.Subscribe(topics.Records("laser"), 1, func(_ mqtt.Client, m mqtt.Message) {
		if len(m.Payload()) == 0 { // ignore an empty message, which only clears the topic
			return
		}
		select {
		case batches <- append([]byte(nil), m.Payload()...):
		default:
		}
	}))
	say := func(a wire.Ack, by note.Signer) {
		t.Helper()
		signed, err := wire.SignAck(a, by)
		if err != nil {
			t.Fatal(err)
		}
		wait("publish", c.Publish(topics.Ack("laser"), 1, true, signed))
	}
	u, _ := w.startUplink(url, records)
	g := w.journal.Generation()
	// the acknowledgement of no records makes the machine send all records
	say(wire.Ack{Site: "biklab", Machine: "laser", Root: emptyRoot, Generation: g}, thief)
	var stolen wire.Checkpoint
	w.waitUntil("all records at the thief", func() bool {
		select {
		case data := <-batches:
			batch, all, err := wire.ParseBatch(data)
			if err != nil || len(all) == 0 {
				t.Fatal(err)
			}
			cp, err := wire.OpenCheckpoint([]byte(batch.Checkpoint), g.Origin("biklab", "laser"), note.VerifierList(machine))
			if err != nil {
				t.Fatal(err)
			}
			stolen = cp
		case <-time.After(20 * time.Millisecond):
		}
		return stolen.Size == records
	})
	genuine := wire.Ack{
		Site:       "biklab",
		Machine:    "laser",
		Seq:        records,
		Root:       hex.EncodeToString(stolen.Root[:]),
		Generation: g,
	}
	for name, x := range map[string]struct {
		change func(*wire.Ack)
		by     note.Signer
	}{
		"of other records":   {func(a *wire.Ack) { a.Root = strings.Repeat("00", 32) }, thief},
		"of more records":    {func(a *wire.Ack) { a.Seq++ }, thief},
		"of another machine": {func(a *wire.Ack) { a.Machine = "vinyl" }, thief},
		"of another site":    {func(a *wire.Ack) { a.Site = "elsewhere" }, thief},
		"of another key":     {func(*wire.Ack) {}, stranger},
	} {
		a := genuine
		x.change(&a)
		say(a, x.by)
		// the machine must answer once more, because its previous answer was already read
		say(wire.Ack{Site: "biklab", Machine: "laser", Root: emptyRoot, Generation: g}, thief)
		w.waitUntil("the next batch after an acknowledgement "+name, func() bool {
			select {
			case <-batches:
				return true
			case <-time.After(20 * time.Millisecond):
				return false
			}
		})
		if got := u.Acked(); got != 0 {
			t.Errorf("an acknowledgement %s counts for %d records", name, got)
		}
	}
	say(genuine, thief)
	w.waitUntil("the machine believes that all is held", func() bool { return u.Acked() == records })
	if n := w.journal.Len(); n != records {
		t.Errorf("the journal has %d records, want %d", n, records)
	}
	if root, err := w.journal.Root(records); err != nil || root != stolen.Root {
		t.Errorf("the records are others than before: %v", err)
	}
}

// emptyRoot is the root of a tree without leaves: the SHA-256 of an empty input (RFC 6962 §2.1).
const emptyRoot = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
