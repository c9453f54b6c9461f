package uplink

// maxWindow is how many batches may be under way at once: a hub commits each before it answers.
const maxWindow = 4

// flow decides what is sent next. It knows no network and no clock.
type flow struct {
	held   uint64   // the hub's last word
	sent   uint64   // the last record that was handed to the broker, or given up to be sent again: it is then held
	ends   []uint64 // last record of each batch under way
	window int      // batches that may be: 1 after silence, doubled by each progress
	heard  bool     // the hub has spoken on this connection
	again  bool     // the hub has repeated itself, and was answered
	fell   bool     // the hub has gone back, and was answered
}

func newFlow(held uint64) flow { return flow{held: held, sent: held, window: 1} }

// next is the first record to send now, if any may be sent.
func (f *flow) next(length uint64) (from uint64, ok bool) {
	return f.sent + 1, f.sent < length && len(f.ends) < f.window
}

// published takes note of a batch that ends with last.
func (f *flow) published(last uint64) {
	f.sent = last
	f.ends = append(f.ends, last)
}

// waiting reports whether the hub owes an answer.
func (f *flow) waiting() bool { return f.sent > f.held }

// acked takes the hub's word that it holds seq records, and reports whether that is progress.
//
// A hub that repeats itself has met a gap: something was lost before it. It is sent what it lacks at once, but only
// once for each gap: the repetitions of the other batches under way mean nothing new. A hub that goes back has lost its
// disk, or an old acknowledgement was replayed: it is believed at once the first time, and after that at the pace of
// stalls.
func (f *flow) acked(seq uint64) (progress bool) {
	switch {
	case seq > f.held:
		f.held, f.sent, f.again = seq, max(f.sent, seq), false
		f.window = min(2*f.window, maxWindow)
		for len(f.ends) > 0 && f.ends[0] <= seq {
			f.ends = f.ends[1:]
		}
		progress = true
	case seq < f.held:
		f.held = seq
		if !f.fell {
			f.fell = true
			f.rewind()
		}
	case f.heard && !f.again && f.waiting():
		f.again = true
		f.rewind()
	}
	f.heard = true
	return progress
}

// rewind sends again from what the hub holds; one batch at first.
func (f *flow) rewind() { f.sent, f.ends, f.window = f.held, nil, 1 }
