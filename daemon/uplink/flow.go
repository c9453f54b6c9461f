package uplink

// maxWindow is the largest number of batches that may be in flight. Several batches are in flight because a hub commits
// each batch before it acknowledges the batch.
const maxWindow = 4

// flow decides which records are sent next. A flow uses no network and no clock.
type flow struct {
	held uint64   // number of records that the hub holds, according to its last acknowledgement
	sent uint64   // last record that was handed to the broker; the same as held after a rewind
	ends []uint64 // for each batch in flight: the sequence number of its last record
	// Number of batches that may be in flight: 1 after a pause, doubled whenever the hub holds more records.
	window int
	heard  bool // true once the hub has sent an acknowledgement on this connection
	again  bool // true if the hub has repeated an acknowledgement, and the records were sent again for it
	fell   bool // true if the hub's count has decreased, and the records were sent again for it
}

func newFlow(held uint64) flow { return flow{held: held, sent: held, window: 1} }

// next returns the sequence number of the first record to send now, if a record may be sent.
func (f *flow) next(length uint64) (from uint64, ok bool) {
	return f.sent + 1, f.sent < length && len(f.ends) < f.window
}

// addBatch notes that a batch whose last record is last was handed to the broker.
func (f *flow) addBatch(last uint64) {
	f.sent = last
	f.ends = append(f.ends, last)
}

// isWaiting reports whether the hub has not yet acknowledged all records that were sent.
func (f *flow) isWaiting() bool { return f.sent > f.held }

// handleAck processes the hub's acknowledgement of the first seq records, and reports whether the hub holds more than
// before.
//
// If a hub repeats an acknowledgement, it has received a batch after a gap, so an earlier batch was lost. The missing
// records are sent again at once, but only once for each gap, because the batches that were already in flight make the
// hub repeat the acknowledgement further. If the hub's count decreases, the hub has lost its disk, or somebody has
// replayed an old acknowledgement. The first time this happens, the records are sent again at once. Later, the records
// are sent again only after no acknowledgement has arrived for some time.
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

// rewind makes the flow continue after the records that the hub holds, with one batch at first.
func (f *flow) rewind() { f.sent, f.ends, f.window = f.held, nil, 1 }
