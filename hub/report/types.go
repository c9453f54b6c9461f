// Package report counts the ledger's records: who used what between two dates, hours by machine and week, refusals by
// reason.
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
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name,omitempty"` // only for those who may see names
	Role    string           `json:"role"`
	From    time.Time        `json:"from"`
	To      time.Time        `json:"to,omitzero"` // zero: it runs
	Seconds int64            `json:"seconds"`
	End     string           `json:"end,omitempty"` // why it ended
}

// Week is the use of a machine in a week.
type Week struct {
	Machine  policy.MachineID `json:"machine"`
	Monday   policy.Date      `json:"week"`
	Sessions int              `json:"sessions"`
	Members  int              `json:"members"`
	Seconds  int64            `json:"seconds"`
}

// Refusals is how often a machine refused for a reason.
type Refusals struct {
	Machine policy.MachineID `json:"machine"`
	Reason  string           `json:"reason"` // the code of policy/code.go
	Times   int              `json:"times"`
	Members int              `json:"members"`
}
