// Package publish makes the bundles of a site from its directory and its policy, and changes the policy: check a text,
// show its effect, sign it, publish it, return to the previous one.
//
//	Drafts ─▶ Policies ─▶ policies (row) ─▶ topic Policy ─┐
//	                       topic Directory ───────────────┴▶ Builder ─▶ Installer ─▶ bundles (row) ─▶ topic Bundle
//
// Each policy has a number; numbers only grow. The policy in force is the newest one that is signed. If the policy key
// is on another computer, a published policy waits for its signature, and changes nothing until then.
//
// The Builder builds the next bundle whenever the directory or the policy changes. All changes during a build lead to
// one more build. A bundle whose content equals that of the bundle in force is not installed, unless the bundle in
// force would soon be stale. A build that fails changes nothing; Bundle.Problem gives the reason.
//
// The package refuses a policy that has a fault, that fails one of its tests, or that allows what a rule of never:
// forbids. It also refuses a policy that was written to replace a policy which is not in force any more. A signature is
// refused if it is for a different text, or if its number is not new.
package publish

import (
	"time"

	"portillon/policy"
)

// Policy is a version of the site's policy file.
type Policy struct {
	Number   int64     `json:"number"`         // increases with each policy
	Text     string    `json:"text,omitempty"` // empty in lists
	Comment  string    `json:"comment"`
	By       string    `json:"by"`
	At       time.Time `json:"at"`
	SignedBy string    `json:"signed_by"` // name of the key that signed
	InForce  bool      `json:"in_force"`
	BackTo   int64     `json:"back_to,omitempty"`  // number of the earlier policy with the same text, after Policies.Back
	Unsigned bool      `json:"unsigned,omitempty"` // waits for a signature made on a laptop
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
	Same   bool    `json:"same,omitempty"` // equivalent to the policy in force
}

// Fault is a fault of the text, with its place.
type Fault struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Effect lists the rights that members gain and lose. Gains and Loses are empty for an actor who may not read the list
// of members; they hold at most 2,000 changes each.
type Effect struct {
	Gains   []Change `json:"gains"`
	Loses   []Change `json:"loses"`
	Gaining int      `json:"gaining"` // how many members gain a right
	Losing  int      `json:"losing"`
	// Lines describe the differences of the two policies in sentences (analysis.Compare), independently of the members.
	Lines  []string `json:"lines"`
	Faults []string `json:"warnings,omitempty"` // what could not be compared, and why
}

// Change is one right that a member gains or loses.
type Change struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name,omitempty"`
	Machine policy.MachineID `json:"machine"`
	Role    string           `json:"role"`
	// Supervised is true if the right holds only while a supervisor answers for the member.
	Supervised bool   `json:"supervised,omitempty"`
	Why        string `json:"why,omitempty"` // in words: with a mentor, and at which times; empty: alone, at any time
}

// Bundle is a published bundle.
type Bundle struct {
	Version uint64    `json:"version"`
	At      time.Time `json:"at"`
	Policy  int64     `json:"policy"`
	Members int       `json:"members"`
	Changed []string  `json:"changed"` // names of the chunks that are new
	Bytes   int64     `json:"bytes"`   // size of those chunks
	// Warnings name what was left out and why, only for an actor who may read the list of members.
	Warnings []string  `json:"warnings,omitempty"`
	Taken    []Taken   `json:"machines"`
	Expires  time.Time `json:"expires,omitzero"`
	// Making is the number of the policy in force while its first bundle is being built; the warnings of the previous
	// bundle are then left out. 0: the bundle is of the policy in force, or Problem has the reason why not.
	Making int64 `json:"making,omitempty"`
	// SignatureWanted are the changes that take effect only after the policy key, which is on another computer, has signed
	// the policy again; nil: there are none, or the hub signs policies itself.
	SignatureWanted *Wanted `json:"signature_wanted,omitempty"`
	// Returned is when a machine returned a bundle that was newer than any known here: the hub was restored from a backup,
	// and changes made after the backup must be repeated. Zero: never.
	Returned time.Time `json:"returned,omitzero"`
	// Problem is why the newest build failed, and Since is when builds began to fail; empty: the bundle in force is built
	// from the current directory and policy.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"problem_since,omitzero"`
}

// Wanted lists what waits for a signature.
type Wanted struct {
	Documents []string `json:"documents"` // addresses of issuers' documents that changed, at most 100
	Members   int      `json:"members"`   // number of members whose data changed
}

// Taken is a machine with the bundle that it uses.
type Taken struct {
	Machine policy.MachineID `json:"machine"`
	Version uint64           `json:"version"`
	Refused string           `json:"refused,omitempty"`
}
