package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// What people do at the panel. None of it switches a relay on.

// count adds the time since the last step to the machine's hours.
func (r *Runtime) count(now time.Time, energised, busy bool) {
	if took := now.Sub(r.counted); took > 0 && !r.counted.IsZero() {
		if energised {
			r.Ran.Relay += took
		}
		if busy {
			r.Ran.Busy += took
		}
	}
	r.counted = now
}

// said is what a record says of the machine's hours.
func (r *Runtime) said(s Settings) wire.Ran {
	if s.HasBusy {
		return wire.Ran{RanSeconds: int64(r.Ran.Busy / time.Second), RanBy: wire.RanByBusy}
	}
	return wire.Ran{RanSeconds: int64(r.Ran.Relay / time.Second), RanBy: wire.RanByRelay}
}

func (e Log) apply(t *step) {
	by, endorser, session := e.By, e.Endorser, e.Session
	if session == "" {
		by, endorser, session = t.state.Current.Member, t.state.Current.Member, t.state.Current.Session
		if t.state.Current.Assistant != "" {
			by = t.state.Current.Assistant
		}
	}
	if e.What == "" || by == "" || e.Session == "" && t.state.Phase != Maintenance {
		t.notify(Notify{Notice: NotLogged})
		return
	}
	body := wire.InterventionBody{What: e.What, Endorser: endorser, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo, Ran: t.state.Runtime.said(t.in.Settings)}
	switch {
	case by == endorser: // nobody confirms their own work
	case e.Attested:
		body.Attested = true
	default:
		body.ID = e.ID
	}
	t.record(Record{Kind: wire.Intervened, Session: session, Member: by, Body: body})
	t.notify(Notify{Notice: Logged, Member: by, What: e.What})
}

// attest writes the endorser's word down. Whose it is, and that they stand at the machine, the corridor has judged.
func (e Attest) apply(t *step) {
	if e.By == "" || e.Session == "" || e.Intervention == "" {
		t.notify(Notify{Notice: NotNow, Member: e.By})
		return
	}
	t.record(Record{Kind: wire.Attested, Session: e.Session, Member: e.By, Body: wire.AttestBody{Intervention: e.Intervention}})
	t.notify(Notify{Notice: Attested, Member: e.By, What: e.What})
}

// extend makes a session that is about to end longer: by what its limits allow on top of what is left, and never past
// what a fresh decision leaves. Where it is idleness that ends it, the member is there: it counts anew.
func (e Extend) apply(t *step) {
	d := e.Decision
	before, worked, limit := t.state.Current.Until, t.state.Activity.Worked, t.state.Current.limit
	now := t.in.Now
	if ok := t.state.Phase == EndingSoon && t.state.Current.Limits.Extend > 0 && d.Verdict == policy.Allow && d.Role == t.state.Current.Role; ok {
		t.state.Activity.Worked = now
		if left := t.state.Current.limit.Sub(now); !t.state.Current.limit.IsZero() && left <= t.state.Current.Limits.Warn {
			t.state.Current.limit = now.Add(t.state.Current.Limits.Extended(left, d.Limits.Most))
		}
	}
	at, _ := t.deadline()
	if !at.IsZero() && !at.After(before) || t.state.Phase != EndingSoon || t.state.Current.limit == limit && t.state.Activity.Worked == worked {
		t.state.Activity.Worked, t.state.Current.limit = worked, limit
		t.notify(Notify{Notice: NotNow, Member: t.state.Current.Member})
		return
	}
	t.state.Phase, t.state.Current.Until = On, t.state.Current.limit
	t.record(Record{Kind: wire.Extended, Session: t.state.Current.Session, Member: t.state.Current.Member, Body: wire.ExtendBody{Seconds: int64(at.Sub(now) / time.Second)}})
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}

// powerOff opens the relay under the maintainer's hand; their card ends the session, and the next one begins with the
// relay on.
func (e PowerOff) apply(t *step) {
	by := e.By
	if t.state.Phase != Maintenance || t.state.Power.PoweredOff || by != t.state.Current.Member {
		t.notify(Notify{Notice: NotNow, Member: by})
		return
	}
	t.state.Power.PoweredOff, t.state.Current.Others, t.state.Power.opened = true, nil, t.in.Now
	t.do(Relay{})
	t.record(Record{Kind: wire.Powered, Session: t.state.Current.Session, Member: by, Body: wire.PowerBody{}})
	t.notify(Notify{Notice: Welcome, Member: by})
}

func (e Report) apply(t *step) {
	if e.By == "" && e.Body.Claimed == "" || e.Body.What == "" {
		return
	}
	e.Body.Ran = t.state.Runtime.said(t.in.Settings)
	if e.By == "" { // unsigned: it is written down, it switches nothing, and nobody is thanked by name
		e.Body.Tag = ""
		t.record(Record{Kind: wire.Reported, Session: t.state.Current.Session, Body: e.Body})
		return
	}
	if e.Tag.ID != "" {
		e.Body.Tag, e.Tag.By = e.Tag.ID, e.By
		AddTag{Tag: e.Tag, Now: e.Now}.apply(t)
	}
	t.record(Record{Kind: wire.Reported, Session: t.state.Current.Session, Member: e.By, Body: e.Body})
	t.notify(Notify{Notice: Thanked, Member: e.By, What: string(e.Body.What)})
}

// askVouch has the mentor of the session under way asked what the learner did well, where the policy names what that may
// be.
func (t *step) askVouch(open bool) {
	if !t.in.Settings.Vouch || t.state.Current.Supervisor == "" || t.state.VouchRequest.Session == t.state.Current.Session {
		return
	}
	t.state.VouchRequest = VouchRequest{Session: t.state.Current.Session, Learner: t.state.Current.Member, Mentor: t.state.Current.Supervisor, Until: t.in.Now.Add(VouchFor), Open: open}
}

// answersVouchRequest takes the mentor's card, which was waited for, and reports whether it was that. It opens the choice again for
// a mentor whose minute at the panel has passed, and is no tap at the machine: only who is being asked, and taps all
// the same, means that.
func (e Tap) answersVouchRequest(t *step) bool {
	p := t.state.VouchRequest
	if !t.in.Settings.Vouch || p.Mentor != e.Member || p.Mentor == "" || !t.in.Now.Before(p.Until) || slices.Contains(e.Decision.Codes(), policy.CardBlocked) {
		return false
	}
	if p.Open && e.Asked {
		t.state.VouchRequest = VouchRequest{}
		return false
	}
	t.state.recent.acted(e.Member, t.in.Now)
	if !p.Open {
		t.state.VouchRequest.Open, t.state.VouchRequest.Until = true, t.in.Now.Add(VouchFor)
	}
	t.notify(Notify{Notice: Welcome, Member: e.Member})
	return true
}

func (e Vouch) apply(t *step) {
	p := t.state.VouchRequest
	if !p.Open || e.By != p.Mentor || !t.in.Now.Before(p.Until) || len(e.Skills) == 0 {
		t.notify(Notify{Notice: NotNow, Member: e.By})
		return
	}
	t.state.VouchRequest = VouchRequest{}
	t.record(Record{Kind: wire.Vouched, Session: p.Session, Member: p.Learner, Body: wire.VouchBody{Mentor: p.Mentor, Skills: e.Skills}})
	t.notify(Notify{Notice: Vouched, Member: p.Learner})
}
