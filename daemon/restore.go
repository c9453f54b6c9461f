package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// restorer adds the data of earlier journals, which the hub has sent, to the machine's journal.
type restorer struct {
	cfg    *Config
	model  *model
	engine *engine
}

// This file restores the machine's earlier state from the hub after the machine's journal was replaced by a new one.

func (m *restorer) restore(ctx context.Context, r wire.Restore, sha string, done map[string]bool) error {
	switch own := m.cfg.Journal.Generation(); {
	case r.Generation != own || own == "":
		return fmt.Errorf("restore document is for journal generation %q, want %q", r.Generation, own)
	case m.model.journal.restored:
		return nil
	case len(m.model.state.Ledger.Pending) > 0 || m.model.state.Ledger.Broken:
		return errors.New("restore refused: the journal does not accept records")
	}
	if err := m.restoreTags(ctx, r); err != nil {
		return err
	}
	after := m.merge(r, done)
	b := wire.RestoredBody{
		From:    r.From[max(0, len(r.From)-maxRestoredFrom):],
		Tags:    len(r.Tags),
		Members: len(r.Practice),
		Left:    r.Left,
		Kinds:   len(r.Done),
		Relay: int64(
			(m.model.state.Runtime.Ran.Relay + seconds(r.Relay)) / time.Second,
		),
		Busy:   int64((m.model.state.Runtime.Ran.Busy + seconds(r.Busy)) / time.Second),
		SHA256: sha,
	}
	facts := after.facts(r.From)
	if facts.err != nil {
		return facts.err
	}
	if err := m.cfg.Journal.Append(session.Record{Kind: wire.Restored, Body: b}, facts.values); err != nil {
		return err
	}
	after.applyTo(m.model)
	m.model.journal.restored, m.model.journal.awaits = true, false
	m.model.journal.mismatch.Store(nil)
	if m.cfg.Uplink != nil {
		m.cfg.Uplink.Notify()
	}
	for _, t := range append([]session.Tag(nil), m.model.state.Holds.Tags...) {
		if t.By == "" && IsJournalTag(t.ID) {
			m.engine.apply(ctx, session.RemoveTag{ID: t.ID})
		}
	}
	m.cfg.Logger.Info("earlier journals restored from the hub", "tags", b.Tags, "members", b.Members, "kinds", b.Kinds)
	m.engine.show()
	return nil
}

func generationsOf(from []wire.ReplacedJournal) (out []wire.Generation) {
	for _, x := range from {
		out = append(out, x.Generation)
	}
	return out
}

// IsFormer reports whether g is the generation of a former journal whose data the hub has restored into this journal,
// which contains the fact FactRestored.
func IsFormer(fact []byte, g wire.Generation) bool {
	var all []wire.Generation
	return json.Unmarshal(fact, &all) == nil && slices.Contains(all, g)
}

// maxRestoredFrom is how many earlier journals the record names at most, because a record has at most 8 KiB.
const maxRestoredFrom = 16

// restoreTags adds the tags in the hub's data. restoreTags writes a record for each tag that it adds. restoreTags
// returns an error if a tag could not be added.
func (m *restorer) restoreTags(ctx context.Context, r wire.Restore) error {
	for _, t := range r.Tags {
		if m.model.isTagged(t.ID) || m.model.journal.removedTags[t.ID] || strings.HasPrefix(t.ID, duePrefix) {
			continue
		}
		tag := session.Tag{ID: t.ID, By: t.By, Reason: t.Reason, Since: t.Since}
		_ = tag.Role.UnmarshalText([]byte(t.Role)) // an empty role, or a role of a later release, counts as no role
		if m.engine.apply(ctx, session.AddTag{Tag: tag}); !m.model.isTagged(t.ID) || len(m.model.state.Ledger.Pending) > 0 {
			return fmt.Errorf(
				"tag %.64q could not be added: the machine has %d tags, or the disk is full",
				t.ID,
				len(m.model.state.Holds.Tags),
			)
		}
	}
	return nil
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// afterRestore is the machine's state after the hub's data were added.
type afterRestore struct {
	ran      session.Hours
	practice map[policy.MemberID]policy.Practice
	done     map[string]policy.Done
	removed  []string // ids of tags that were removed earlier
}

// merge combines the hub's data with the data that this journal has collected since its creation. done holds the kinds
// of maintenance that a record of this journal shows as done.
func (m *restorer) merge(r wire.Restore, done map[string]bool) afterRestore {
	model := m.model
	zone := time.UTC
	if model.rules.roster != nil {
		zone = model.rules.roster.Policy.Zone
	}
	ran := model.state.Runtime.Ran
	out := afterRestore{
		ran:      session.Hours{Relay: ran.Relay + seconds(r.Relay), Busy: ran.Busy + seconds(r.Busy)},
		practice: map[policy.MemberID]policy.Practice{}, done: map[string]policy.Done{},
	}
	for _, p := range r.Practice {
		if now := restoredPractice(p, model.practice.of[p.Member], zone); now.Logged > 0 || !now.Last.IsZero() {
			now.Machine = m.cfg.Machine
			out.practice[p.Member] = now
		}
	}
	before := r.Busy
	if !m.cfg.HasBusy {
		before = r.Relay
	}
	for kind, d := range model.upkeep.done { // running hours counted from the creation of the new journal
		d.Ran += seconds(before)
		out.done[kind] = d
	}
	for _, d := range r.Done {
		if !done[d.Kind] { // the stored time is the time at which the policy first named this kind of maintenance
			out.done[d.Kind] = policy.Done{At: d.At, Ran: seconds(d.Ran)}
		}
	}
	for _, id := range r.Removed {
		if id != "" && len(id) <= 64 && !model.isTagged(id) {
			out.removed = append(out.removed, id)
		}
	}
	return out
}

// facts returns the facts of the merged state, for the journal.
func (a afterRestore) facts(from []wire.ReplacedJournal) factSet {
	var facts factSet
	facts.put(FactRestored, generationsOf(from))
	facts.set(FactAwaits, nil)
	facts.put(FactHours, a.ran)
	for id, p := range a.practice {
		facts.put(FactPractice+string(id), p)
	}
	for kind, d := range a.done {
		facts.put(FactDone+kind, d)
	}
	for _, id := range a.removed {
		facts.set(FactRemoved+id, []byte("1"))
	}
	return facts
}

// applyTo stores the result in the model.
func (a afterRestore) applyTo(m *model) {
	m.state.Runtime.Ran, m.upkeep.done = a.ran, a.done
	for id, p := range a.practice {
		m.practice.of[id] = p
	}
	for _, id := range a.removed {
		m.journal.removedTags[id] = true
	}
}

// restoredPractice returns the sum of a member's practice before and after the creation of the new journal.
func restoredPractice(p wire.RestoredPractice, here policy.Practice, zone *time.Location) policy.Practice {
	all := policy.Practice{Logged: seconds(p.Seconds)}
	if !p.Last.IsZero() {
		all.Last = p.Last.In(zone)
	}
	for _, x := range p.Recent {
		took := seconds(x.Seconds)
		logged := all.Logged
		all = all.Used(x.End.In(zone), took)
		all.Logged = logged // Seconds already includes this time
	}
	if !p.Last.IsZero() && all.Last.Before(p.Last) {
		all.Last = p.Last.In(zone)
	}
	if !here.Last.IsZero() {
		here.Last = here.Last.In(zone)
	}
	return here.After(all)
}
