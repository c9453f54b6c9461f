package daemoncmd

import (
	"encoding/json"
	"strings"
	"time"

	"portillon/daemon"
	"portillon/daemon/journal"
	"portillon/daemon/roster"
	"portillon/daemon/session"
	"portillon/policy"
	"portillon/wire"
)

// endOpenSession records the end of a session that the previous daemon left open, with the part of the session's length
// that is known. If the journal rejects the record, the machine records it later (Owed).
func (l *localJournal) endOpenSession(zone *time.Location) ([]daemon.Owed, error) {
	left, open, err := l.journal.OpenSession()
	if err != nil || !open {
		return nil, err
	}
	cause := wire.CausePowerLost
	if left.SameBoot {
		cause = wire.CauseDaemonLost
	}
	l.log.Warn("ended the session that the previous daemon left open", "cause", cause)
	// The session lasted at least until its state was last stored (UnderWay), which first happens after a minute. Only
	// this known time is added to the member's practice. A session that was too short for its state to be stored still
	// uses up one session of a quota, so that a member cannot save it by pulling the plug.
	was, _ := l.readFacts() // ignore unreadable tags here, because compareTags handles them
	u := was.underWay
	if u.Session != left.Start.Session {
		u = daemon.UnderWay{}
		if left.Start.Clock.Believed() {
			u.At = left.Start.Wall
		}
	}
	if !u.At.IsZero() {
		u.At = u.At.In(zone)
	}
	e := journal.Entry{
		Kind:    wire.SessionEnd,
		Session: left.Start.Session,
		Member:  left.Start.Member,
		Body:    wire.EndBody{Cause: cause, Seconds: u.Seconds},
	}
	p := daemon.Practised(was.practice[e.Member], u.At, time.Duration(u.Seconds)*time.Second)
	p.Machine = policy.MachineID(l.c.Machine)
	if b, err := json.Marshal(p); err == nil {
		e.Facts = map[string][]byte{daemon.FactPractice + string(e.Member): b}
	}
	if _, err := l.journal.Append(e); err != nil {
		l.log.Error("journal append failed", "err", err)
		return []daemon.Owed{
			{Record: session.Record{Kind: e.Kind, Session: e.Session, Member: e.Member, Body: e.Body}, Practice: p},
		}, nil
	}
	return nil, nil
}

// recordStart records the daemon's start.
func (l *localJournal) recordStart(first *roster.Roster, refused error, mishaps []journal.Entry) error {
	notes := append([]journal.Entry{{Kind: wire.Booted, Body: wire.BootBody{Version: Version}}}, mishaps...)
	if refused != nil {
		l.log.Warn("bundle refused", "err", refused)
		notes = append(notes, journal.Entry{Kind: wire.BundleKept, Body: wire.BundleBody{Why: refused.Error()}})
	}
	if first != nil {
		notes = append(notes, journal.Entry{Kind: wire.BundleTaken, Body: wire.BundleBody{Version: first.Version}})
	}
	for _, n := range notes {
		if _, err := l.journal.Append(n); err != nil {
			// the disk may be full; in that case no session starts, and the panel shows the reason
			l.log.Error("journal append failed", "err", err)
		}
	}
	return nil
}

// facts contains the state that the previous daemon stored in the journal's facts.
type facts struct {
	tags     []session.Tag
	practice map[policy.MemberID]policy.Practice
	done     map[string]policy.Done
	ran      session.Hours
	underWay daemon.UnderWay
}

// readFacts reads the facts. If the tags are unreadable, readFacts returns an error; it leaves out other unreadable
// facts without an error.
func (l *localJournal) readFacts() (facts, error) {
	out := facts{practice: map[policy.MemberID]policy.Practice{}, done: map[string]policy.Done{}}
	all, err := l.journal.Facts("")
	if err != nil {
		return out, err
	}
	for key, value := range all {
		switch prefix, name, _ := strings.Cut(key, "/"); prefix + "/" {
		case daemon.FactTags + "/":
			if uerr := json.Unmarshal(value, &out.tags); uerr != nil {
				out.tags, err = nil, uerr
			}
		case daemon.FactHours + "/":
			json.Unmarshal(value, &out.ran)
		case daemon.FactUnderWay + "/":
			json.Unmarshal(value, &out.underWay)
		case daemon.FactPractice:
			// Set an empty value, because without a value the rules that need practice would refuse every member.
			if p := (policy.Practice{}); json.Unmarshal(value, &p) == nil {
				out.practice[policy.MemberID(name)] = p
			}
		case daemon.FactDone:
			if x := (policy.Done{}); json.Unmarshal(value, &x) == nil {
				out.done[name] = x
			}
		}
	}
	return out, err
}
