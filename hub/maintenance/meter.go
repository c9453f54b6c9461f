package maintenance

import "portillon/wire"

// meter estimates the running time of a machine in seconds. The machine's own counter stands in some records only.
// Between these records, the estimate grows with the use that the hub has counted.
type meter struct {
	total    int64 // estimated running time
	used     int64 // use in the journal at the last record
	base     int64 // total minus the counter
	by       wire.RanBy
	counter  int64
	restored map[wire.RanBy]int64 // counters that the journal began with, by signal
}

// maxRan is the largest running time in seconds: 100 years. A larger number is a fault of the machine.
const maxRan = 100 * 366 * 24 * 3600

// begin enters the next journal. The counter begins at 0 in each journal. used is the use of the journal before.
func (m *meter) begin(used int64) {
	m.pass(used)
	m.used, m.base, m.by, m.counter, m.restored = 0, m.total, "", 0, nil
}

// pass adds the use since the last record.
func (m *meter) pass(used int64) {
	m.total, m.used = m.total+used-m.used, used
}

// restore sets the counters that the hub returned to a new journal. The counters include earlier journals.
func (m *meter) restore(b wire.RestoredBody) {
	m.restored = map[wire.RanBy]int64{wire.RanByRelay: b.Relay, wire.RanByBusy: b.Busy}
	m.base, m.by = m.total, ""
}

// set replaces the estimate by the machine's counter. If the signal has changed, or the counter was set back, the
// counter continues from the estimate.
func (m *meter) set(r wire.Ran) {
	if r.RanBy != wire.RanByRelay && r.RanBy != wire.RanByBusy || r.RanSeconds < 0 || r.RanSeconds > maxRan {
		return
	}
	switch {
	case m.by == "":
		m.base -= min(max(m.restored[r.RanBy], 0), r.RanSeconds)
	case r.RanBy != m.by || r.RanSeconds < m.counter:
		m.base = m.total - r.RanSeconds
	}
	m.by, m.counter = r.RanBy, r.RanSeconds
	m.total = m.base + m.counter
}
