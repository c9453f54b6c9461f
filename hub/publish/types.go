// Package publish builds the bundles of a site from the directory and the policy, and changes the policy: it checks a
// text, compares the text with the policy in force, signs the text, publishes the text, and returns to the previous
// policy.
//
//	Drafts ─▶ Policies ─▶ policies (row) ─▶ topic Policy ─┐
//	                       topic Directory ───────────────┴▶ Builder ─▶ Installer ─▶ bundles (row) ─▶ topic Bundle
//
// Each policy has a number, and each new number is higher than all earlier numbers. The policy in force is the newest
// signed policy. If the policy key is on another computer, a published policy comes into force only after it is signed.
//
// The Builder builds the next bundle whenever the directory or the policy changes. All changes during a build cause one
// further build. A bundle with unchanged content is installed only if the bundle in force would soon be stale. A build
// that fails changes nothing, and Bundle.Problem contains the reason.
//
// The package refuses a policy that has a fault, that fails one of its tests, or that allows what a rule of never:
// forbids. The package also refuses a policy that was written to replace a policy that is no longer in force. A
// signature is refused if it is for a different text, or if the signed number is not new.
package publish

import (
	"time"

	"portillon/policy"
)

// Policy is a version of the site's policy file.
type Policy struct {
	Number   int64     `json:"number"`         // each new policy has a higher number than all earlier policies
	Text     string    `json:"text,omitempty"` // empty in lists
	Comment  string    `json:"comment"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	SignedBy string    `json:"signed_by"` // name of the key that signed the policy
	InForce  bool      `json:"in_force"`
	// For a policy of Policies.Back, the number of the earlier policy with the same text.
	BackTo   int64 `json:"back_to,omitempty"`
	Unsigned bool  `json:"unsigned,omitempty"` // the policy waits for a signature from another computer
}

// Draft is the result of checking a policy text that is not in force.
type Draft struct {
	Faults []Fault `json:"faults"` // empty: the text can be published
	// Warnings are about rules that are valid but probably not intended.
	Warnings []Fault `json:"warnings,omitempty"`
	Effect   *Effect `json:"effect,omitempty"`
	// Replay is what the text would have answered to recorded taps; nil: the text cannot be parsed, equals the policy in
	// force, or the hub has no records.
	Replay *Replay `json:"replay,omitempty"`
	Same   bool    `json:"same,omitempty"` // the text is equivalent to the policy in force
}

// Fault is a fault of the text, with the fault's place.
type Fault struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Effect lists the rights that members gain and lose. Gains and Loses contain at most 2,000 changes each. Gains and
// Loses are empty for an actor who may not read the list of members.
type Effect struct {
	Gains   []Change `json:"gains"`
	Loses   []Change `json:"loses"`
	Gaining int      `json:"gaining"` // number of members who gain a right
	Losing  int      `json:"losing"`
	// Lines contains sentences about the differences between the two policies, without regard to members
	// (analysis.Compare).
	Lines  []string `json:"lines"`
	Faults []string `json:"warnings,omitempty"` // sentences about parts of the policies that could not be compared
}

// Change is one right that a member gains or loses.
type Change struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name,omitempty"`
	Machine policy.MachineID `json:"machine"`
	Role    string           `json:"role"`
	// Supervised is true if the member may use the right only with a mentor.
	Supervised bool `json:"supervised,omitempty"`
	// Conditions in words: with a mentor, and at certain times; empty: alone, at any time.
	Why string `json:"why,omitempty"`
}

// Bundle is a published bundle.
type Bundle struct {
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	Policy  int64     `json:"policy"`
	Members int       `json:"members"`
	Changed []string  `json:"changed"` // names of the bundle's chunks that are not in the previous bundle
	Bytes   int64     `json:"bytes"`   // size of the new chunks
	// Warnings lists omitted data with reasons. Warnings is empty for an actor who may not read the list of members.
	Warnings []string  `json:"warnings,omitempty"`
	Taken    []Taken   `json:"machines"`
	Expires  time.Time `json:"expires,omitzero"`
	// Making is the number of the policy in force while the policy's first bundle is being built, and Warnings is then
	// empty. If no first bundle is being built, Making is 0.
	Making int64 `json:"making,omitempty"`
	// SignatureWanted describes changes that take effect only after the policy key, which is on another computer, has
	// signed the policy again. SignatureWanted is nil if no change waits for a signature.
	SignatureWanted *Wanted `json:"signature_wanted,omitempty"`
	// Returned is the last time at which a machine returned a newer bundle than all bundles of this hub. If Returned is
	// set, the hub was restored from a backup, and changes since the backup must be repeated. Zero: never.
	Returned time.Time `json:"returned,omitzero"`
	// Problem is the reason why the newest build failed, and Since is the time at which builds began to fail. Problem
	// is empty if the newest build succeeded.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"problem_since,omitzero"`
}

// Wanted describes the changes that wait for a signature of the policy key.
type Wanted struct {
	Documents []string `json:"documents"` // URLs of issuers' documents that changed, at most 100
	Members   int      `json:"members"`   // number of members whose data changed
}

// Taken is a machine with the version of the bundle that the machine uses.
type Taken struct {
	Machine policy.MachineID `json:"machine"`
	Version uint64           `json:"version"`
	Refused string           `json:"refused,omitempty"`
}
