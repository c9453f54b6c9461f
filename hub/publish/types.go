// Package publish makes the bundles of a site from its directory and its policy, and changes the policy: check,
// effect, sign, publish, one step back.
package publish

import (
	"time"

	"portillon/policy"
)

// Policy is a version of the site's policy file.
type Policy struct {
	Number   int64     `json:"number"` // only grows
	Text     string    `json:"text"`
	Comment  string    `json:"comment"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	SignedBy string    `json:"signed_by"` // name of the key
	InForce  bool      `json:"in_force"`
	BackTo   int64     `json:"back_to,omitempty"`  // the number whose text this is again
	Unsigned bool      `json:"unsigned,omitempty"` // it waits for a signature made on a laptop
}

// Draft is what the hub finds about a policy text that is not in force.
type Draft struct {
	Faults []Fault `json:"faults"` // empty: it can be published
	Effect *Effect `json:"effect,omitempty"`
	Same   bool    `json:"same,omitempty"` // it says what the one in force says
}

// Fault is a fault of the text, with its place.
type Fault struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Effect is who gains and who loses what.
type Effect struct {
	Gains  []Change `json:"gains"`
	Loses  []Change `json:"loses"`
	Lines  []string `json:"lines"` // the comparison of policies in words, of policy.Compare, whoever the members are
	Faults []string `json:"warnings,omitempty"`
}

// Change is one right that a member gains or loses.
type Change struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name,omitempty"`
	Machine policy.MachineID `json:"machine"`
	Role    string           `json:"role"`
	Why     string           `json:"why,omitempty"`
}

// Bundle is a published bundle.
type Bundle struct {
	Version  uint64    `json:"version"`
	At       time.Time `json:"at"`
	Policy   int64     `json:"policy"`
	Members  int       `json:"members"`
	Changed  []string  `json:"changed"` // names of the chunks that are new
	Bytes    int64     `json:"bytes"`   // of those
	Warnings []string  `json:"warnings,omitempty"`
	Taken    []Taken   `json:"machines"`
}

// Taken says whether a machine works from the bundle in force.
type Taken struct {
	Machine policy.MachineID `json:"machine"`
	Version uint64           `json:"version"`
	Refused string           `json:"refused,omitempty"`
}
