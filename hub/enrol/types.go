// Package enrol brings machines into a site over the network: one-time codes, the hub's certificate authority,
// certificates and their renewal, accounts at the broker, revocation and replacement.
//
// A machine joins in three steps.
//
//  1. An administrator creates a code (Codes.New). The code contains a hash of the hub's keys, and a secret.
//  2. The machine requests the hub's keys, and compares the keys with the hash in the code before it sends any data.
//  3. The machine sends the secret and its own public keys (Listener). The hub replies with a certificate, an account
//     at the broker, and the card key.
//
// Machines lists and revokes machines. Orders sends commands to machines. Package ledger, not this package, stores the
// journals of machines.
//
// The hub refuses a code that is wrong, used or expired, and a machine that has not signed its request with its private
// key. After too many wrong attempts all open codes stop working. Requests without a certificate of this authority are
// refused, except on the public routes. A machine with an expired certificate can only renew the certificate. All
// requests of a revoked machine are refused.
package enrol

import (
	"time"

	"portillon/policy"
	"portillon/wire"
)

// Machine describes the enrolment of a machine of the site, and the state that the machine last reported.
type Machine struct {
	ID      policy.MachineID `json:"id"`
	Version int64            `json:"version"`
	// Enrolled is the time of the enrolment, or zero for a machine that is only in hub.yaml or waits for its enrolment.
	Enrolled time.Time `json:"enrolled,omitzero"`
	Revoked  time.Time `json:"revoked,omitzero"`
	Reason   string    `json:"revoked_reason,omitempty"`
	Key      string    `json:"key"`         // public key of the machine's checkpoints, in the format name+hash+key
	KeyHash  string    `json:"fingerprint"` // first 16 hexadecimal digits of the SHA-256 of Key
	Expires  time.Time `json:"certificate_expires,omitzero"`
	Standing Standing  `json:"standing"`

	// Fetched is the newest bundle that the machine fetched with its certificate.
	Fetched   uint64    `json:"fetched_bundle,omitempty"`
	FetchedAt time.Time `json:"fetched_at,omitzero"`
}

// Standing is the last known state of a machine.
type Standing struct {
	Online  bool      `json:"online"`
	Seen    time.Time `json:"seen,omitzero"` // time of the machine's last message
	Phase   string    `json:"phase,omitempty"`
	Program string    `json:"program,omitempty"` // version of portillond
	Bundle  uint64    `json:"bundle"`            // version of the bundle that the machine uses now
	Wanted  uint64    `json:"wanted_bundle"`     // version of the bundle in force at the hub
	Refused string    `json:"bundle_refused,omitempty"`
	Clock   string    `json:"clock,omitempty"` // trusted, untrusted
	Disk    string    `json:"disk,omitempty"`
	// Keys contains the fingerprints of the keys that the machine uses, and the free space of its disk. An old program
	// of the machine does not report Keys.
	Keys wire.StateKeys `json:"keys,omitzero"`
	// HubKeys contains the fingerprints of the hub's keys, for comparison with Keys.
	HubKeys  wire.StateKeys `json:"hub_keys,omitzero"`
	Records  uint64         `json:"records"`                   // in its journal
	Held     uint64         `json:"held"`                      // number of the machine's Records that the hub has stored
	RefuseOf string         `json:"records_refused,omitempty"` // reason why the hub refuses the machine's records
	// current session; nil if the machine has none or the actor lacks actor.ReadSessions
	Session *Session `json:"session,omitempty"`
	Tags    []Tag    `json:"tags,omitempty"`
	Faults  []string `json:"faults,omitempty"`
}

// Session is the current session of a machine.
type Session struct {
	Member policy.MemberID `json:"member"`
	Role   string          `json:"role"`
	Since  time.Time       `json:"since"`
	Until  time.Time       `json:"until,omitzero"`
}

// Tag describes that a person has put a machine out of service.
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
	Command string           `json:"command,omitempty"` // command to type on the machine's computer
	Expires time.Time        `json:"expires"`
	Replace bool             `json:"replace,omitempty"`
}
