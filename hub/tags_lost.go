package hub

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"portillon/hub/ledger"
	"portillon/policy"
	"portillon/wire"
)

// ownTag is the prefix of the ids of tags that a machine puts on and takes off automatically. A tag in a command must
// not have this prefix.
const ownTag = "due:"

// lostJournal reports whether a machine's journal differs from the hub's copy: the journal has fewer records or other
// records. In that case the machine may lack tags that the ledger has. A state that is some seconds old may also
// cause the result true for a moment. A wrong result is harmless, because a machine ignores a tag that it already
// has.
func (m *Machine) lostJournal() bool {
	if m.State != nil && m.State.Journal < m.Held {
		return true
	}
	for _, code := range []ledger.Code{ledger.RolledBack, ledger.Forked, ledger.WrongRoot, ledger.OtherGeneration} {
		if strings.HasPrefix(m.Trouble, string(code)+":") {
			return true
		}
	}
	return false
}

// returnTags looks for machines whose journal differs from the hub's copy, and sends each such machine all tags that
// the machine has according to the ledger.
func (tk *tagKeeper) returnTags(ctx context.Context, tried map[string]time.Time) {
	for _, m := range tk.fleet.list() {
		if !m.Online || !m.lostJournal() {
			continue
		}
		tags, err := tagsOn(ctx, tk.core.ledger, m.ID)
		if err != nil {
			tk.core.log.Error("reading the tags of a machine failed", "machine", m.ID, "err", err)
			continue
		}
		for _, t := range tags {
			key := string(m.ID) + "/" + t.Tag
			if last, again := tried[key]; again && tk.core.now().Sub(last).Abs() < askAgain {
				continue
			}
			tried[key] = tk.core.now()
			tk.returnTag(ctx, m.ID, t)
		}
	}
}

// returnTag sends a tag to a machine that has lost the tag.
func (tk *tagKeeper) returnTag(ctx context.Context, m policy.MachineID, t wire.TagBody) {
	ctx, cancel := context.WithTimeoutCause(ctx, tagReply, ErrNoReply)
	defer cancel()
	r, err := tk.commands.command(ctx, m, wire.Command{Do: "tag", Tag: t.Tag, Reason: t.Reason})
	switch {
	case err != nil:
		tk.core.log.Warn("sending a lost tag failed", "machine", m, "tag", t.Tag, "err", err)
	case !r.OK: // no error, because a person has taken the tag off at the machine meanwhile
		tk.core.log.Info("machine refused a lost tag", "machine", m, "tag", t.Tag, "why", r.Why)
	default:
		tk.core.log.Info("lost tag sent to its machine", "machine", m, "tag", t.Tag)
	}
}

// tagsOn returns the tags that a machine has according to the ledger, in the order in which they were put on.
func tagsOn(ctx context.Context, l *ledger.Ledger, m policy.MachineID) (out []wire.TagBody, err error) {
	q := ledger.Query{Machine: m, Kinds: []wire.Kind{wire.Tagged, wire.Untagged}}
	err = l.Records(ctx, q, func(e ledger.Entry) error {
		var b wire.TagBody
		if json.Unmarshal(e.Body, &b) != nil || b.Tag == "" || strings.HasPrefix(b.Tag, ownTag) {
			return nil
		}
		out = slices.DeleteFunc(out, func(x wire.TagBody) bool { return x.Tag == b.Tag })
		if e.Kind == wire.Tagged {
			if b.Reason == "" {
				b.Reason = "?" // this dash is a placeholder, because a command requires a reason
			}
			out = append(out, b)
		}
		return nil
	})
	return out, err
}
