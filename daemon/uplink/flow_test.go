package uplink

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFlowSendsTheRecordsThatTheHubLacks(t *testing.T) {
	type want struct {
		held, sent uint64
		window     int
	}
	send := func(last uint64) func(*flow) { return func(f *flow) { f.addBatch(last) } }
	ack := func(seq uint64) func(*flow) { return func(f *flow) { f.handleAck(seq) } }
	stall := (*flow).rewind
	for _, c := range []struct {
		name  string
		steps []func(*flow)
		want  want
	}{
		{"silence at first", nil, want{10, 10, 1}},
		{"the first acknowledgement is not a repetition", []func(*flow){send(20), ack(10)}, want{10, 20, 1}},
		{"progress opens the window", []func(*flow){send(20), ack(20), send(30), ack(30), send(40), ack(40)},
			want{40, 40, 4}},
		{"a gap is filled at once", []func(*flow){send(20), ack(20), send(30), send(40), ack(20)}, want{20, 20, 1}},
		{"a gap is filled only once",
			[]func(*flow){send(20), ack(20), send(30), send(40), ack(20), send(30), ack(20)}, want{20, 30, 1}},
		{"a second gap is filled too",
			[]func(*flow){send(20), ack(20), send(30), ack(20), send(30), ack(30), send(40), ack(30)}, want{30, 30, 1}},
		{"after silence records are sent again",
			[]func(*flow){send(20), ack(20), send(30), send(40), stall}, want{20, 20, 1}},
		{"a decreased count is believed at once", []func(*flow){send(20), ack(20), ack(5)}, want{5, 5, 1}},
		{"a second decrease waits for a stall", []func(*flow){ack(5), send(20), ack(20), ack(4)}, want{4, 20, 2}},
		{"the stall sends the records again", []func(*flow){ack(5), send(20), ack(20), ack(4), stall}, want{4, 4, 1}},
		{"the hub holds more than was sent", []func(*flow){ack(15)}, want{15, 15, 2}},
	} {
		f := newFlow(10)
		for _, s := range c.steps {
			s(&f)
		}
		if got := (want{f.held, f.sent, f.window}); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The hub receives all records, whatever messages are lost, repeated or late. The number of batches in flight never
// exceeds the window.
func TestHubReceivesAllRecordsDespiteLostMessages(t *testing.T) {
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 1))
		const length = 300
		f, hub := newFlow(0), uint64(0)
		var acks []uint64
		steps := 0
		for ; f.held < length; steps++ {
			if steps > 100_000 {
				t.Fatalf("seed %d: held %d of %d", seed, f.held, length)
			}
			if len(f.ends) > maxWindow {
				t.Fatalf("seed %d: %d batches under way", seed, len(f.ends))
			}
			switch from, ok := f.next(length); {
			case ok && r.IntN(3) > 0:
				last := min(from+r.Uint64N(20), length)
				f.addBatch(last)
				if r.IntN(5) == 0 {
					continue // the acknowledgement is lost
				}
				if from <= hub+1 {
					hub = max(hub, last)
				}
				if r.IntN(5) > 0 {
					acks = append(acks, hub)
				}
			case len(acks) > 0 && r.IntN(2) > 0:
				i := r.IntN(len(acks)) // acknowledgements arrive in any order
				f.handleAck(acks[i])
				if r.IntN(4) > 0 {
					acks = append(acks[:i], acks[i+1:]...)
				}
			default:
				f.rewind()
				acks = append(acks, hub)
			}
		}
	}
}

// An acknowledgement frees the places of the batches that it covers, and of no other batch.
func TestAcknowledgementFreesOnlyTheBatchesThatItCovers(t *testing.T) {
	f := newFlow(0)
	f.window = maxWindow
	for _, last := range []uint64{10, 20, 30} {
		f.addBatch(last)
	}
	for _, c := range []struct {
		seq  uint64
		left []uint64
	}{
		{9, []uint64{10, 20, 30}},
		{10, []uint64{20, 30}},
		{29, []uint64{30}},
		{30, nil},
	} {
		if f.handleAck(c.seq); !slices.Equal(f.ends, c.left) {
			t.Errorf("after the acknowledgement of %d records, batches %d are in flight, want %d", c.seq, f.ends, c.left)
		}
	}
}
