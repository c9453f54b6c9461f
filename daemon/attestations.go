package daemon

import (
	"slices"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// attestsMost bounds what waits: more interventions of two sessions than a small screen offers kinds (file.MaxItems).
const attestsMost = 32

// attestations are the interventions that wait for their endorsers.
type attestations struct {
	cfg     *Config
	waiting []toAttest
}

// toAttest is an intervention on record that waits for its endorser.
type toAttest struct {
	id           string // wire.InterventionBody.ID
	session      string
	by, endorser policy.MemberID
	kind         string
	minutes      int
	ends         time.Time
	asked        bool // the endorser's card was presented since
}

// add has an intervention that is on the disk now wait for its endorser.
func (a *attestations) add(r session.Record, b wire.InterventionBody) {
	if b.ID == "" || b.Attested || b.Endorser == "" || b.Endorser == r.Member {
		return
	}
	if len(a.waiting) >= attestsMost {
		a.cfg.Logger.Warn("endorser not asked: too many interventions wait", "kind", b.What, "member", r.Member)
		return
	}
	a.waiting = append(a.waiting, toAttest{
		id: b.ID, session: r.Session, by: r.Member, endorser: b.Endorser, kind: b.What, minutes: b.Minutes,
		ends: a.cfg.Now().Add(formLife),
	})
}

// expire drops what has waited for longer than formLife after the end of its session. Running is the session under way;
// empty: none is.
func (a *attestations) expire(running string) {
	now := a.cfg.Now()
	for i, x := range a.waiting {
		if running != "" && running == x.session {
			a.waiting[i].ends = now.Add(formLife)
		}
	}
	a.waiting = slices.DeleteFunc(a.waiting, func(x toAttest) bool {
		if now.Before(x.ends) {
			return false
		}
		a.cfg.Logger.Warn("intervention was not endorsed in time", "kind", x.kind, "member", x.by, "endorser", x.endorser)
		return true
	})
}

// oldestOf is the oldest intervention that waits for this member.
func (a *attestations) oldestOf(id policy.MemberID) (toAttest, bool) {
	now := a.cfg.Now()
	i := slices.IndexFunc(a.waiting, func(x toAttest) bool { return id != "" && x.endorser == id && now.Before(x.ends) })
	if i < 0 {
		return toAttest{}, false
	}
	return a.waiting[i], true
}

// ask reports whether this card is the endorser's first since something waits for them: it only asks them about it.
func (a *attestations) ask(id policy.MemberID) bool {
	first := false
	for i, x := range a.waiting {
		if x.endorser == id && !x.asked && a.cfg.Now().Before(x.ends) {
			a.waiting[i].asked, first = true, true
		}
	}
	return first
}

// find is the intervention of that id, where it waits for this member.
func (a *attestations) find(id string, who policy.MemberID) (toAttest, bool) {
	i := slices.IndexFunc(a.waiting, func(x toAttest) bool { return x.id == id && x.endorser == who })
	if i < 0 {
		return toAttest{}, false
	}
	return a.waiting[i], true
}

// remove removes an intervention that was confirmed or declined.
func (a *attestations) remove(id string) {
	a.waiting = slices.DeleteFunc(a.waiting, func(x toAttest) bool { return x.id == id })
}
