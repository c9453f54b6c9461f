// Package account keeps who signs in at the hub: accounts, passwords, e-mail links, printed codes, sessions, API
// tokens, roles, throttling and recovery; and the audit log of what administrators did.
package account

import (
	"time"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/policy"
)

// Account is somebody who can sign in.
type Account struct {
	ID       string                          `json:"id"`
	Version  int64                           `json:"version"`
	Name     string                          `json:"name"` // what they sign in with: an address or a name
	Member   policy.MemberID                 `json:"member,omitempty"`
	Site     actor.Role                      `json:"role,omitempty"` // owner, administrator, member
	Machines map[policy.MachineID]actor.Role `json:"machine_roles,omitempty"`
	Password bool                            `json:"has_password"`
	Made     time.Time                       `json:"made"`
	Seen     time.Time                       `json:"seen,omitzero"`
	Disabled bool                            `json:"disabled,omitempty"`

	// Earned are the roles at machines that follow from the member's badges. Machines are those that a person gave.
	Earned map[policy.MachineID]actor.Role `json:"earned_roles,omitempty"`
}

// Session is a browser that is signed in.
type Session struct {
	ID      string    `json:"id"` // not the cookie: a name for it
	Made    time.Time `json:"made"`
	Seen    time.Time `json:"seen"`
	Address string    `json:"address"`
	Agent   string    `json:"agent"`
	Current bool      `json:"current,omitempty"`
}

// Token is an API token. Text is given once, when it is made.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Scopes  []actor.Act `json:"scopes"`
	Made    time.Time   `json:"made"`
	Expires time.Time   `json:"expires"`
	Used    time.Time   `json:"used,omitzero"`
	Text    string      `json:"token,omitempty"`
}

// Entry is a line of the audit log.
type Entry = audit.Entry

// Page chooses part of a list: what follows After (empty: from the start), at most Limit (0: 50; at most 500).
type Page = audit.Page

// Printed is a code on paper: it signs its member in, once.
type Printed struct {
	Member  policy.MemberID `json:"member"`
	Name    string          `json:"name"`
	Code    string          `json:"code"` // given once, when it is made
	Expires time.Time       `json:"expires"`
}
