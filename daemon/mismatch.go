package daemon

import (
	"context"
	"fmt"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// TagSalvaged is the tag of a machine whose journal was damaged so that tags may be lost with it.
const TagSalvaged = "journal-damaged"

// tagOlder begins the name of the tag of a machine whose journal is not the one that the hub holds; the number of
// records that the hub holds follows, so that a maintainer takes it off once for each of the hub's words.
const tagOlder = "journal-older-"

// JournalMismatch says that the hub holds Hub records that are not the first of this journal, which has Here records: a
// copy of an earlier day was put back, or the journal is a new one. Tags that hung on the machine may be missing in it.
type JournalMismatch struct {
	Hub, Here uint64
	New       bool // the hub's records are of another generation: this journal began anew
}

// SetJournalMismatch says how the journal differs from what the hub holds. It does not block.
func (m *Machine) SetJournalMismatch(x JournalMismatch) {
	if old := m.engine.model.journal.mismatch.Load(); old == nil || old.Hub != x.Hub || old.New != x.New {
		m.engine.model.journal.mismatch.Store(&x)
	}
}

// JournalFits says that the hub holds the first records of this journal. It does not block.
func (m *Machine) JournalFits() { m.engine.model.journal.mismatch.Store(nil) }

// SetJournalDamage says what of the journal is damaged. It does not block.
func (m *Machine) SetJournalDamage(what string) { m.engine.model.journal.damage.Store(&what) }

// journalTrouble is what is wrong with the journal, for an operator; empty: nothing is known to be.
func (m *views) journalTrouble() string {
	if d := m.model.journal.damage.Load(); d != nil {
		return *d
	}
	if m.model.journal.awaits {
		return m.newJournalTrouble()
	}
	if x := m.model.journal.mismatch.Load(); x != nil {
		return fmt.Sprintf("the hub holds %d records of another state of this journal, which has %d: tags may be missing; "+
			"restart the daemon (sudo systemctl restart portillond@%s): it keeps this journal under another name and begins a new one; then at the hub: %s",
			x.Hub, x.Here, m.cfg.Machine, ReplaceCommand(m.cfg.Machine))
	}
	return ""
}

func (m *views) journalNote() policy.Text {
	switch {
	case m.model.journal.damage.Load() != nil:
		return panel.DamagedJournal()
	case m.model.journal.awaits:
		return panel.NewJournal()
	case m.model.journal.mismatch.Load() != nil:
		return panel.OlderJournal()
	}
	return policy.Text{}
}

// tagMismatch tags a machine out whose journal is not the one that the hub holds, until a maintainer has looked at it.
// The hub sends the tags that it knows meanwhile.
func (m *periodic) tagMismatch(ctx context.Context) {
	x := m.engine.model.journal.mismatch.Load()
	if x != nil && x.New {
		m.awaitRestore()
	}
	m.tagNewJournal(ctx)
	if x == nil || x.New && !m.engine.model.journal.restored {
		return
	}
	id := fmt.Sprint(tagOlder, x.Hub)
	if m.engine.model.isTagged(id) || m.engine.model.journal.removedTags[id] {
		return
	}
	m.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: m.engine.model.rules.inSiteLanguage(panel.OlderJournalTag()), Since: m.cfg.Now()}})
}
