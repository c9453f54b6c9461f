package daemon

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// periodic performs the regular tasks of the machine.
type periodic struct {
	cfg    *Config
	model  *model
	engine *engine
}

// upkeep tags the machine out for maintenance that is due and blocks the machine, as soon as nobody uses the machine.
// upkeep removes the tag once the maintenance is done. If the policy names a new kind of maintenance, its interval
// begins now.
func (p *periodic) upkeep(ctx context.Context) {
	model := p.model
	mach, known := model.rules.machine()
	if !known {
		return
	}
	if p.cfg.Trusted() {
		model.upkeep.begin(mach, model.ran(), p.cfg.Now())
	}
	want := map[string]bool{}
	for _, w := range model.plannedWork() {
		if !w.Over || !w.Block {
			continue
		}
		id := duePrefix + w.Kind
		want[id] = true
		inUse := model.state.Running() || model.state.Phase == session.Awaiting
		if !inUse && !model.isTagged(id) {
			reason := model.rules.inSiteLanguage(panel.MaintenanceTagReason(mach.KindName(w.Kind)))
			p.engine.apply(ctx, session.AddTag{Tag: session.Tag{ID: id, Reason: reason, Since: p.cfg.Now()}})
		}
	}
	p.removeDone(ctx, mach, want)
}

// removeDone removes the tags of maintenance that has been done. want contains the ids of the tags that must remain.
func (p *periodic) removeDone(ctx context.Context, mach *policy.Machine, want map[string]bool) {
	model := p.model
	for _, t := range slices.Clone(model.state.Holds.Tags) {
		kind, isDue := strings.CutPrefix(t.ID, duePrefix)
		if !isDue || want[t.ID] || t.By != "" || len(model.state.Ledger.Pending) > 0 {
			continue
		}
		// The clock is not trusted: use only kinds that no date makes due.
		if p.cfg.Trusted() || model.upkeep.isSettled(mach, kind) {
			p.engine.apply(ctx, session.RemoveTag{ID: t.ID})
		}
	}
}

// keepEvery is the interval at which running hours are stored: a power cut loses at most the hours of one interval.
const keepEvery = time.Minute

// storeRunningHours stores the progress of the current session, so that the next daemon knows the progress if the power
// fails before the session's end is recorded. If the journal has refused a start, this write also detects when the
// journal accepts records again.
func (p *periodic) storeRunningHours() {
	now := p.cfg.Now()
	var facts factSet
	facts.put(FactHours, p.model.state.Runtime.Ran)
	ledger := &p.model.state.Ledger
	switch {
	case p.model.state.Running() && now.Sub(p.model.journal.counted) >= keepEvery:
		u := UnderWay{
			Session: p.model.state.Current.Session,
			Seconds: int64(now.Sub(p.model.state.Current.Since) / time.Second),
		}
		if p.cfg.Trusted() {
			u.At = now
		}
		facts.put(FactUnderWay, u)
	case ledger.Broken && len(ledger.Pending) == 0 && now.Sub(p.model.journal.counted) >= session.RetryEvery:
		// The journal has refused a start, but no record waits to be written.
	default:
		return
	}
	p.model.journal.counted = now
	err := facts.err
	if err == nil {
		err = p.engine.live.duringCommit(func() error { return p.cfg.Journal.Keep(facts.values) })
	}
	if err != nil {
		p.cfg.Logger.Warn("running hours could not be stored", "err", err)
		return
	}
	p.engine.markJournalHealthy()
}

// watchScreens evaluates the machine's own screens, logs which of them became silent, and requests the restart of this
// computer's screen.
func (p *periodic) watchScreens() {
	p.model.links.screens = p.cfg.Panel.Screens()
	for _, s := range p.model.links.screens {
		switch {
		case s.Fell:
			p.cfg.Logger.Warn("screen silent", "screen", s.Addr, "for", s.Silent.Round(time.Second))
		case s.Back:
			p.cfg.Logger.Info("screen reports again", "screen", s.Addr)
		}
		if !s.Restart || p.cfg.RestartScreen == nil {
			continue
		}
		if err := p.cfg.RestartScreen(); err != nil {
			p.cfg.Logger.Error("screen restart could not be requested", "screen", s.Addr, "err", err)
			continue
		}
		p.cfg.Logger.Warn("screen restart requested", "screen", s.Addr)
	}
}

// tagMismatch tags a machine out if its journal differs from the hub's copy, until a maintainer has checked the
// machine. Until then, the hub sends the tags of its own copy.
func (p *periodic) tagMismatch(ctx context.Context) {
	x := p.model.journal.mismatch.Load()
	if x != nil && x.New {
		p.awaitRestore()
	}
	p.tagNewJournal(ctx)
	if x == nil || x.New && !p.model.journal.restored {
		return
	}
	id := fmt.Sprint(tagOlder, x.Hub)
	if p.model.isTagged(id) || p.model.journal.removedTags[id] {
		return
	}
	p.engine.apply(
		ctx,
		session.AddTag{
			Tag: session.Tag{ID: id, Reason: p.model.rules.inSiteLanguage(panel.OlderJournalTag()), Since: p.cfg.Now()},
		},
	)
}

// tagNewJournal tags the machine out while its new journal waits for the hub. A maintainer may remove the tag before
// the hub has answered.
func (p *periodic) tagNewJournal(ctx context.Context) {
	id := p.model.newJournalTag()
	j := &p.model.journal
	if !j.awaits || j.removedTags[id] || p.model.isTagged(id) || len(p.model.state.Ledger.Pending) > 0 {
		return
	}
	p.engine.apply(
		ctx,
		session.AddTag{
			Tag: session.Tag{ID: id, Reason: p.model.rules.inSiteLanguage(panel.NewJournalTag()), Since: p.cfg.Now()},
		},
	)
}

// awaitRestore records that the hub has another generation of this machine's journal. Call awaitRestore only in the
// loop.
func (p *periodic) awaitRestore() {
	if p.model.journal.awaits || p.model.journal.restored {
		return
	}
	if err := p.cfg.Journal.Keep(map[string][]byte{FactAwaits: []byte("1")}); err != nil {
		p.cfg.Logger.Warn("facts not stored", "err", err)
		return // the next call tries again
	}
	p.model.journal.awaits = true
}
