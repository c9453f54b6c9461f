package daemon

import (
	"slices"
	"time"

	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// maxAttestations is the largest number of interventions that wait for an endorser. Two sessions can log fewer
// interventions than this on a small screen, because each session logs at most file.MaxItems kinds.
const maxAttestations = 32

// attestations are the interventions that wait for their endorsers.
type attestations struct {
	cfg     *Config
	waiting []toAttest
}

// toAttest is a recorded intervention that waits for its endorser.
type toAttest struct {
	id           string // the intervention's id, as in wire.InterventionBody.ID
	session      string
	by, endorser policy.MemberID
	kind         string
	minutes      int
	ends         time.Time
	asked        bool // the endorser has presented their card since the intervention was logged
}

// add appends a recorded intervention to the list of those that wait for their endorser.
func (a *attestations) add(r session.Record, b wire.InterventionBody) {
	if b.ID == "" || b.Attested || b.Endorser == "" || b.Endorser == r.Member {
		return
	}
	if len(a.waiting) >= maxAttestations {
		a.cfg.Logger.Warn("intervention stays unendorsed: too many are waiting", "kind", b.What, "member", r.Member)
		return
	}
	a.waiting = append(a.waiting, toAttest{
		id: b.ID, session: r.Session, by: r.Member, endorser: b.Endorser, kind: b.What, minutes: b.Minutes,
		ends: a.cfg.Now().Add(formLife),
	})
}

// expire drops each waiting intervention once formLife has passed since the end of its session. running is the id of
// the current session, and is empty if no session is running.
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

// oldestOf returns the oldest intervention that waits for this endorser.
func (a *attestations) oldestOf(id policy.MemberID) (toAttest, bool) {
	now := a.cfg.Now()
	i := slices.IndexFunc(a.waiting, func(x toAttest) bool { return id != "" && x.endorser == id && now.Before(x.ends) })
	if i < 0 {
		return toAttest{}, false
	}
	return a.waiting[i], true
}

// opensQuestion reports whether this is the endorser's first tap since an intervention began to wait for them. Such a
// tap only makes the panel ask about the intervention, and starts no session.
func (a *attestations) opensQuestion(id policy.MemberID) bool {
	first := false
	for i, x := range a.waiting {
		if x.endorser == id && !x.asked && a.cfg.Now().Before(x.ends) {
			a.waiting[i].asked, first = true, true
		}
	}
	return first
}

// find returns the intervention with this id if the intervention waits for this endorser.
func (a *attestations) find(id string, who policy.MemberID) (toAttest, bool) {
	i := slices.IndexFunc(a.waiting, func(x toAttest) bool { return x.id == id && x.endorser == who })
	if i < 0 {
		return toAttest{}, false
	}
	return a.waiting[i], true
}

// remove deletes an intervention from the list after its endorser has confirmed or declined it.
func (a *attestations) remove(id string) {
	a.waiting = slices.DeleteFunc(a.waiting, func(x toAttest) bool { return x.id == id })
}
