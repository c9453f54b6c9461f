package daemoncmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/daemon"
	"portillon/daemon/journal"
	"portillon/daemon/session"
	"portillon/daemon/uplink"
	"portillon/policy"
	"portillon/wire"
)

// journalFile returns the path of the machine's journal.
func (c Config) journalFile() string { return filepath.Join(c.Data, "journal.db") }

// ackFile returns the path of the stored acknowledgement of the hub. The acknowledgement reveals a journal that is
// older than the records that the hub has acknowledged.
func (c Config) ackFile() string { return filepath.Join(c.Data, "acknowledged") }

// localJournal is the machine's journal with the faults that this start has found in the journal.
type localJournal struct {
	c        Config
	clock    clock
	log      *slog.Logger
	journal  *journal.Journal // nil: the journal is not open
	onDamage func(error)      // function called if damage is found while the journal is in use
	salvaged *salvage         // damage of the journal that this start has found; nil: no damage
	renewal  *renewal         // the reason why the daemon created a new journal; nil: the daemon uses the old journal
}

func (l *localJournal) options(signer note.Signer) journal.Options {
	return journal.Options{Site: policy.SiteID(l.c.Site), Machine: policy.MachineID(l.c.Machine), Signer: signer,
		Now: l.clock.now, Trusted: l.clock.trusted, Damaged: l.onDamage}
}

// reportDamage reports damage that is found while the journal is in use to the machine.
func (d *Daemon) reportDamage(err error) {
	if m := d.loop.Load(); m != nil {
		m.SetJournalDamage(err.Error())
	}
}

// open opens the journal. A damaged journal is first salvaged and replaced by the result. If no record can be salvaged,
// or if the hub has acknowledged records of another journal, open starts a new journal (renewal).
func (l *localJournal) open(ctx context.Context, k keys) error {
	path, o := l.c.journalFile(), l.options(k.signer)
	j, err := openExamined(ctx, path, o)
	if journal.IsDamaged(err) || err != nil && journal.IsMissing(path) {
		l.log.Error("journal is damaged", "file", path, "err", err)
		m, begun, merr := journal.MendOrSetAside(ctx, path, o, l.hubCopy(k), l.clock.now())
		if merr != nil {
			return errors.Join(err, merr)
		}
		if begun {
			l.renewal = &renewal{why: err, kept: m.Kept}
			l.log.Warn("created a new journal, because the old journal is unusable", "damaged file", m.Kept)
		} else {
			l.salvaged = &salvage{MendResult: m, why: err}
			l.log.Warn("journal salvaged", "records", m.Records, "damaged file", m.Kept)
		}
		if j, err = journal.Open(path, o); err != nil { // a salvaged journal has already been verified
			return err
		}
	}
	if l.journal = j; err != nil {
		return err
	}
	return l.renew(k)
}

// openExamined opens a journal and verifies each page and each record. Function journal.IsDamaged reports whether the
// returned error means damage.
func openExamined(ctx context.Context, path string, o journal.Options) (*journal.Journal, error) {
	j, err := journal.Open(path, o)
	if err != nil {
		return nil, err
	}
	if err := j.Examine(ctx, uplink.Sink); err != nil {
		return nil, errors.Join(err, j.Close())
	}
	return j, nil
}

// salvage describes the damage of the journal that a start has found, and how the daemon repaired the journal.
type salvage struct {
	journal.MendResult
	why error
}

// recordText returns the text of the record about the damage.
func (m salvage) recordText() string {
	parts := []string{
		fmt.Sprintf("the journal was damaged: %d records are kept, %d could be read; the damaged file is kept as %s",
			m.Records, m.Read, filepath.Base(m.Kept)),
	}
	for _, x := range []struct {
		what  string
		spans []journal.Span
	}{{"lost, held by the hub", m.Lost}, {"unreadable", m.Unread}, {"not proven", m.Dropped}} {
		var names []string
		for _, s := range x.spans {
			names = append(names, s.String())
		}
		if len(names) > 0 {
			parts = append(parts, x.what+": "+strings.Join(names[:min(len(names), 10)], ", "))
		}
	}
	if !m.Facts {
		parts = append(parts, "some facts are lost: they were taken from the records, as far as these say")
	}
	return strings.Join(parts, "; ")
}

// hubCopy returns the number and the tree root of the records in the stored acknowledgement of the hub.
func (l *localJournal) hubCopy(k keys) journal.HubCopy {
	a, ok := l.lastAck(k)
	root, err := hex.DecodeString(a.Root)
	if !ok || err != nil || len(root) != tlog.HashSize {
		return journal.HubCopy{}
	}
	return journal.HubCopy{Seq: a.Seq, Root: tlog.Hash(root), Generation: a.Generation}
}

// lastAck returns the stored acknowledgement. lastAck ignores a damaged acknowledgement, because the hub sends the
// acknowledgement again.
func (l *localJournal) lastAck(k keys) (wire.Ack, bool) {
	if k.hub == nil {
		return wire.Ack{}, false
	}
	data, err := os.ReadFile(l.c.ackFile())
	if err != nil {
		return wire.Ack{}, false
	}
	a, err := wire.OpenAck(data, k.hub, policy.SiteID(l.c.Site), policy.MachineID(l.c.Machine))
	return a, err == nil
}

// storeAck stores an acknowledgement that the hub has signed. The file is not synced, because the hub repeats its
// acknowledgement at each connection.
func (l *localJournal) storeAck(signed []byte) {
	path := l.c.ackFile()
	write := func() error {
		if err := os.WriteFile(path+".new", signed, 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	err := write()
	if err != nil { // remove a folder that has the file's name, because the folder would make writing the file fail
		os.RemoveAll(path + ".new")
		os.RemoveAll(path)
		err = write()
	}
	if err != nil {
		l.log.Warn("storing the hub's acknowledgement failed", "err", err)
	}
}

// olderThanAcked returns the difference between the journal and the stored acknowledgement, or nil if no difference can
// be found without the hub.
func (l *localJournal) olderThanAcked(k keys) *daemon.JournalMismatch {
	a, ok := l.lastAck(k)
	switch n := l.journal.Len(); {
	case !ok || a.Seq == 0 || l.replaced(a.Generation):
		return nil
	case a.Seq > n || a.Generation != l.journal.Generation():
		return &daemon.JournalMismatch{Hub: a.Seq, Here: n, New: a.Generation != l.journal.Generation()}
	}
	root, err := l.journal.Root(a.Seq)
	if err != nil || hex.EncodeToString(root[:]) == a.Root {
		// the journal lacks records, so only the hub's answer can show whether the roots differ
		return nil
	}
	return &daemon.JournalMismatch{Hub: a.Seq, Here: l.journal.Len()}
}

// compareTags adds the tags that exist in the records but not in the facts, and returns the reason for each added tag.
func (l *localJournal) compareTags(was *facts, unread error) (why []string, err error) {
	var c daemon.Recount
	gap := false
	if err := l.journal.WalkTags(c.Add, func() { gap = true; c.Gap() }); err != nil {
		return nil, err
	}
	if unread != nil {
		why = append(why, fmt.Sprintf("the journal's tags cannot be read (%v): those of the records count", unread))
	}
	for _, t := range c.Missing(was.tags) {
		if len(was.tags) < session.TagsMax {
			was.tags = append(was.tags, t)
			why = append(why, fmt.Sprintf("the tag %q was missing in the journal's facts, and the records show it: "+
				"the tag is on the machine again", t.ID))
		}
	}
	factsLost := unread != nil || l.salvaged != nil && !l.salvaged.Facts
	recordsLost := gap || l.salvaged != nil && len(l.salvaged.Unread)+len(l.salvaged.Dropped) > 0
	if factsLost && recordsLost { // neither the facts nor the records tell which tags were in force
		t := session.Tag{ID: daemon.TagSalvaged, Since: l.clock.now(),
			Reason: "journal endommagé : vérifier la machine / damaged journal: check the machine"}
		was.tags = append(was.tags, t)
		why = append(why, "tags may be lost with the damaged records: a maintainer must look at the machine")
	}
	return why, nil
}

// restoreFacts restores facts from the records after pages with facts have been damaged.
func (l *localJournal) restoreFacts(ctx context.Context) error {
	if l.salvaged == nil || l.salvaged.Facts {
		return nil
	}
	var c daemon.Recount
	if err := l.journal.Walk(ctx, c.Add, c.Gap); err != nil {
		return err
	}
	have, err := l.journal.Facts("")
	if err != nil {
		return err
	}
	restored, err := c.Restored(policy.MachineID(l.c.Machine))
	if err != nil {
		return err
	}
	lost := map[string][]byte{}
	for key, value := range restored {
		if have[key] == nil && key != daemon.FactTags {
			lost[key] = value
		}
	}
	return l.journal.Keep(lost)
}

// faultRecords returns the records about the faults that the start has found in the journal. The caller stores the
// restored tags together with these records.
func (l *localJournal) faultRecords(was facts, why []string) (out []journal.Entry) {
	if l.salvaged != nil {
		out = append(out, journal.Entry{Kind: wire.Faulted, Body: wire.FaultBody{What: "journal",
			Why: l.salvaged.recordText()}})
	}
	if len(why) > 0 {
		e := journal.Entry{Kind: wire.Faulted, Body: wire.FaultBody{What: "tags", Why: strings.Join(why, "; ")}}
		if b, err := json.Marshal(was.tags); err == nil {
			e.Facts = map[string][]byte{daemon.FactTags: b}
		}
		out = append(out, e)
	}
	return out
}

// checkJournal returns an error if the journal is damaged. The daemon would start anyway, and salvage the journal or
// show on its panel that the journal cannot be salvaged.
func (c Config) checkJournal() error {
	path := c.journalFile()
	if _, err := os.Lstat(path); errors.Is(err, fs.ErrNotExist) {
		if _, err := os.Lstat(path + "-wal"); err != nil {
			return nil
		}
	}
	j, err := journal.OpenReadOnly(path)
	if err != nil {
		return err
	}
	return errors.Join(j.Examine(context.Background(), uplink.Sink), j.Close())
}

// cureJournal returns the command to run if no record in the journal is usable.
func (c Config) cureJournal() string {
	return fmt.Sprintf("put back a copy, or begin an empty journal: sudo mv %[1]s %[1]s.damaged; sudo rm -f %[1]s-wal "+
		"%[1]s-shm", c.journalFile())
}
