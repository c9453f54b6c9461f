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
// The package refuses a policy with a fault, with a test that fails, or that allows what a rule of never: forbids. It
// also refuses a policy that was written for another one than that in force, and a signature of another text or with a
// number that is not new.
package publish

import (
	"time"

	"portillon/policy"
)

// Policy is a version of the site's policy file.
type Policy struct {
	Number   int64     `json:"number"`         // only grows
	Text     string    `json:"text,omitempty"` // empty in lists
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
	// Warnings are rules that can be kept and that nobody means.
	Warnings []Fault `json:"warnings,omitempty"`
	Effect   *Effect `json:"effect,omitempty"`
	Same     bool    `json:"same,omitempty"` // it says what the one in force says
}

// Fault is a fault of the text, with its place.
type Fault struct {
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Effect is who gains and who loses what. Gains and Loses are empty to those who may not read the list of members; they
// hold at most 2,000 changes each.
type Effect struct {
	Gains   []Change `json:"gains"`
	Loses   []Change `json:"loses"`
	Gaining int      `json:"gaining"` // how many members gain something
	Losing  int      `json:"losing"`
	// the comparison of policies in words, of analysis.Compare, whoever the members are
	Lines  []string `json:"lines"`
	Faults []string `json:"warnings,omitempty"` // what could not be compared, and why
}

// Change is one right that a member gains or loses.
type Change struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name,omitempty"`
	Machine policy.MachineID `json:"machine"`
	Role    string           `json:"role"`
	// Supervised says that the right holds while a supervisor answers.
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
	Bytes   int64     `json:"bytes"`   // of those
	// what was left out, and why: only for those who may read the list of members
	Warnings []string  `json:"warnings,omitempty"`
	Taken    []Taken   `json:"machines"`
	Expires  time.Time `json:"expires,omitzero"`
	// Making is the number of the policy in force while no bundle of it was built yet: the next bundle is being made, and
	// what was said of the one before is not said any more. 0: the bundle is of the policy in force, or Problem says why
	// not.
	Making int64 `json:"making,omitempty"`
	// SignatureWanted is what counts only once the policy key, which is on another computer, has signed the policy again;
	// nil: nothing, or the hub signs by itself.
	SignatureWanted *Wanted `json:"signature_wanted,omitempty"`
	// Returned is when a machine returned a bundle that was newer than any known here: the hub was restored from a
	// backup, and what was changed after the backup is to be done again. Zero: never.
	Returned time.Time `json:"returned,omitzero"`
	// Problem is why the newest build failed, and Since from when on builds have failed; empty: the bundle in force is
	// made of the directory and the policy as they are.
	Problem string    `json:"problem,omitempty"`
	Since   time.Time `json:"problem_since,omitzero"`
}

// Wanted is what waits for a signature.
type Wanted struct {
	Documents []string `json:"documents"` // addresses of issuers' documents that changed, at most 100
	Members   int      `json:"members"`   // how many members have changed
}

// Taken says whether a machine works from the bundle in force.
type Taken struct {
	Machine policy.MachineID `json:"machine"`
	Version uint64           `json:"version"`
	Refused string           `json:"refused,omitempty"`
}
