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

// journalTag begins the ids of the tags by which a machine says that its journal is not the one held (daemon). The
// restore answers them.
var journalTags = []string{"journal-new-", "journal-older-"}

// pastKinds are the kinds of records that a restore is made from.
func pastKinds() []wire.Kind {
	return []wire.Kind{wire.Tagged, wire.Untagged, wire.SessionEnd, wire.Intervened, wire.Reported, wire.Restored}
}

// past is what a machine's journals say of it.
type past struct {
	epoch    int // of the last record
	tags     []wire.RestoredTag
	removed  []string
	practice map[policy.MemberID]*wire.RestoredPractice
	done     map[string]wire.RestoredDone
	ran      map[wire.RanBy]int64 // in the epoch's journal, what it was given back included
	before   map[wire.RanBy]int64 // in the journals before, where the epoch's was given nothing back
}

// newPast is the past of a machine without records.
func newPast() *past {
	return &past{
		practice: map[policy.MemberID]*wire.RestoredPractice{},
		done:     map[string]wire.RestoredDone{},
		ran:      map[wire.RanBy]int64{},
		before:   map[wire.RanBy]int64{},
	}
}

// add takes the next record. A body that cannot be read says nothing.
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
		if b, ok := bodyOf[wire.RestoredBody](r); ok { // its hours include those before
			p.before = map[wire.RanBy]int64{}
			p.hours(wire.Ran{RanBy: wire.RanByRelay, RanSeconds: b.Relay})
			p.hours(wire.Ran{RanBy: wire.RanByBusy, RanSeconds: b.Busy})
		}
	}
}

// enter goes on with the journal of an epoch: hours count anew in each.
func (p *past) enter(epoch int) {
	if epoch == p.epoch {
		return
	}
	for by, s := range p.ran {
		p.before[by] += s
	}
	p.epoch, p.ran = epoch, map[wire.RanBy]int64{}
}

// intervened notes when a kind of work was last done, by the clock where it was trusted, and by the machine's hours.
func (p *past) intervened(r wire.Record, b wire.InterventionBody) {
	p.hours(b.Ran)
	d := wire.RestoredDone{Kind: b.What, At: p.done[b.What].At, Ran: p.before[b.RanBy] + b.RanSeconds}
	if r.Clock.Believed() {
		d.At = r.Wall
	}
	p.done[b.What] = d
}

// bodyOf is the body of a record; ok is false if it does not have the form of T.
func bodyOf[T any](r wire.Record) (b T, ok bool) { return b, json.Unmarshal(r.Body, &b) == nil }

// hours adds a record of running time. The record has the total of its kind, so the highest total counts.
func (p *past) hours(r wire.Ran) {
	if r.RanBy == wire.RanByRelay || r.RanBy == wire.RanByBusy {
		p.ran[r.RanBy] = max(p.ran[r.RanBy], r.RanSeconds)
	}
}

// tag adds a record of a tag that was put on or taken off. Tags of the machine's own checks (ownTag) are left out: the
// machine makes them again.
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

// ended adds the time of a session to its member's practice.
func (p *past) ended(r wire.Record, b wire.EndBody) {
	x := p.practice[r.Member]
	if x == nil {
		x = &wire.RestoredPractice{Member: r.Member}
		p.practice[r.Member] = x
	}
	x.Seconds += b.Seconds
	// An end that was recorded at the next start has not the time of the session's end.
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

// recentMost bounds a member's sessions in a restore: more than a few dozen in a week only change what is left of a
// quota.
const recentMost = 48

// removedMost is how many ids of tags that were taken off a restore bears: the last ones.
const removedMost = 1000

// document is the restore.
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

// RestoreOf is what the ledger knows of a machine from the journals before its newest one.
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

// Journal is one of the journals of a machine that has had more than one, as the status shows it.
type Journal struct {
	Generation wire.Generation `json:"generation,omitempty"`
	Records    uint64          `json:"records"`        // that are held
	Root       string          `json:"root,omitempty"` // of the tree over them, in hexadecimal
	By         string          `json:"by,omitempty"`   // who let it take the place of the one before
	Why        string          `json:"why,omitempty"`
	At         time.Time       `json:"at,omitzero"`
	// it has been given back what the ledger knows of the ones before
	Restored bool `json:"restored,omitempty"`
}

// JournalsOf are a machine's journals, the oldest first; none where there is only one.
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

// wasRestored reports whether a record of the journal says that it was given back what the hub knows.
func wasRestored(ctx context.Context, l *ledger.Ledger, m policy.MachineID, g wire.Generation) (yes bool, err error) {
	q := ledger.Query{Machine: m, Generation: &g, Kinds: []wire.Kind{wire.Restored}, Limit: 1}
	err = l.Records(ctx, q, func(ledger.Entry) error { yes = true; return nil })
	return yes, err
}

// restores sends a machine whose journal was replaced what the ledger knows of it.
type restores struct {
	core     *core
	fleet    *fleet
	messages *messages
	commands *commands
}

// bringRestores sends each machine whose journal was replaced what the ledger knows of the ones before, until the
// machine's records say that it has it. An administrator's tool writes the replacement into the ledger beside this
// process.
func (rs *restores) bringRestores(ctx context.Context, tried map[string]time.Time) {
	for _, m := range rs.fleet.list() {
		journals, err := JournalsOf(ctx, rs.core.ledger, m.ID)
		if err != nil {
			if ctx.Err() == nil {
				rs.core.log.Error("the journals of a machine cannot be read", "machine", m.ID, "err", err)
			}
			continue
		}
		rs.noteJournals(ctx, m.ID, journals)
		n := len(journals)
		if n < 2 || journals[n-1].Restored || journals[n-1].Records == 0 || !m.Online || m.State == nil ||
			m.State.Generation != journals[n-1].Generation {
			continue // its first records, and with them the acknowledgement, come first
		}
		key := "restore/" + string(m.ID) + "/" + string(m.State.Generation)
		if last, again := tried[key]; again && rs.core.now().Sub(last).Abs() < askAgain && last.After(m.notes.appeared) {
			continue
		}
		tried[key] = rs.core.now()
		if err := rs.bringRestore(ctx, m.ID); err != nil && ctx.Err() == nil {
			rs.core.log.Warn("machine not restored", "machine", m.ID, "err", err)
		}
	}
}

// noteJournals notes a machine's journals, and logs a replacement that is new.
func (rs *restores) noteJournals(ctx context.Context, id policy.MachineID, journals []Journal) {
	replaced := false
	rs.fleet.change(id, func(m *Machine) {
		if len(journals) < len(m.Journals) {
			rs.core.log.Warn(
				"journal replacement taken back",
				"machine",
				id,
				"generation",
				m.Journals[len(m.Journals)-1].Generation,
			)
		}
		replaced = len(journals) > len(m.Journals)
		m.Journals = journals
		if replaced { // what was refused until now is taken
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
	// A machine that has been refused for days sends its records again only every five minutes. The first
	// acknowledgement tells it that its journal is the one that is taken, a second one that records are missing
	// (daemon/uplink: flow).
	ctx, cancel := context.WithTimeout(ctx, tagReply)
	defer cancel()
	for range 2 {
		ack, err := rs.messages.signAck(id)
		if err != nil {
			rs.core.log.Error("acknowledgement failed", "machine", id, "err", err)
			return
		}
		select {
		case rs.commands.orders <- order{topic: rs.core.topics.Ack(id), data: ack, retained: true}:
		case <-ctx.Done(): // the broker is away: the next connection begins with one
			return
		}
	}
}

// bringRestore sends a machine with a new journal its past, signed, and waits until the machine confirms it.
func (rs *restores) bringRestore(ctx context.Context, m policy.MachineID) error {
	r, err := RestoreOf(ctx, rs.core.ledger, m)
	if err != nil {
		return err
	}
	r.Site, r.ID, r.Issued = rs.core.c.Site, random(16), rs.core.now().UTC().Truncate(time.Second)
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
		return fmt.Errorf("%s answers: %s", m, reply.Why)
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
