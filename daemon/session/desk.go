package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// This file contains the actions of people at the panel. None of these actions switches a relay on.

// addTime adds the time since the last step to the machine's running time.
func (r *Runtime) addTime(now time.Time, energised, busy bool) {
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

// recorded returns the machine's running time in the form that a record contains.
func (r *Runtime) recorded(s Settings) wire.Ran {
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
	body := wire.InterventionBody{
		What:     e.What,
		Endorser: endorser,
		Minutes:  e.Minutes,
		Note:     e.Note,
		Parts:    e.Parts,
		Photo:    e.Photo,
		Ran:      t.state.Runtime.recorded(t.in.Settings),
	}
	switch {
	case by == endorser: // a member must not confirm their own work
	case e.Attested:
		body.Attested = true
	default:
		body.ID = e.ID
	}
	t.record(Record{Kind: wire.Intervened, Session: session, Member: by, Body: body})
	t.notify(Notify{Notice: Logged, Member: by, What: e.What})
}

// apply records that the endorser has confirmed an intervention. The daemon has already checked who the endorser is,
// and that the endorser is at the machine.
func (e Attest) apply(t *step) {
	if e.By == "" || e.Session == "" || e.Intervention == "" {
		t.notify(Notify{Notice: NotNow, Member: e.By})
		return
	}
	t.record(
		Record{Kind: wire.Attested, Session: e.Session, Member: e.By, Body: wire.AttestBody{Intervention: e.Intervention}},
	)
	t.notify(Notify{Notice: Attested, Member: e.By, What: e.What})
}

// apply extends a session that is about to end. It adds the time that the policy's extension allows to the remaining
// time, but never goes beyond the limit of a fresh decision. If the session would end because the machine is idle, the
// request proves that the member is present, so the idle time starts again at zero.
func (e Extend) apply(t *step) {
	d := e.Decision
	before, worked, limit := t.state.Current.Until, t.state.Activity.Worked, t.state.Current.limit
	now := t.in.Now
	mayExtend := t.state.Phase == EndingSoon && t.state.Current.Limits.Extend > 0
	if mayExtend && d.Verdict == policy.Allow && d.Role == t.state.Current.Role {
		t.state.Activity.Worked = now
		if left := t.state.Current.limit.Sub(now); !t.state.Current.limit.IsZero() && left <= t.state.Current.Limits.Warn {
			t.state.Current.limit = now.Add(t.state.Current.Limits.Extended(left, d.Limits.Most))
		}
	}
	at, _ := t.deadline()
	isUnchanged := t.state.Current.limit == limit && t.state.Activity.Worked == worked
	if !at.IsZero() && !at.After(before) || t.state.Phase != EndingSoon || isUnchanged {
		t.state.Activity.Worked, t.state.Current.limit = worked, limit
		t.notify(Notify{Notice: NotNow, Member: t.state.Current.Member})
		return
	}
	t.state.Phase, t.state.Current.Until = On, t.state.Current.limit
	t.record(
		Record{
			Kind:    wire.Extended,
			Session: t.state.Current.Session,
			Member:  t.state.Current.Member,
			Body:    wire.ExtendBody{Seconds: int64(at.Sub(now) / time.Second)},
		},
	)
	t.notify(Notify{Notice: Welcome, Member: t.state.Current.Member})
}

// apply opens the relay while the maintainer works on the machine. The maintainer's card then ends the session, and the
// next session starts with the relay on.
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
	e.Body.Ran = t.state.Runtime.recorded(t.in.Settings)
	if e.By == "" { // an unsigned report is recorded, switches nothing, and the panel thanks nobody by name
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

// requestVouch asks the mentor of the current session which skills the learner showed, if the policy names skills to
// vouch for.
func (t *step) requestVouch(open bool) {
	if !t.in.Settings.Vouch || t.state.Current.Supervisor == "" ||
		t.state.VouchRequest.Session == t.state.Current.Session {
		return
	}
	c := &t.state.Current
	t.state.VouchRequest = VouchRequest{
		Session: c.Session, Learner: c.Member, Mentor: c.Supervisor, Until: t.in.Now.Add(VouchFor), Open: open,
	}
}

// answersVouchRequest reports whether the tap is by the mentor whose card the vouch request waits for. Such a tap
// answers the vouch request and has no other effect. If the mentor's minute at the panel has passed, the tap opens the
// choice of skills again. A tap that answers the request does not start a session. If a mentor taps again while the
// panel already asks them, they want to use the machine.
func (e Tap) answersVouchRequest(t *step) bool {
	p := t.state.VouchRequest
	isMentor := p.Mentor != "" && p.Mentor == e.Member && !slices.Contains(e.Decision.Codes(), policy.CardBlocked)
	if !t.in.Settings.Vouch || !isMentor || !t.in.Now.Before(p.Until) {
		return false
	}
	if p.Open && e.Asked {
		t.state.VouchRequest = VouchRequest{}
		return false
	}
	t.state.recent.addTap(e.Member, t.in.Now)
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
	t.record(
		Record{
			Kind:    wire.Vouched,
			Session: p.Session,
			Member:  p.Learner,
			Body:    wire.VouchBody{Mentor: p.Mentor, Skills: e.Skills},
		},
	)
	t.notify(Notify{Notice: Vouched, Member: p.Learner})
}
