package maintenance

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// journal is one journal of a machine.
type journal struct {
	generation wire.Generation
	began      time.Time // first trusted time; zero: none yet
	used       int64     // seconds of use of all sessions that have ended
	events     []event
}

// history is what the journals of one machine say. All lists are in the order of the records.
type history struct {
	reports []Report
	works   []Work
	tags    []Tag
	outs    []out
	done    map[string]done // last intervention of each kind
	began   time.Time
	used    int64 // seconds of use
	ran     int64 // estimated running time in seconds
}

// done is an intervention that begins an interval of planned maintenance again.
type done struct {
	at  time.Time
	ran int64 // estimated running time then
}

// out is a time out of service.
type out struct {
	from, to time.Time // to is zero if the time has not ended
	failure  bool
}

// attestTime is how long an intervention can be attested after the end of its session: the machine's form is open for
// ten minutes (formLife in package daemon).
const attestTime = 10 * time.Minute

// longestWait is the longest time after which an intervention counts as missed if the ledger has no end of its session.
const longestWait = 24 * time.Hour

// maxAhead is how far the trusted clock of a machine may be ahead of the hub's clock.
const maxAhead = time.Hour

// eStop is the fault of a pressed emergency stop.
const eStop = "e-stop"

// Limits in bytes for texts of a record. The machine has the same limits, but a stolen machine can sign any text.
const (
	maxWords = 500
	maxSlug  = 64
)

// reader makes a history from events.
type reader struct {
	history
	now   time.Time
	at    time.Time // time of the present event
	sure  bool      // the clock of the present event was trusted
	meter meter
	on    map[string]int       // tags that are on the machine: index in tags
	bad   map[string]time.Time // faults: time of their beginning
	// interventions of the present journal that await their attestation, by id
	waiting map[string]awaiting
}

// awaiting is an intervention that was not attested yet.
type awaiting struct {
	work    int // index in works
	session string
	ended   time.Time // end of the session; zero: not known
}

// read makes the history of a machine from its journals, the oldest first, at the time now.
func read(journals []journal, now time.Time) history {
	r := &reader{now: now, on: map[string]int{}, bad: map[string]time.Time{}, waiting: map[string]awaiting{}}
	r.done = map[string]done{}
	for i, j := range journals {
		if i > 0 {
			r.begin(j, journals[i-1])
		}
		if r.began.IsZero() {
			r.began = j.began
		}
		r.used += j.used
		for _, e := range j.events {
			r.next(j.generation, e)
		}
	}
	if n := len(journals); n > 0 {
		r.meter.pass(journals[n-1].used)
	}
	r.ran = r.meter.total
	r.settle()
	for _, from := range r.bad {
		r.outs = append(r.outs, out{from: from, failure: true})
	}
	for _, t := range r.tags {
		r.outs = append(r.outs, out{from: t.From, to: t.To, failure: t.Origin == FromPerson || t.Origin == FromContactor})
	}
	return r.history
}

// begin enters the journal j, which follows the journal before. Tags of persons stay on, because the hub sends them
// again. Tags of the machine's own checks and faults end, because the machine finds them again.
func (r *reader) begin(j, before journal) {
	r.meter.begin(before.used)
	r.settle()
	if len(j.events) > 0 {
		r.move(j.events[0])
	}
	for id, i := range r.on {
		if r.tags[i].Origin != FromPerson {
			r.tags[i].To = r.at
			delete(r.on, id)
		}
	}
	r.clearFaults()
}

// move sets the time of the present event.
func (r *reader) move(e event) {
	r.sure = e.trusted && !e.at.After(r.now.Add(maxAhead))
	if r.sure {
		r.at = e.at
	} else if r.at.IsZero() {
		r.at = e.at
		if e.at.After(r.now) {
			r.at = r.now
		}
	}
}

// next adds one event. A body that cannot be parsed counts as empty.
func (r *reader) next(g wire.Generation, e event) {
	r.move(e)
	r.meter.pass(e.used)
	switch e.kind {
	case wire.Reported:
		r.report(g, e)
	case wire.Intervened:
		r.work(e)
	case wire.Attested:
		r.attest(e)
	case wire.SessionEnd:
		for id, w := range r.waiting {
			if w.session == e.session {
				w.ended = r.at
				r.waiting[id] = w
			}
		}
	case wire.Tagged, wire.Untagged:
		r.tag(e)
	case wire.Faulted, wire.FaultCleared:
		r.fault(e)
	case wire.Booted:
		r.clearFaults()
	case wire.Restored:
		r.meter.restore(body[wire.RestoredBody](e))
	}
}

// body returns the parsed body of an event; the zero value if the body does not have the form of T.
func body[T any](e event) (b T) {
	if json.Unmarshal(e.body, &b) != nil {
		var none T
		return none
	}
	return b
}

// report adds a report.
func (r *reader) report(g wire.Generation, e event) {
	b := body[wire.ReportBody](e)
	r.meter.set(b.Ran)
	x := Report{ID: reportID(g, e.seq), At: r.at, Uncertain: !r.sure, What: b.What, Words: wire.OneLine(b.Note, maxWords),
		By: Person{Member: e.member}, tag: b.Tag}
	if b.Claimed != "" && e.member == "" {
		x.Claimed, x.By.Member = true, b.Claimed
	}
	if len(x.What) > maxSlug {
		x.What = "other"
	}
	r.reports = append(r.reports, x)
}

// reportID returns the id of a report, which parseReportID parses.
func reportID(g wire.Generation, seq uint64) string { return fmt.Sprintf("%s-%d", g, seq) }

// work adds an intervention, and closes the reports that do not wait for the return of their tag.
func (r *reader) work(e event) {
	b := body[wire.InterventionBody](e)
	r.meter.set(b.Ran)
	what := wire.OneLine(b.What, maxSlug)
	x := Work{At: r.at, Uncertain: !r.sure, What: what, Words: wire.OneLine(b.Note, maxWords),
		Parts: wire.OneLine(b.Parts, maxWords), Minutes: min(max(b.Minutes, 0), 24*60), By: Person{Member: e.member},
		Endorser: Person{Member: b.Endorser}, Attest: NotAsked}
	switch {
	case b.Attested:
		x.Attest = Attested
	case b.ID != "" && b.Endorser != "" && b.Endorser != e.member:
		x.Attest = Awaited
		r.waiting[b.ID] = awaiting{work: len(r.works), session: e.session}
	}
	r.works = append(r.works, x)
	r.done[what] = done{at: r.at, ran: r.meter.total}
	r.close("", Closing{At: r.at, How: "work", What: what, By: x.By})
}

// attest marks an intervention as attested by its endorser.
func (r *reader) attest(e event) {
	b := body[wire.AttestBody](e)
	w, ok := r.waiting[b.Intervention]
	if ok && w.session == e.session && r.works[w.work].Endorser.Member == e.member {
		r.works[w.work].Attest = Attested
		delete(r.waiting, b.Intervention)
	}
}

// settle decides for the interventions without an attestation whether their endorsers can still attest them.
func (r *reader) settle() {
	for _, w := range r.waiting {
		until := r.works[w.work].At.Add(longestWait)
		if !w.ended.IsZero() {
			until = w.ended.Add(attestTime)
		}
		if r.now.After(until) {
			r.works[w.work].Attest = Missed
		}
	}
	r.waiting = map[string]awaiting{}
}

// tag puts a tag on or takes it off. A tag that is on already is on since the first record.
func (r *reader) tag(e event) {
	b := body[wire.TagBody](e)
	if b.Tag == "" {
		return
	}
	i, on := r.on[b.Tag]
	switch {
	case e.kind == wire.Tagged && !on:
		r.on[b.Tag] = len(r.tags)
		r.tags = append(r.tags, Tag{ID: wire.OneLine(b.Tag, maxSlug), From: r.at, Uncertain: !r.sure, Origin: originOf(b.Tag),
			Reason: wire.OneLine(b.Reason, maxWords), Role: wire.OneLine(b.Role, maxSlug), By: Person{Member: e.member}})
	case e.kind == wire.Untagged && on:
		delete(r.on, b.Tag)
		r.tags[i].To, r.tags[i].Off = r.at, Person{Member: e.member}
		if r.tags[i].Origin == FromPerson {
			r.close(b.Tag, Closing{At: r.at, How: "return", By: r.tags[i].Off})
		}
	}
}

// originOf returns why a tag was put on. The machine gives its own tags ids with these forms.
func originOf(tag string) Origin {
	switch {
	case strings.HasPrefix(tag, "due:"):
		return FromDue
	case tag == "contactor":
		return FromContactor
	case strings.HasPrefix(tag, "journal-"):
		return FromJournal
	}
	return FromPerson
}

// close closes the open reports. A report that put a tag on is closed only by the return of its tag.
func (r *reader) close(tag string, by Closing) {
	for i := range r.reports {
		x := &r.reports[i]
		if x.Closed != nil || x.tag != "" && x.tag != tag {
			continue
		}
		x.Closed = &by
	}
}

// fault begins or ends a fault.
func (r *reader) fault(e event) {
	b := body[wire.FaultBody](e)
	from, on := r.bad[b.What]
	switch {
	case b.What == "" || b.What == eStop:
	case e.kind == wire.Faulted && !on:
		r.bad[b.What] = r.at
	case e.kind == wire.FaultCleared && on:
		r.outs = append(r.outs, out{from: from, to: r.at, failure: true})
		delete(r.bad, b.What)
	}
}

// clearFaults ends all faults: the program has started again, and records a fault that persists again.
func (r *reader) clearFaults() {
	for what, from := range r.bad {
		r.outs = append(r.outs, out{from: from, to: r.at, failure: true})
		delete(r.bad, what)
	}
}

// closeByHand closes the open reports that a person closed at the hub.
func closeByHand(h *history, closed map[string]Closing) {
	for i := range h.reports {
		x := &h.reports[i]
		if c, ok := closed[x.ID]; ok && (x.Closed == nil || c.At.Before(x.Closed.At)) {
			x.Closed = &c
		}
	}
}

// labelKinds sets the names of the kinds of interventions.
func labelKinds(h *history, m *policy.Machine) {
	for i := range h.works {
		h.works[i].Label = m.KindName(h.works[i].What)
	}
	for i := range h.reports {
		if c := h.reports[i].Closed; c != nil && c.What != "" {
			named := *c
			named.Label = m.KindName(c.What)
			h.reports[i].Closed = &named
		}
	}
}
