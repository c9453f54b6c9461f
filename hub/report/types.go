// Package report counts the ledger's records: who used what between two dates, hours by machine and week, refusals by
// reason.
//
//	ledger ─▶ Records ─▶ Update ─▶ report_uses, report_weeks, report_refusals ─▶ Uses, Weeks, Refusals
//
// Update counts the records that are new since the last time, journal by journal, and notes in the same transaction how
// far it came: each record is counted once, in whatever order the journals' records arrive. A report reads the
// summaries alone.
//
// Days and weeks are those of the site's time zone. A session belongs to the week in which it began, its seconds to the
// weeks in which they passed. A record whose clock was not trusted counts at the time that it says, and is marked;
// where the clock is trusted when a session ends, the session's length tells when it began.
//
// A session without an end runs, unless its machine has begun another session or another journal since: then it is
// known to have ended, nobody knows when, and it has 0 seconds and the end "unknown".
//
// Members and their names are shown to those who may see names, and machines to those who may see their reports.
package report

import (
	"time"

	"portillon/policy"
)

// Range chooses records: from the start of the day From to the end of the day To, in the site's time zone.
type Range struct {
	From, To policy.Date
	Machine  policy.MachineID // empty: all
}

// Use is a session.
type Use struct {
	Machine policy.MachineID `json:"machine"`
	Member  policy.MemberID  `json:"member,omitempty"` // only for those who may see names, as Name
	Name    string           `json:"name,omitempty"`
	Role    string           `json:"role"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to,omitzero"` // zero: it runs
	Seconds int64            `json:"seconds"`
	End     string           `json:"end,omitempty"` // why it ended: a wire.Cause, or "unknown"
	// Untrusted says that the clock was not trusted: From may be wrong.
	Untrusted bool `json:"untrusted,omitempty"`
}

// Week is the use of a machine in a week.
type Week struct {
	Machine  policy.MachineID `json:"machine"`
	Monday   policy.Date      `json:"week"`
	Sessions int              `json:"sessions"`
	Members  int              `json:"members"`
	Seconds  int64            `json:"seconds"`
	// Untrusted is how many of the sessions began at a time that is not certain.
	Untrusted int `json:"untrusted,omitempty"`
}

// Refusals is how often a machine refused for a reason.
type Refusals struct {
	Machine policy.MachineID `json:"machine"`
	Reason  string           `json:"reason"` // the code of policy/code.go
	Times   int              `json:"times"`
	Members int              `json:"members"`
	// Untrusted is how many of the times are not certain.
	Untrusted int `json:"untrusted,omitempty"`
}
