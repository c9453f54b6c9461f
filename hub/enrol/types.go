// Package enrol brings machines into a site over the network: one-time codes, the hub's certificate authority,
// certificates and their renewal, accounts at the broker, revocation and replacement.
//
// A machine joins in three steps.
//
//  1. An administrator creates a code (Codes.New). The code contains a hash of the hub's keys, and a secret.
//  2. The machine asks the hub for its keys, and compares them with the code before it sends anything.
//  3. The machine sends the secret and the public halves of its own keys (Listener). It gets a certificate, an account
//     at the broker, and the card key.
//
// Machines lists and revokes machines; Orders sends them orders. This package does not store the journals of machines.
//
// The hub refuses a code that is wrong, used, expired or tried too often, and a key whose private half the machine does
// not prove. A request without a certificate of this authority is refused too, except for the public routes. With an
// expired certificate a machine can only renew it, and a revoked machine can do nothing.
package enrol

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// Machine is a machine of the site: its enrolment, and the state that it last reported.
type Machine struct {
	ID      policy.MachineID `json:"id"`
	Version int64            `json:"version"`
	// Enrolled is zero for a machine that is only in hub.yaml or waits for its enrolment.
	Enrolled time.Time `json:"enrolled,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	Reason   string    `json:"revoked_reason,omitempty"`
	Key      string    `json:"key"`         // the public key of its checkpoints, name+hash+key
	KeyHash  string    `json:"fingerprint"` // SHA-256 of the key, first 16 hexadecimal digits
	Expires  time.Time `json:"certificate_expires,omitzero"`
	Standing Standing  `json:"standing"`

	Fetched   uint64    `json:"fetched_bundle,omitempty"` // the newest bundle that it fetched with its certificate
	FetchedAt time.Time `json:"fetched_at,omitzero"`
}

// Standing is the last known state of a machine.
type Standing struct {
	Online  bool      `json:"online"`
	Seen    time.Time `json:"seen,omitzero"` // time of its last message
	Phase   string    `json:"phase,omitempty"`
	Program string    `json:"program,omitempty"` // version of portillond
	Bundle  uint64    `json:"bundle"`            // version of the bundle that it uses
	Wanted  uint64    `json:"wanted_bundle"`     // version of the bundle in force at the hub
	Refused string    `json:"bundle_refused,omitempty"`
	Clock   string    `json:"clock,omitempty"` // trusted, untrusted
	Disk    string    `json:"disk,omitempty"`
	// Keys are the keys that the machine uses, and the free space of its disk; zero: its program does not report them.
	Keys wire.StateKeys `json:"keys,omitzero"`
	// HubKeys are the hub's keys, for comparison with Keys.
	HubKeys  wire.StateKeys `json:"hub_keys,omitzero"`
	Records  uint64         `json:"records"`                   // in its journal
	Held     uint64         `json:"held"`                      // of Records, those that the hub has
	RefuseOf string         `json:"records_refused,omitempty"` // why the hub refuses its records
	Session  *Session       `json:"session,omitempty"`         // nil for an actor without actor.ReadSessions
	Tags     []Tag          `json:"tags,omitempty"`
	Faults   []string       `json:"faults,omitempty"`
}

// Session is the current session of a machine.
type Session struct {
	Member policy.MemberID `json:"member"`
	Role   string          `json:"role"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until,omitzero"`
}

// Tag is a lock that a person put on a machine.
type Tag struct {
	ID     string    `json:"id"`
	By     string    `json:"by,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Code is a one-time code for a machine. Text is returned only once, when the code is created.
type Code struct {
	Machine policy.MachineID `json:"machine"`
	Text    string           `json:"code,omitempty"`
	Command string           `json:"command,omitempty"` // what to type on the machine's computer
	Expires time.Time        `json:"expires"`
	Replace bool             `json:"replace,omitempty"`
}
