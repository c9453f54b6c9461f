package uplink

// maxWindow is the largest number of batches in flight. A hub commits each batch before it acknowledges that batch.
const maxWindow = 4

// flow decides which records are sent next. A flow uses no network and no clock.
type flow struct {
	held   uint64   // records that the hub holds, by its last acknowledgement
	sent   uint64   // last record that was handed to the broker; equals held after a rewind
	ends   []uint64 // sequence number of the last record of each batch in flight
	window int      // batches that may be in flight: 1 after silence, doubled by each progress
	heard  bool     // the hub has sent an acknowledgement on this connection
	again  bool     // the hub has repeated an acknowledgement, and the records were sent again
	fell   bool     // the hub's count has decreased, and the records were sent again
}

func newFlow(held uint64) flow { return flow{held: held, sent: held, window: 1} }

// next returns the first record to send now, if any may be sent.
func (f *flow) next(length uint64) (from uint64, ok bool) {
	return f.sent + 1, f.sent < length && len(f.ends) < f.window
}

// addBatch records that a batch ending with last was handed to the broker.
func (f *flow) addBatch(last uint64) {
	f.sent = last
	f.ends = append(f.ends, last)
}

// isWaiting reports whether the hub has not yet acknowledged all records that were sent.
func (f *flow) isWaiting() bool { return f.sent > f.held }

// handleAck processes the hub's acknowledgement of the first seq records, and reports whether the hub holds more than
// before.
//
// A hub that repeats an acknowledgement has received a batch after a gap: an earlier batch was lost. The missing
// records are sent at once, but only once for each gap, because the batches that were already in flight cause further
// repetitions. If the hub's count decreases, the hub has lost its disk, or an old acknowledgement was replayed. The
// first time, the records are sent again at once. Later, they are sent again only after a stall.
func (f *flow) handleAck(seq uint64) (progress bool) {
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
	case f.heard && !f.again && f.isWaiting():
		f.again = true
		f.rewind()
	}
	f.heard = true
	return progress
}

// rewind continues sending after the records that the hub holds, with one batch at first.
func (f *flow) rewind() { f.sent, f.ends, f.window = f.held, nil, 1 }
