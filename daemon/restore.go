package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/daemon/control"
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// A journal that began anew: what was on the machine before is known at the hub alone.

const (
	// FactAwaits marks a journal that began anew, and has not been compared with what the hub holds of the journals
	// before.
	FactAwaits = "awaits-restore"
	// FactRestored marks a journal that was given back what the hub knew: that happens once. It holds the generations of
	// the journals before, []wire.Generation.
	FactRestored = "restored"
	// tagNew begins the name of the tag of such a machine. The beginning of the journal's generation follows, so that
	// each new journal has a tag of its own.
	tagNew = "journal-new-"
	// tagNewDigits of a generation tell a machine's journals apart.
	tagNewDigits = 8
)

// IsJournalTag reports whether a tag only says that the machine's journal is not the one that the hub holds.
func IsJournalTag(id string) bool {
	return strings.HasPrefix(id, tagNew) || strings.HasPrefix(id, tagOlder)
}

// newJournalTag is the id of the tag of a machine with a journal that began anew.
func (m *model) newJournalTag() string {
	g := string(m.cfg.Journal.Generation())
	return tagNew + g[:min(len(g), tagNewDigits)]
}

// tagNewJournal tags the machine out while its journal waits for the hub. A maintainer may take the tag off before.
func (m *periodic) tagNewJournal(ctx context.Context) {
	id := m.engine.model.newJournalTag()
	if !m.engine.model.journal.awaits || m.engine.model.isTagged(id) || m.engine.model.journal.removedTags[id] || len(m.engine.model.state.Ledger.Pending) > 0 {
		return
	}
	m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: m.engine.model.rules.inSiteLanguage(panel.NewJournalTag()), Since: m.cfg.Now()}})
}

// ReplaceCommand is what an administrator runs at the hub for a machine whose journal began anew.
func ReplaceCommand(m policy.MachineID) string {
	return fmt.Sprintf("portillon machine replace %s --hub hub.yaml", m)
}

// newJournalTrouble says what to do about a journal that began anew, for an operator.
func (m *views) newJournalTrouble() string {
	if m.cfg.Uplink == nil {
		return fmt.Sprintf("the journal began anew (generation %s), and no hub is configured that knows the one before: tags and running hours may be missing; "+
			"check the machine, then: portillon machine untag --socket SOCKET %s", m.cfg.Journal.Generation(), m.model.newJournalTag())
	}
	return fmt.Sprintf("the journal began anew (generation %s): tags, running hours and practice are at the hub; there: %s",
		m.cfg.Journal.Generation(), ReplaceCommand(m.cfg.Machine))
}

// alone reports whether a tag that is taken off says that the journal is new, and there is no hub to compare it with.
func (m *model) alone(tag string) bool {
	return m.cfg.Uplink == nil && m.journal.awaits && tag == m.newJournalTag()
}

// awaitRestore notes that the hub holds another generation of this machine's journal. It runs in the loop.
func (m *periodic) awaitRestore() {
	if m.engine.model.journal.awaits || m.engine.model.journal.restored {
		return
	}
	if err := m.cfg.Journal.Keep(map[string][]byte{FactAwaits: []byte("1")}); err != nil {
		m.cfg.Logger.Warn("facts were not kept", "err", err)
		return // the next turn tries again
	}
	m.engine.model.journal.awaits = true
}

// Restore takes what the hub knows from the journals before this one. done holds the kinds of maintenance that a
// record of this journal shows as done. A journal takes it once; a second time nothing happens. It takes no tag off
// but the one that says that the journal is new, and leaves a running session as it is.
func (m *Machine) Restore(ctx context.Context, r wire.Restore, sha string, done map[string]bool) error {
	rep := m.loop.within(ctx, func(ctx context.Context) control.Reply {
		if err := m.restorer.restore(ctx, r, sha, done); err != nil {
			return control.Reply{Error: err.Error()}
		}
		return control.Reply{OK: true}
	})
	if !rep.OK {
		return errors.New(rep.Error)
	}
	return nil
}

func (m *restorer) restore(ctx context.Context, r wire.Restore, sha string, done map[string]bool) error {
	switch own := m.cfg.Journal.Generation(); {
	case r.Generation != own || own == "":
		return fmt.Errorf("the document is for the generation %q of this machine's journal, this is %q", r.Generation, own)
	case m.engine.model.journal.restored:
		return nil
	case len(m.engine.model.state.Ledger.Pending) > 0 || m.engine.model.state.Ledger.Broken:
		return errors.New("the journal does not take records")
	}
	if err := m.restoreTags(ctx, r); err != nil {
		return err
	}
	facts, apply := m.restored(r, done)
	b := wire.RestoredBody{From: r.From[max(0, len(r.From)-restoredFromMost):], Tags: len(r.Tags), Members: len(r.Practice), Left: r.Left, Kinds: len(r.Done),
		Relay: int64((m.engine.model.state.Runtime.Ran.Relay + seconds(r.Relay)) / time.Second), Busy: int64((m.engine.model.state.Runtime.Ran.Busy + seconds(r.Busy)) / time.Second), SHA256: sha}
	if err := m.cfg.Journal.Append(session.Record{Kind: wire.Restored, Body: b}, facts); err != nil {
		return err
	}
	apply()
	m.engine.model.journal.restored, m.engine.model.journal.awaits = true, false
	m.engine.model.journal.mismatch.Store(nil)
	if m.cfg.Uplink != nil {
		m.cfg.Uplink.Kick()
	}
	for _, t := range append([]session.Tag(nil), m.engine.model.state.Holds.Tags...) {
		if t.By == "" && IsJournalTag(t.ID) {
			m.engine.apply(ctx, session.RemoveTag{ID: t.ID})
		}
	}
	m.cfg.Logger.Info("restored from the hub", "tags", b.Tags, "members", b.Members, "kinds", b.Kinds)
	m.engine.show()
	return nil
}

func generationsOf(from []wire.ReplacedJournal) (out []wire.Generation) {
	for _, x := range from {
		out = append(out, x.Generation)
	}
	return out
}

// IsFormer reports whether a journal with this fact (FactRestored) has taken the place of the machine's journal of that
// generation. All that the hub held of that one is in this journal.
func IsFormer(fact []byte, g wire.Generation) bool {
	var all []wire.Generation
	return json.Unmarshal(fact, &all) == nil && slices.Contains(all, g)
}

// restoredFromMost is how many of the journals before the record names: a record has at most 8 KiB.
const restoredFromMost = 16

// restoreTags puts on the tags that the hub knows. Each is recorded. The error says that one is not on the machine.
func (m *restorer) restoreTags(ctx context.Context, r wire.Restore) error {
	for _, t := range r.Tags {
		if m.engine.model.isTagged(t.ID) || m.engine.model.journal.removedTags[t.ID] || strings.HasPrefix(t.ID, duePrefix) {
			continue
		}
		tag := session.Tag{ID: t.ID, By: t.By, Reason: t.Reason, Since: t.Since}
		_ = tag.Role.UnmarshalText([]byte(t.Role)) // empty, or a role of a later release: none is known
		if m.engine.apply(ctx, session.AddTag{Tag: tag}); !m.engine.model.isTagged(t.ID) || len(m.engine.model.state.Ledger.Pending) > 0 {
			return fmt.Errorf("the tag %.64q is not on the machine: it has %d tags, or the disk is full", t.ID, len(m.engine.model.state.Holds.Tags))
		}
	}
	return nil
}

func seconds(n int64) time.Duration { return time.Duration(n) * time.Second }

// restored are the facts as they are after a restore, and what makes the machine know them too.
func (m *restorer) restored(r wire.Restore, done map[string]bool) (facts map[string][]byte, apply func()) {
	zone := time.UTC
	if m.engine.model.rules.roster != nil {
		zone = m.engine.model.rules.roster.Policy.Zone
	}
	ran := session.Hours{Relay: m.engine.model.state.Runtime.Ran.Relay + seconds(r.Relay), Busy: m.engine.model.state.Runtime.Ran.Busy + seconds(r.Busy)}
	facts = map[string][]byte{FactRestored: mustJSON(generationsOf(r.From)), FactAwaits: nil, FactHours: mustJSON(ran)}
	practice := map[policy.MemberID]policy.Practice{}
	for _, p := range r.Practice {
		if now := restoredPractice(p, m.engine.model.practice.of[p.Member], zone); now.Logged > 0 || !now.Last.IsZero() {
			now.Machine = m.cfg.Machine
			practice[p.Member], facts[FactPractice+string(p.Member)] = now, mustJSON(now)
		}
	}
	before := r.Busy
	if !m.cfg.HasBusy {
		before = r.Relay
	}
	work := map[string]policy.Done{}
	for kind, d := range m.engine.model.upkeep.done { // counted from the new journal's first hour
		d.Ran += seconds(before)
		work[kind] = d
	}
	for _, d := range r.Done {
		if !done[d.Kind] { // what stands there is when the policy first named this kind to the new journal
			work[d.Kind] = policy.Done{At: d.At, Ran: seconds(d.Ran)}
		}
	}
	for kind, d := range work {
		facts[FactDone+kind] = mustJSON(d)
	}
	var removed []string
	for _, id := range r.Removed {
		if id != "" && len(id) <= 64 && !m.engine.model.isTagged(id) {
			removed, facts[FactRemoved+id] = append(removed, id), []byte("1")
		}
	}
	return facts, func() {
		m.engine.model.state.Runtime.Ran, m.engine.model.upkeep.done = ran, work
		for id, p := range practice {
			m.engine.model.practice.of[id] = p
		}
		for _, id := range removed {
			m.engine.model.journal.removedTags[id] = true
		}
	}
}

// restoredPractice is a member's practice before and since the journal began anew.
func restoredPractice(p wire.RestoredPractice, here policy.Practice, zone *time.Location) policy.Practice {
	all := policy.Practice{Logged: seconds(p.Seconds)}
	if !p.Last.IsZero() {
		all.Last = p.Last.In(zone)
	}
	for _, x := range p.Recent {
		took := seconds(x.Seconds)
		logged := all.Logged
		all = all.Used(x.End.In(zone), took)
		all.Logged = logged // it counts in Seconds already
	}
	if !p.Last.IsZero() && all.Last.Before(p.Last) {
		all.Last = p.Last.In(zone)
	}
	if !here.Last.IsZero() {
		here.Last = here.Last.In(zone)
	}
	return here.After(all)
}
