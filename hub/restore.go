package hub

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// journalTags are the prefixes of the ids of tags by which a machine reports that its journal differs from the hub's
// copy. A restore removes the cause of these tags.
var journalTags = []string{"journal-new-", "journal-older-"}

// pastKinds returns the kinds of records from which the hub builds a restore.
func pastKinds() []wire.Kind {
	return []wire.Kind{wire.Tagged, wire.Untagged, wire.SessionEnd, wire.Intervened, wire.Reported, wire.Restored}
}

// past is a summary of the records of a machine's journals, from which the hub builds a restore.
type past struct {
	epoch    int // epoch of the last record
	tags     []wire.RestoredTag
	removed  []string
	practice map[policy.MemberID]*wire.RestoredPractice
	done     map[string]wire.RestoredDone
	ran      map[wire.RanBy]int64 // running time in the journal of epoch, including restored time
	before   map[wire.RanBy]int64 // running time in earlier journals; empty if the journal of epoch has restored time
}

// newPast returns an empty summary.
func newPast() *past {
	return &past{
		practice: map[policy.MemberID]*wire.RestoredPractice{},
		done:     map[string]wire.RestoredDone{},
		ran:      map[wire.RanBy]int64{},
		before:   map[wire.RanBy]int64{},
	}
}

// add adds the next record to the summary. add ignores a record with a body that it cannot parse.
func (p *past) add(r wire.Record) {
	p.enter(r.Epoch)
	switch r.Kind {
	case wire.Tagged, wire.Untagged:
		if b, ok := bodyOf[wire.TagBody](r); ok {
			p.tag(r, b)
		}
	case wire.SessionEnd:
		if b, ok := bodyOf[wire.EndBody](r); ok && r.Member != "" && b.Seconds >= 0 {
			p.ended(r, b)
		}
	case wire.Intervened:
		if b, ok := bodyOf[wire.InterventionBody](r); ok {
			p.intervened(r, b)
		}
	case wire.Reported:
		if b, ok := bodyOf[wire.ReportBody](r); ok {
			p.hours(b.Ran)
		}
	case wire.Restored:
		if b, ok := bodyOf[wire.RestoredBody](r); ok { // restored time includes the time of earlier journals
			p.before = map[wire.RanBy]int64{}
			p.hours(wire.Ran{RanBy: wire.RanByRelay, RanSeconds: b.Relay})
			p.hours(wire.Ran{RanBy: wire.RanByBusy, RanSeconds: b.Busy})
		}
	}
}

// enter begins the journal of the next epoch. Hours start from zero in each journal.
func (p *past) enter(epoch int) {
	if epoch == p.epoch {
		return
	}
	for by, s := range p.ran {
		p.before[by] += s
	}
	p.epoch, p.ran = epoch, map[wire.RanBy]int64{}
}

// intervened stores when a kind of work was last done, as the machine's hours and, if the clock was trusted, as a time.
func (p *past) intervened(r wire.Record, b wire.InterventionBody) {
	p.hours(b.Ran)
	d := wire.RestoredDone{Kind: b.What, At: p.done[b.What].At, Ran: p.before[b.RanBy] + b.RanSeconds}
	if r.Clock.Believed() {
		d.At = r.Wall
	}
	p.done[b.What] = d
}

// bodyOf returns the parsed body of a record; ok is false if the body does not have the form of T.
func bodyOf[T any](r wire.Record) (b T, ok bool) { return b, json.Unmarshal(r.Body, &b) == nil }

// hours stores the highest total of each kind of running time, because each record contains the total so far.
func (p *past) hours(r wire.Ran) {
	if r.RanBy == wire.RanByRelay || r.RanBy == wire.RanByBusy {
		p.ran[r.RanBy] = max(p.ran[r.RanBy], r.RanSeconds)
	}
}

// tag adds a record of a tag that was put on or taken off. tag ignores tags that the machine's own checks put on
// (ownTag), because the machine creates them again.
func (p *past) tag(r wire.Record, b wire.TagBody) {
	if b.Tag == "" || strings.HasPrefix(b.Tag, ownTag) {
		return
	}
	p.tags = slices.DeleteFunc(p.tags, func(t wire.RestoredTag) bool { return t.ID == b.Tag })
	p.removed = slices.DeleteFunc(p.removed, func(id string) bool { return id == b.Tag })
	if r.Kind == wire.Untagged {
		p.removed = append(p.removed, b.Tag)
		return
	}
	if slices.ContainsFunc(journalTags, func(x string) bool { return strings.HasPrefix(b.Tag, x) }) {
		return
	}
	p.tags = append(
		p.tags,
		wire.RestoredTag{ID: b.Tag, Reason: cmp.Or(b.Reason, "?"), By: r.Member, Role: b.Role, Since: r.Wall},
	)
}

// ended adds the duration of a session to its member's practice.
func (p *past) ended(r wire.Record, b wire.EndBody) {
	x := p.practice[r.Member]
	if x == nil {
		x = &wire.RestoredPractice{Member: r.Member}
		p.practice[r.Member] = x
	}
	x.Seconds += b.Seconds
	// After a power cut, the end of a session is recorded at the next start, so the record's time is not the time of the
	// end.
	late := b.Cause == wire.CausePowerLost || b.Cause == wire.CauseDaemonLost
	if !r.Clock.Believed() || late || b.Seconds == 0 {
		return
	}
	x.Last = r.Wall
	x.Recent = append(x.Recent, wire.RestoredSession{End: r.Wall, Seconds: b.Seconds})
	if n := len(x.Recent); n > 1 && (n > recentMost || r.Wall.Sub(x.Recent[0].End) > wire.RecentSessions) {
		x.Recent = slices.Delete(x.Recent, 0, 1)
	}
}

// recentMost is the largest number of recent sessions of each member in a restore. A quota of sessions permits at most
// as many in a day (policy/file: maxSessions). More in a week would only affect the rest of a quota of time.
const recentMost = 48

// removedMost is the largest number of removed tags in a restore. The restore contains the tags removed last.
const removedMost = 1000

// document returns the restore.
func (p *past) document() wire.Restore {
	sum := func(by wire.RanBy) int64 { return p.before[by] + p.ran[by] }
	r := wire.Restore{
		Tags:    p.tags,
		Removed: p.removed[max(0, len(p.removed)-removedMost):],
		Relay:   sum(wire.RanByRelay),
		Busy:    sum(wire.RanByBusy),
	}
	for _, kind := range slices.Sorted(maps.Keys(p.done)) {
		r.Done = append(r.Done, p.done[kind])
	}
	for _, m := range slices.Sorted(maps.Keys(p.practice)) {
		r.Practice = append(r.Practice, *p.practice[m])
	}
	slices.SortStableFunc(r.Practice, func(a, b wire.RestoredPractice) int { return b.Last.Compare(a.Last) })
	return r
}

// RestoreOf returns the restore for a machine's newest journal, built from the records of its earlier journals.
func RestoreOf(ctx context.Context, l *ledger.Ledger, m policy.MachineID) (wire.Restore, error) {
	all, err := l.Generations(ctx, m)
	if err != nil {
		return wire.Restore{}, err
	}
	if len(all) < 2 {
		return wire.Restore{}, fmt.Errorf("restore: the journal of %.64q has not been replaced", m)
	}
	p, newest := newPast(), all[len(all)-1]
	err = l.Records(ctx, ledger.Query{Machine: m, Kinds: pastKinds()}, func(e ledger.Entry) error {
		if e.Epoch < newest.Epoch {
			p.add(e.Record)
		}
		return nil
	})
	if err != nil {
		return wire.Restore{}, err
	}
	out := p.document()
	out.Machine, out.Generation = m, newest.Generation
	for _, g := range all[:len(all)-1] {
		x := wire.ReplacedJournal{Generation: g.Generation, Seq: g.Records}
		if g.Root != (tlog.Hash{}) {
			x.Root = hex.EncodeToString(g.Root[:])
		}
		out.From = append(out.From, x)
	}
	return out.Bounded(), nil
}

// Journal is one of several journals of a machine, as the status shows it.
type Journal struct {
	Generation wire.Generation `json:"generation,omitempty"`
	Records    uint64          `json:"records"`        // number of the journal's records in the ledger
	Root       string          `json:"root,omitempty"` // root of the Merkle tree over the records, in hexadecimal
	By         string          `json:"by,omitempty"`   // administrator who allowed this journal
	Why        string          `json:"why,omitempty"`
	At         time.Time       `json:"at,omitzero"`
	// Restored is true if the machine has recorded that it applied a restore to this journal.
	Restored bool `json:"restored,omitempty"`
}

// JournalsOf returns a machine's journals, the oldest first. JournalsOf returns no journal if the machine has only one.
func JournalsOf(ctx context.Context, l *ledger.Ledger, m policy.MachineID) (out []Journal, err error) {
	all, err := l.Generations(ctx, m)
	if err != nil || len(all) < 2 {
		return nil, err
	}
	for _, g := range all {
		x := Journal{Generation: g.Generation, Records: g.Records, By: g.By, Why: g.Why, At: g.At}
		if g.Root != (tlog.Hash{}) {
			x.Root = hex.EncodeToString(g.Root[:])
		}
		if g.Epoch > 0 {
			if x.Restored, err = wasRestored(ctx, l, m, g.Generation); err != nil {
				return nil, err
			}
		}
		out = append(out, x)
	}
	return out, nil
}

// wasRestored reports whether a journal contains a record that the machine applied a restore.
func wasRestored(ctx context.Context, l *ledger.Ledger, m policy.MachineID, g wire.Generation) (yes bool, err error) {
	q := ledger.Query{Machine: m, Generation: &g, Kinds: []wire.Kind{wire.Restored}, Limit: 1}
	err = l.Records(ctx, q, func(ledger.Entry) error { yes = true; return nil })
	return yes, err
}

// restores sends a restore to each machine whose journal was replaced.
type restores struct {
	core     *core
	fleet    *fleet
	messages *messages
	commands *commands
}

// sendRestores sends a restore to each machine whose journal was replaced. sendRestores repeats the restore until the
// machine's records show that the machine has applied it. sendRestores checks the ledger for replacements, because the
// administrator's tool is another process.
func (rs *restores) sendRestores(ctx context.Context, tried map[string]time.Time) {
	for _, m := range rs.fleet.list() {
		journals, err := JournalsOf(ctx, rs.core.ledger, m.ID)
		if err != nil {
			if ctx.Err() == nil {
				rs.core.log.Error("reading the journals of a machine failed", "machine", m.ID, "err", err)
			}
			continue
		}
		rs.noteJournals(ctx, m.ID, journals)
		n := len(journals)
		if n < 2 || journals[n-1].Restored || journals[n-1].Records == 0 || !m.Online || m.State == nil ||
			m.State.Generation != journals[n-1].Generation {
			continue // wait until the machine's first records are stored and acknowledged
		}
		key := "restore/" + string(m.ID) + "/" + string(m.State.Generation)
		if last, again := tried[key]; again && rs.core.now().Sub(last).Abs() < askAgain && last.After(m.notes.appeared) {
			continue
		}
		tried[key] = rs.core.now()
		if err := rs.sendRestore(ctx, m.ID); err != nil && ctx.Err() == nil {
			rs.core.log.Warn("machine not restored", "machine", m.ID, "err", err)
		}
	}
}

// noteJournals stores a machine's journals, and logs a new replacement.
func (rs *restores) noteJournals(ctx context.Context, id policy.MachineID, journals []Journal) {
	replaced := false
	rs.fleet.change(id, func(m *Machine) {
		if len(journals) < len(m.Journals) {
			rs.core.log.Warn(
				"journal replacement was undone",
				"machine",
				id,
				"generation",
				m.Journals[len(m.Journals)-1].Generation,
			)
		}
		replaced = len(journals) > len(m.Journals)
		m.Journals = journals
		if replaced { // clear the refusal, because the hub now accepts the machine's records
			m.Held = journals[len(journals)-1].Records
			m.Trouble, m.TroubleAt, m.TroubleSince, m.notes.refusal.code = "", time.Time{}, time.Time{}, ""
		}
	})
	if !replaced {
		return
	}
	old, next := journals[len(journals)-2], journals[len(journals)-1]
	rs.core.log.Warn(
		"journal replaced",
		"machine",
		id,
		"by",
		next.By,
		"why",
		next.Why,
		"old",
		old.Generation,
		"records",
		old.Records,
		"root",
		old.Root,
		"new",
		next.Generation,
	)
	// A machine whose records the hub refused for days sends its records only every five minutes. A first
	// acknowledgement tells the machine that its journal is accepted, and a second acknowledgement that records are
	// missing, so that the machine sends them at once.
	ctx, cancel := context.WithTimeout(ctx, tagReply)
	defer cancel()
	for range 2 {
		ack, err := rs.messages.signAck(id)
		if err != nil {
			rs.core.log.Error("sending an acknowledgement failed", "machine", id, "err", err)
			return
		}
		select {
		case rs.commands.orders <- order{topic: rs.core.topics.Ack(id), data: ack, retained: true}:
		case <-ctx.Done(): // ignore: without a connection, the next connection begins with an acknowledgement
			return
		}
	}
}

// sendRestore sends a signed restore to a machine with a new journal, and waits until the machine confirms the
// restore.
func (rs *restores) sendRestore(ctx context.Context, m policy.MachineID) error {
	r, err := RestoreOf(ctx, rs.core.ledger, m)
	if err != nil {
		return err
	}
	r.Site, r.ID, r.Issued = rs.core.c.Site, randomHex(16), rs.core.now().UTC().Truncate(time.Second)
	data, err := wire.SignRestore(r, rs.core.signer)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, tagReply, ErrNoReply)
	defer cancel()
	reply, err := rs.commands.deliver(ctx, m, r.ID, data)
	switch {
	case err != nil:
		return err
	case !reply.OK:
		return fmt.Errorf("machine %s refuses the restore: %s", m, reply.Why)
	}
	rs.core.log.Info(
		"machine restored",
		"machine",
		m,
		"tags",
		len(r.Tags),
		"members",
		len(r.Practice),
		"kinds",
		len(r.Done),
	)
	return nil
}
