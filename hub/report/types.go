// Package report counts the records in the ledger: sessions between two dates, hours by machine and week, refusals by
// reason.
//
//	ledger ─▶ Records ─▶ Update ─▶ report_uses, report_weeks, report_refusals ─▶ Uses, Weeks, Refusals
//
// Update counts the records that arrived since the previous update, journal by journal. It stores its position in each
// journal in the same transaction, so that each record counts exactly once, in whatever order the records of different
// journals arrive. Reports read only these sums.
//
// Days and weeks are those of the site's time zone. A session counts in the week of its start, and its seconds count in
// the weeks in which they passed. A record from an untrusted clock counts at the time that the record gives, and is
// marked. If the clock is trusted at the end of a session, the start is calculated from the end and the length.
//
// A session without an end is running, unless the machine has begun another session or another journal since. Then the
// session has ended at an unknown time: it has 0 seconds and the end "unknown".
//
// Members and names are included for actors who may see names, and machines for actors who may see their reports.
package report

import (
	"time"

	"portillon/policy"
)

// Range selects records from the start of the day From to the end of the day To, in the site's time zone.
type Range struct {
	From, To policy.Date
	Machine  policy.MachineID // empty: all machines
}

// Use is one session.
type Use struct {
	Machine policy.MachineID `json:"machine"`
	Member  policy.MemberID  `json:"member,omitempty"` // only for actors who may see names, like Name
	Name    string           `json:"name,omitempty"`
	Role    string           `json:"role"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to,omitzero"` // zero: the session is running
	Seconds int64            `json:"seconds"`
	End     string           `json:"end,omitempty"` // why the session ended: a wire.Cause, or "unknown"
	// Untrusted means that the machine's clock was untrusted: From may be wrong.
	Untrusted bool `json:"untrusted,omitempty"`
}

// Week is the use of one machine in one week.
type Week struct {
	Machine  policy.MachineID `json:"machine"`
	Monday   policy.Date      `json:"week"`
	Sessions int              `json:"sessions"`
	Members  int              `json:"members"`
	Seconds  int64            `json:"seconds"`
	// Untrusted is the number of sessions with an uncertain start time.
	Untrusted int `json:"untrusted,omitempty"`
}

// Refusals is the number of refusals of one machine for one reason.
type Refusals struct {
	Machine policy.MachineID `json:"machine"`
	Reason  string           `json:"reason"` // a code of policy/code.go
	Times   int              `json:"times"`
	Members int              `json:"members"`
	// Untrusted is the number of refusals with an uncertain time.
	Untrusted int `json:"untrusted,omitempty"`
}
