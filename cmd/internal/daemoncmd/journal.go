package daemoncmd

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
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

// journalFile is where the machine's journal is.
func (c Config) journalFile() string { return filepath.Join(c.Data, "journal.db") }

// ackFile is where the hub's last acknowledgement is kept, beside the journal. It shows that a journal is older than what
// the hub has acknowledged.
func (c Config) ackFile() string { return filepath.Join(c.Data, "acknowledged") }

func (d *Daemon) journalOptions(signer note.Signer) journal.Options {
	return journal.Options{Site: policy.SiteID(d.c.Site), Machine: policy.MachineID(d.c.Machine), Signer: signer,
		Now: d.clock.now, Trusted: d.clock.trusted, Damaged: d.damaged}
}

// damaged tells the machine of damage that shows while the journal is in use.
func (d *Daemon) damaged(err error) {
	if m := d.loop.Load(); m != nil {
		m.SetJournalDamage(err.Error())
	}
}

// openJournal opens the journal. A damaged one is salvaged first, and what is left takes its place. Where nothing is
// left, or the journal is not the one that the hub has acknowledged, a new journal begins (renewal).
func (d *Daemon) openJournal(ctx context.Context, k keys) error {
	path, o := d.c.journalFile(), d.journalOptions(k.signer)
	j, err := openExamined(ctx, path, o)
	if journal.IsDamaged(err) || err != nil && journal.IsMissing(path) {
		d.log.Error("the journal is damaged", "file", path, "err", err)
		m, begun, merr := journal.MendOrSetAside(ctx, path, o, d.held(k), d.clock.now())
		if merr != nil {
			return errors.Join(err, merr)
		}
		if begun {
			d.renewal = &renewal{why: err, kept: m.Kept}
			d.log.Warn("nothing of the journal can be used: a new one begins", "damaged file", m.Kept)
		} else {
			d.salvaged = &salvage{MendResult: m, why: err}
			d.log.Warn("the journal was salvaged", "records", m.Records, "damaged file", m.Kept)
		}
		if j, err = journal.Open(path, o); err != nil { // what was salvaged is proven: it is not examined again
			return err
		}
	}
	if d.journal = j; err != nil {
		return err
	}
	return d.renew(k)
}

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

// salvage is the damage that a start found, and what became of the journal.
type salvage struct {
	journal.MendResult
	why error
}

// sentence is what the record says.
func (m salvage) sentence() string {
	parts := []string{fmt.Sprintf("the journal was damaged: %d records are kept, %d could be read; the damaged file is kept as %s",
		m.Records, m.Read, filepath.Base(m.Kept))}
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

// held is what the hub has acknowledged, by the last acknowledgement that is kept beside the journal.
func (d *Daemon) held(k keys) journal.HubCopy {
	a, ok := d.lastAck(k)
	root, err := hex.DecodeString(a.Root)
	if !ok || err != nil || len(root) != tlog.HashSize {
		return journal.HubCopy{}
	}
	return journal.HubCopy{Seq: a.Seq, Root: tlog.Hash(root), Generation: a.Generation}
}

// lastAck is the acknowledgement that is kept beside the journal. One that is damaged is none: the hub sends it again.
func (d *Daemon) lastAck(k keys) (wire.Ack, bool) {
	if k.hub == nil {
		return wire.Ack{}, false
	}
	data, err := os.ReadFile(d.c.ackFile())
	if err != nil {
		return wire.Ack{}, false
	}
	a, err := wire.OpenAck(data, k.hub, policy.SiteID(d.c.Site), policy.MachineID(d.c.Machine))
	return a, err == nil
}

// keepAck keeps an acknowledgement that the hub signed. It is a hint, which the hub repeats at each connection: nobody
// waits for the disk.
func (d *Daemon) keepAck(signed []byte) {
	path := d.c.ackFile()
	write := func() error {
		if err := os.WriteFile(path+".new", signed, 0o600); err != nil {
			return err
		}
		return os.Rename(path+".new", path)
	}
	err := write()
	if err != nil { // something else lies in its place
		os.RemoveAll(path + ".new")
		os.RemoveAll(path)
		err = write()
	}
	if err != nil {
		d.log.Warn("the hub's acknowledgement was not kept", "err", err)
	}
}

// olderThanAcked says why the journal is not the one that the hub acknowledged, by the acknowledgement that is kept;
// nil: nothing shows that.
func (d *Daemon) olderThanAcked(k keys) *daemon.JournalMismatch {
	a, ok := d.lastAck(k)
	switch n := d.journal.Len(); {
	case !ok || a.Seq == 0 || d.isFormer(a.Generation):
		return nil
	case a.Seq > n || a.Generation != d.journal.Generation():
		return &daemon.JournalMismatch{Hub: a.Seq, Here: n, New: a.Generation != d.journal.Generation()}
	}
	root, err := d.journal.Root(a.Seq)
	if err != nil || hex.EncodeToString(root[:]) == a.Root {
		// a root that a lost record hides is compared when the hub answers
		return nil
	}
	return &daemon.JournalMismatch{Hub: a.Seq, Here: d.journal.Len()}
}

// compareTags adds the tags that the records show on the machine and that the facts lack, and returns why they were
// added; empty: none was.
func (d *Daemon) compareTags(was *facts, unread error) (why []string, err error) {
	var c daemon.Recount
	gap := false
	if err := d.journal.WalkTags(c.Add, func() { gap = true; c.Gap() }); err != nil {
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
	factsLost := unread != nil || d.salvaged != nil && !d.salvaged.Facts
	recordsLost := gap || d.salvaged != nil && len(d.salvaged.Unread)+len(d.salvaged.Dropped) > 0
	if factsLost && recordsLost { // neither the facts nor the records say for certain which tags were on the machine
		t := session.Tag{ID: daemon.TagSalvaged, Since: d.clock.now(),
			Reason: "journal endommagé : vérifier la machine / damaged journal: check the machine"}
		was.tags = append(was.tags, t)
		why = append(why, "tags may be lost with the damaged records: a maintainer must look at the machine")
	}
	return why, nil
}

// restoreFacts takes facts that were lost with damaged pages from the records.
func (d *Daemon) restoreFacts(ctx context.Context) error {
	if d.salvaged == nil || d.salvaged.Facts {
		return nil
	}
	var c daemon.Recount
	if err := d.journal.Walk(ctx, c.Add, c.Gap); err != nil {
		return err
	}
	have, err := d.journal.Facts("")
	if err != nil {
		return err
	}
	lost := map[string][]byte{}
	for key, value := range c.Restored(policy.MachineID(d.c.Machine)) {
		if have[key] == nil && key != daemon.FactTags {
			lost[key] = value
		}
	}
	return d.journal.Keep(lost)
}

// faultRecords are the records of what the start found wrong with the journal. The tags go to disk with them.
func (d *Daemon) faultRecords(was facts, why []string) (out []journal.Entry) {
	if d.salvaged != nil {
		out = append(out, journal.Entry{Kind: wire.Faulted, Body: wire.FaultBody{What: "journal", Why: d.salvaged.sentence()}})
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

// checkJournal says what is damaged of the journal. A daemon starts all the same, and salvages it, or says on its panel
// that it cannot.
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

// cureJournal is the command for a journal of which nothing can be used.
func (c Config) cureJournal() string {
	return fmt.Sprintf("put back a copy, or begin an empty journal: sudo mv %[1]s %[1]s.damaged; sudo rm -f %[1]s-wal %[1]s-shm",
		c.journalFile())
}
