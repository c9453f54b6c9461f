package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// Tag is a lock that an administrator puts on a machine. The hub stores each tag in a separate file, and sends the tag
// until the machine has it, even if machine, broker and hub are offline for a long time. The hub deletes the file once
// the machine's journal shows that a person took the tag off. A machine has tags of the hub and tags that were put on
// at the machine. A person at the machine can take off both kinds of tags.
type Tag struct {
	Machine policy.MachineID `json:"machine"`
	ID      string           `json:"tag"`
	Reason  string           `json:"reason"` // reason for the tag, as a text that members read at the machine
	Now     bool             `json:"now,omitempty"`
	Since   time.Time        `json:"since"`
}

const (
	maxReason = 200             // largest length of a tag's reason in bytes; machines have the same limit
	tagsEvery = 2 * time.Second // interval at which the hub reads the folder of tags
	tagReply  = 5 * time.Second // timeout for a machine's reply, after which the hub sends the tag again
)

var tagFile = regexp.MustCompile(`^([0-9a-f]{16})\.json$`)

// tags returns the path of the folder that contains the tag files.
func (c Config) tags() string { return filepath.Join(c.Data, "tags") }

// TagOut writes a tag to the disk. If the hub runs, the hub sends the tag to machine m at once, and otherwise after
// its next start.
func (c Config) TagOut(m policy.MachineID, reason string, now bool, at time.Time) (Tag, error) {
	t := Tag{
		Machine: m, ID: randomHex(8), Reason: strings.TrimSpace(reason), Now: now,
		Since: at.UTC().Truncate(time.Second),
	}
	keys, err := c.MachineKeys(context.Background())
	switch {
	case err != nil:
		return t, fmt.Errorf("tag: %w", err)
	case len(keys.InForce()) == 0 || keys.InForce()[m] == nil:
		return t, fmt.Errorf("tag: this hub knows no machine %.64q", m)
	case t.Reason == "" || len(t.Reason) > maxReason:
		return t, fmt.Errorf("tag: a tag needs a reason of 1 to %d bytes, which members read at the machine", maxReason)
	}
	if err := os.MkdirAll(c.tags(), 0o700); err != nil {
		return t, fmt.Errorf("tag: %w", err)
	}
	data, err := json.Marshal(t)
	if err != nil {
		return t, fmt.Errorf("tag: %w", err)
	}
	// The folder can be read only by its owner. The file can be read by all users, because the tool may run as a different
	// user than the hub.
	if err := wire.WriteFile(filepath.Join(c.tags(), t.ID+".json"), data, 0o644); err != nil {
		return t, fmt.Errorf("tag: %w", err)
	}
	return t, nil
}

// Tags returns the tags that administrators put on, except tags that were taken off according to the machine's records.
// The error names each file that cannot be read.
func (c Config) Tags() (out []Tag, err error) {
	all, e := os.ReadDir(c.tags())
	if errors.Is(e, os.ErrNotExist) {
		return nil, nil
	}
	err = e
	for _, f := range all {
		m := tagFile.FindStringSubmatch(f.Name())
		if m == nil {
			continue
		}
		// Read one file. The file's name must be the id of the tag that the file contains.
		var t Tag
		data, e := os.ReadFile(filepath.Join(c.tags(), f.Name()))
		if e == nil {
			e = json.Unmarshal(data, &t)
		}
		if e == nil && t.ID != m[1] {
			e = fmt.Errorf("the file contains the tag %.32q, want the tag that the file's name gives", t.ID)
		}
		// If the file cannot be read, collect an error with a remedy, and continue with the other files.
		if e != nil {
			path := filepath.Join(c.tags(), f.Name())
			err = errors.Join(
				err,
				fmt.Errorf(
					"tag %s: %w; put the tag on again (portillon machine tag --hub HUB.yaml --machine ID REASON) and remove this "+
						"one: rm -r %s",
					path,
					e,
					path,
				),
			)
			continue
		}
		out = append(out, t)
	}
	return out, err
}

// tagKeeper sends machines the tags that an administrator put on.
type tagKeeper struct {
	core     *core
	fleet    *fleet
	commands *commands
	restores *restores
}

// sendTags sends each tag to its machine until the machine has the tag. sendTags runs until ctx ends.
func (tk *tagKeeper) sendTags(ctx context.Context) error {
	clock := time.NewTicker(tagsEvery)
	defer clock.Stop()
	tried, said := map[string]time.Time{}, ""
	for {
		tags, err := tk.core.c.Tags()
		if err != nil && err.Error() != said {
			said = err.Error()
			tk.core.log.Error("reading a tag failed", "why", err)
		}
		for _, t := range tags {
			if err := tk.sendTag(ctx, t, tried); err != nil && ctx.Err() == nil {
				tk.core.log.Info("machine does not have its tag yet", "machine", t.Machine, "tag", t.ID, "why", err)
				tk.noteTag(t, err.Error())
			}
		}
		tk.returnTags(ctx, tried)
		tk.restores.sendRestores(ctx, tried)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-clock.C:
		}
	}
}

// sendTag sends a tag to its machine if the machine's records do not show that the machine has the tag. tried has the
// time of the last attempt for each tag, so that sendTag does not repeat an attempt at once.
func (tk *tagKeeper) sendTag(ctx context.Context, t Tag, tried map[string]time.Time) error {
	last, err := lastTagRecord(ctx, tk.core.ledger, t)
	if err != nil {
		return err
	}
	var m Machine
	tk.fleet.change(t.Machine, func(x *Machine) { m = *x })
	// Send the tag again if the machine has lost its tags. The hub can detect the loss only if it has all of the
	// machine's records.
	lost := m.State != nil && !m.State.Tagged && m.State.Journal <= m.Held || m.lostJournal()
	switch {
	case last == wire.Untagged:
		tk.noteTag(t, "")
		return os.Remove(filepath.Join(tk.core.c.tags(), t.ID+".json"))
	case last == wire.Tagged && !lost,
		tk.core.now().Sub(tried[t.ID]).Abs() < askAgain && (!m.Online || tried[t.ID].After(m.notes.appeared)):
		// Sometimes try a machine that seems offline, because the message that the machine is online may be lost.
		return nil
	}
	tried[t.ID] = tk.core.now()
	ctx, cancel := context.WithTimeoutCause(ctx, tagReply, ErrNoReply)
	defer cancel()
	r, err := tk.commands.command(ctx, t.Machine, wire.Command{Do: "tag", Tag: t.ID, Reason: t.Reason, Now: t.Now})
	if err == nil && !r.OK {
		return fmt.Errorf("machine %s refuses the tag: %s", t.Machine, r.Why)
	}
	if err == nil {
		tk.noteTag(t, "")
	}
	return err
}

// maxNote is the largest length of a note in bytes. The limit is needed because a machine's reply may have any length.
const maxNote = 500

// noteTag writes a file with the reason why a machine does not have its tag yet, for the command-line tool. An empty
// reason removes the file. noteTag ignores errors, because the log contains the reason too.
func (tk *tagKeeper) noteTag(t Tag, why string) {
	path := tk.core.c.tagNote(t.ID)
	if why == "" {
		os.Remove(path)
		return
	}
	note := []byte(strings.ToValidUTF8(why[:min(len(why), maxNote)], ""))
	if old, err := os.ReadFile(path); err != nil || !bytes.Equal(old, note) {
		_ = wire.WriteFile(path, note, 0o644)
	}
}

// tagNote returns the path of the file with the reason why a machine does not have its tag yet.
func (c Config) tagNote(id string) string { return filepath.Join(c.tags(), id+".why") }

// TagStatus is a tag that an administrator put on, with the information whether the machine has the tag.
type TagStatus struct {
	Tag
	OnMachine bool   `json:"on_machine"`    // true: the machine's journal shows that the machine has the tag
	Why       string `json:"why,omitempty"` // reason why the hub's last attempt to send the tag failed
}

// TagStatuses returns the tags that administrators put on. TagStatuses works while the hub runs or is stopped. The
// error names each file that cannot be read.
func (c Config) TagStatuses(ctx context.Context) ([]TagStatus, error) {
	tags, err := c.Tags()
	if len(tags) == 0 {
		return nil, err
	}
	var l *ledger.Ledger
	if fileExists(c.Ledger()) { // a hub that has never run has no ledger
		var lerr error
		if l, lerr = ledger.OpenReadOnly(c.Ledger(), c.Site); lerr != nil {
			return nil, errors.Join(err, lerr)
		}
		defer l.Close()
	}
	var out []TagStatus
	for _, t := range tags {
		s := TagStatus{Tag: t}
		if l != nil {
			last, lerr := lastTagRecord(ctx, l, t)
			err = errors.Join(err, lerr)
			s.OnMachine = last == wire.Tagged
		}
		if note, nerr := os.ReadFile(c.tagNote(t.ID)); nerr == nil && !s.OnMachine {
			s.Why = strings.TrimSpace(string(note[:min(len(note), maxNote)]))
		}
		out = append(out, s)
	}
	return out, err
}

// fileExists reports whether a file exists.
func fileExists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// lastTagRecord returns the kind of the last record about a tag in the machine's stored journal; empty: the journal has
// no record about the tag.
func lastTagRecord(ctx context.Context, l *ledger.Ledger, t Tag) (last wire.Kind, err error) {
	q := ledger.Query{Machine: t.Machine, Kinds: []wire.Kind{wire.Tagged, wire.Untagged}}
	err = l.Records(ctx, q, func(e ledger.Entry) error {
		var b wire.TagBody
		if json.Unmarshal(e.Body, &b) == nil && b.Tag == t.ID {
			last = e.Kind
		}
		return nil
	})
	return last, err
}
