package daemoncmd

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"

	"portillon/daemon"
	"portillon/daemon/journal"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// renewal describes the replacement of a journal by a new journal: the reason, and the path of the old file.
type renewal struct {
	why  error
	kept string
}

// recordText returns the text of the record about the renewal.
func (r renewal) recordText() string {
	return fmt.Sprintf("the journal began anew: %v; the file before is kept as %s", r.why, filepath.Base(r.kept))
}

// renew starts a new journal if the hub has acknowledged other records of this generation. If the hub's records differ,
// the journal is an older copy or has lost records with damaged pages, and the hub would reject all further records.
// The tags are copied to the new journal. If open has just created the journal, renew only records the reason.
func (l *localJournal) renew(k keys) error {
	carried := map[string][]byte{} // facts that are written to the new journal
	var tags []session.Tag
	if x := l.olderThanAcked(k); x != nil && !x.New && l.renewal == nil {
		was, unread := l.readFacts()
		if _, err := l.compareTags(&was, unread); err != nil {
			return err
		}
		removed, err := l.journal.RemovedTags(daemon.FactRemoved)
		if err != nil {
			return err
		}
		for id := range removed {
			carried[daemon.FactRemoved+id] = []byte("1")
		}
		tags = was.tags
		// Rename the old journal, and open an empty journal under its path.
		if err := l.journal.Close(); err != nil {
			return err
		}
		l.journal = nil
		r := &renewal{
			why: fmt.Errorf("journal of %[2]d records contradicts the %[1]d records that the hub has acknowledged", x.Hub,
				x.Here),
		}
		if r.kept, err = journal.SetAside(l.c.journalFile(), l.clock.now()); err != nil {
			return err
		}
		l.log.Warn("created a new journal to replace the old journal", "why", r.why, "file before", r.kept)
		if l.journal, err = journal.Open(l.c.journalFile(), l.options(k.signer)); err != nil {
			return err
		}
		l.renewal = r
	}
	if l.renewal == nil {
		return nil
	}
	maps.Copy(carried, map[string][]byte{daemon.FactAwaits: []byte("1")})
	_, err := l.journal.Append(
		journal.Entry{
			Kind:  wire.Faulted,
			Body:  wire.FaultBody{What: "journal", Why: wire.OneLine(l.renewal.recordText(), 2000)},
			Facts: carried,
		},
	)
	if err != nil {
		return err
	}
	return l.copyTags(tags)
}

// copyTags copies the old journal's tags to the new journal, each with a record. copyTags leaves out the tag that an
// earlier renewal has set, because this renewal sets a new tag.
func (l *localJournal) copyTags(tags []session.Tag) error {
	var on []session.Tag
	for _, t := range tags {
		if daemon.IsJournalTag(t.ID) {
			continue
		}
		on = append(on, t)
		b := wire.TagBody{Tag: t.ID, Reason: t.Reason}
		if t.Role != policy.NoRole {
			b.Role = t.Role.String()
		}
		e := journal.Entry{Kind: wire.Tagged, Member: t.By, Body: b}
		data, err := json.Marshal(on)
		if err != nil {
			return err
		}
		e.Facts = map[string][]byte{daemon.FactTags: data}
		if _, err := l.journal.Append(e); err != nil {
			return err
		}
	}
	return nil
}

// restoreFlags returns two flags: whether the journal still waits for the hub's copy of tags, practice and hours, and
// whether that copy has already arrived.
func (l *localJournal) restoreFlags() (awaits, restored bool, err error) {
	facts, err := l.journal.Facts("")
	return facts[daemon.FactAwaits] != nil, facts[daemon.FactRestored] != nil, err
}

// replaced reports whether this journal is the successor of the machine's journal of generation g.
func (l *localJournal) replaced(g wire.Generation) bool {
	facts, err := l.journal.Facts(daemon.FactRestored)
	return err == nil && daemon.IsFormer(facts[daemon.FactRestored], g)
}

// restore writes the hub's copy of tags, practice and hours to a new journal, and returns the reply to the hub.
func (d *Daemon) restore(ctx context.Context, signed []byte) []byte {
	r, err := wire.OpenRestore(signed, d.orders.Keys, policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine))
	if err == nil {
		var c daemon.Recount
		if err = d.journal.Walk(ctx, c.Add, c.Gap); err == nil {
			err = d.machine.Restore(ctx, r, wire.Hash(signed), c.Done())
		}
	}
	if err != nil {
		d.log.Warn("restore refused", "err", err)
	}
	return replyTo(r.ID, err)
}

// afterRenewal returns the advice that a check prints for a machine with an unusable journal.
func (c Config) afterRenewal() string {
	return fmt.Sprintf("the daemon salvages what it can at its start; where nothing is left, it keeps the file under "+
		"another name and "+"begins a new "+"journal; then at the hub: %s",
		daemon.ReplaceCommand(policy.MachineID(c.Machine)))
}

// isReplaceable reports whether, after this fault, the daemon replaces the journal without an administrator.
func (c Config) isReplaceable(err error) bool {
	return err != nil && (journal.IsDamaged(err) || journal.IsMissing(c.journalFile()))
}
