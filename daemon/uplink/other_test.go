package uplink

import (
	"encoding/hex"
	"path/filepath"
	"slices"
	"testing"

	"portillon/daemon/journal"
	"portillon/wire"
)

// If the hub acknowledges more records than the journal has, or different records, the uplink reports the difference
// and stores the acknowledgement. If an acknowledgement fits the journal, the uplink stores the acknowledgement once.
func TestAcknowledgementOfAnotherJournalIsReported(t *testing.T) {
	key, _ := machineKey(t)
	hub, keys := hubKey(t)
	j, err := journal.Open(
		filepath.Join(t.TempDir(), "journal.db"),
		journal.Options{Site: "lab", Machine: "laser", Signer: key},
	)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	for range 3 {
		if _, err := j.Append(journal.Entry{Kind: wire.Booted}); err != nil {
			t.Fatal(err)
		}
	}
	var others [][2]uint64
	kept := 0
	u, err := New(Config{Broker: "tcp://127.0.0.1:1", Site: "lab", Machine: "laser", Keys: keys}, j, Handlers{
		Acked: func([]byte) { kept++ }, Other: func(o Other) { others = append(others, [2]uint64{o.Hub, o.Here}) },
		Former: func(g wire.Generation) bool { return g == "2222222222222222" }})
	if err != nil {
		t.Fatal(err)
	}
	l := &link{u: u, flow: newFlow(0), logged: map[string]bool{}}
	root, err := j.Root(2)
	if err != nil {
		t.Fatal(err)
	}
	say := func(seq uint64, root string, g wire.Generation) {
		t.Helper()
		data, err := wire.SignAck(wire.Ack{Site: "lab", Machine: "laser", Seq: seq, Root: root, Generation: g}, hub)
		if err != nil {
			t.Fatal(err)
		}
		l.handleAck(signedAck{data: data})
	}
	right := hex.EncodeToString(root[:])
	say(2, right, j.Generation())
	say(2, right, j.Generation())
	if kept != 1 || len(others) != 0 || u.Acked() != 2 {
		t.Errorf("kept %d, others %v, held %d", kept, others, u.Acked())
	}
	say(9, right, j.Generation())     // the acknowledgement covers more records than this journal has
	say(3, right, j.Generation())     // the root differs from the root of this journal
	say(2, right, "1111111111111111") // the generation differs from the generation of this journal
	// If somebody replays an acknowledgement of a generation that this journal has replaced, the uplink neither reports
	// nor stores it.
	say(9, right, "2222222222222222")
	if want := [][2]uint64{{9, 3}, {3, 3}, {2, 3}}; kept != 4 || !slices.Equal(others, want) || u.Acked() != 2 {
		t.Errorf("kept %d, others %v, want %v, held %d", kept, others, want, u.Acked())
	}
}
