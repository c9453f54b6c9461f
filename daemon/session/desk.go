package session

import (
	"slices"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// What people do at the panel. None of it switches a relay on.

// count adds the time since the last step to the machine's hours.
func (t *step) count() {
	if took := t.in.Now.Sub(t.counted); took > 0 && !t.counted.IsZero() {
		if t.Energised() {
			t.Ran.Relay += took
		}
		if t.Busy {
			t.Ran.Busy += took
		}
	}
	t.counted = t.in.Now
}

// ran is what a record says of the machine's hours.
func (t *step) ran() wire.Ran {
	if t.in.Settings.HasBusy {
		return wire.Ran{RanSeconds: int64(t.Ran.Busy / time.Second), RanBy: wire.RanByBusy}
	}
	return wire.Ran{RanSeconds: int64(t.Ran.Relay / time.Second), RanBy: wire.RanByRelay}
}

func (t *step) log(e Log) {
	by, endorser, session := e.By, e.Endorser, e.Session
	if session == "" {
		by, endorser, session = t.Member, t.Member, t.Session
		if t.Assistant != "" {
			by = t.Assistant
		}
	}
	if e.What == "" || by == "" || e.Session == "" && t.Phase != Maintenance {
		t.tell(Tell{Say: NotLogged})
		return
	}
	body := wire.InterventionBody{What: e.What, Endorser: endorser, Minutes: e.Minutes, Note: e.Note, Parts: e.Parts, Photo: e.Photo, Ran: t.ran()}
	switch {
	case by == endorser: // nobody confirms their own work
	case e.Attested:
		body.Attested = true
	default:
		body.ID = e.ID
	}
	t.record(Record{Kind: wire.Intervened, Session: session, Member: by, Body: body})
	t.tell(Tell{Say: Logged, Member: by, What: e.What})
}

// attest writes the endorser's word down. Whose it is, and that they stand at the machine, the corridor has judged.
func (t *step) attest(e Attest) {
	if e.By == "" || e.Session == "" || e.Intervention == "" {
		t.tell(Tell{Say: NotNow, Member: e.By})
		return
	}
	t.record(Record{Kind: wire.Attested, Session: e.Session, Member: e.By, Body: wire.AttestBody{Intervention: e.Intervention}})
	t.tell(Tell{Say: Attested, Member: e.By, What: e.What})
}

// extend makes a session that is about to end longer: by what its limits allow on top of what is left, and never past
// what a fresh decision leaves. Where it is idleness that ends it, the member is there: it counts anew.
func (t *step) extend(d policy.Decision) {
	before, worked, limit := t.Until, t.Worked, t.limit
	now := t.in.Now
	if ok := t.Phase == EndingSoon && t.Limits.Extend > 0 && d.Verdict == policy.Allow && d.Role == t.Role; ok {
		t.Worked = now
		if left := t.limit.Sub(now); !t.limit.IsZero() && left <= t.Limits.Warn {
			t.limit = now.Add(t.Limits.Extended(left, d.Limits.Most))
		}
	}
	at, _ := t.deadline()
	if !at.IsZero() && !at.After(before) || t.Phase != EndingSoon || t.limit == limit && t.Worked == worked {
		t.Worked, t.limit = worked, limit
		t.tell(Tell{Say: NotNow, Member: t.Member})
		return
	}
	t.Phase, t.Until = On, t.limit
	t.record(Record{Kind: wire.Extended, Session: t.Session, Member: t.Member, Body: wire.ExtendBody{Seconds: int64(at.Sub(now) / time.Second)}})
	t.tell(Tell{Say: Welcome, Member: t.Member})
}

// powerOff opens the relay under the maintainer's hand; their card ends the session, and the next one begins with the
// relay on.
func (t *step) powerOff(by policy.MemberID) {
	if t.Phase != Maintenance || t.Dark || by != t.Member {
		t.tell(Tell{Say: NotNow, Member: by})
		return
	}
	t.Dark, t.Others, t.opened = true, nil, t.in.Now
	t.do(Relay{})
	t.record(Record{Kind: wire.Powered, Session: t.Session, Member: by, Body: wire.PowerBody{}})
	t.tell(Tell{Say: Welcome, Member: by})
}

func (t *step) report(e Report) {
	if e.By == "" && e.Body.Claimed == "" || e.Body.What == "" {
		return
	}
	e.Body.Ran = t.ran()
	if e.By == "" { // unsigned: it is written down, it switches nothing, and nobody is thanked by name
		e.Body.Tag = ""
		t.record(Record{Kind: wire.Reported, Session: t.Session, Body: e.Body})
		return
	}
	if e.Tag.ID != "" {
		e.Body.Tag, e.Tag.By = e.Tag.ID, e.By
		t.addTag(AddTag{Tag: e.Tag, Now: e.Now})
	}
	t.record(Record{Kind: wire.Reported, Session: t.Session, Member: e.By, Body: e.Body})
	t.tell(Tell{Say: Thanked, Member: e.By, What: string(e.Body.What)})
}

// handOver has another mentor answer for the learner from now on; the first one may go.
func (t *step) handOver(e Tap) {
	t.acted(e.Member)
	from := t.Supervisor
	t.Supervisor = e.Member
	body := wire.HandOverBody{From: from, To: e.Member, Badges: e.Supervising.Badges, Accepted: fitAccepted(e.Supervising.Accepted)}
	body.Basis = fit(e.SupervisingBasis, body)
	t.record(Record{Kind: wire.HandedOver, Session: t.Session, Member: t.Member, Body: body})
	t.tell(Tell{Say: Welcome, Member: t.Member})
}

// praise has the mentor of the session under way asked what the learner did well, where the policy names what that may
// be.
func (t *step) praise(open bool) {
	if !t.in.Settings.Vouch || t.Supervisor == "" || t.Praise.Session == t.Session {
		return
	}
	t.Praise = Praise{Session: t.Session, Learner: t.Member, Mentor: t.Supervisor, Until: t.in.Now.Add(VouchFor), Open: open}
}

// praised takes the mentor's card, which was waited for, and reports whether it was that. It opens the choice again for
// a mentor whose minute at the panel has passed, and is no tap at the machine: only who is being asked, and taps all
// the same, means that.
func (t *step) praised(e Tap) bool {
	p := t.Praise
	if !t.in.Settings.Vouch || p.Mentor != e.Member || p.Mentor == "" || !t.in.Now.Before(p.Until) || slices.Contains(e.Decision.Codes(), policy.CardBlocked) {
		return false
	}
	if p.Open && e.Asked {
		t.Praise = Praise{}
		return false
	}
	t.acted(e.Member)
	if !p.Open {
		t.Praise.Open, t.Praise.Until = true, t.in.Now.Add(VouchFor)
	}
	t.tell(Tell{Say: Welcome, Member: e.Member})
	return true
}

func (t *step) vouch(e Vouch) {
	p := t.Praise
	if !p.Open || e.By != p.Mentor || !t.in.Now.Before(p.Until) || len(e.Skills) == 0 {
		t.tell(Tell{Say: NotNow, Member: e.By})
		return
	}
	t.Praise = Praise{}
	t.record(Record{Kind: wire.Vouched, Session: p.Session, Member: p.Learner, Body: wire.VouchBody{Mentor: p.Mentor, Skills: e.Skills}})
	t.tell(Tell{Say: Vouched, Member: p.Learner})
}
