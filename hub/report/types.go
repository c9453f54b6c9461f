// Package report counts records in the ledger, and reports sessions between two dates, hours by machine and week, and
// refusals by reason.
//
//	ledger ─▶ Records ─▶ Update ─▶ report_uses, report_weeks, report_refusals ─▶ Uses, Weeks, Refusals
//
// Update counts the records that arrived since the previous update, journal by journal. The position in each journal is
// stored in the same transaction as the sums, so that each record counts exactly once, for any order in which the
// records of different journals arrive. Reports are read from the sums that Update stores, not from the ledger.
//
// Days and weeks begin at midnight in the site's time zone. A session is counted in the week of its start. Its seconds
// are counted in the weeks in which they passed. A record from an untrusted clock is counted at the time in the record,
// and the report marks it as untrusted. If the clock is trusted at the end of a session, the start is calculated from
// the end and the length.
//
// A session without a recorded end is running until the machine begins another session or another journal. A session
// that is no longer running but has no recorded end has 0 seconds and the cause "unknown".
//
// A report contains members and names only for actors who may see names. A report contains only machines whose reports
// the actor may see.
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

// Use is one session at a machine.
type Use struct {
	Machine policy.MachineID `json:"machine"`
	Member  policy.MemberID  `json:"member,omitempty"` // Member and Name are set only for actors who may see names
	Name    string           `json:"name,omitempty"`
	Role    string           `json:"role"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to,omitzero"` // zero: the session is running
	Seconds int64            `json:"seconds"`
	End     string           `json:"end,omitempty"` // reason why the session ended: a wire.Cause, or "unknown"
	// Untrusted means that the machine's clock was untrusted, so that From may be wrong.
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
	Reason  string           `json:"reason"` // reason of the refusals: a code of policy/code.go
	Times   int              `json:"times"`
	Members int              `json:"members"`
	// Untrusted is the number of refusals with an uncertain time.
	Untrusted int `json:"untrusted,omitempty"`
}
