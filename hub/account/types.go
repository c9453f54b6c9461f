// Package account manages sign-in at the hub: accounts, passwords, e-mail links, printed codes, sessions, API tokens,
// roles, throttling and recovery. The package writes administrators' acts to the audit log.
package account

import (
	"time"

	"portillon/hub/actor"
	"portillon/hub/audit"
	"portillon/policy"
)

// Account is a person or program that can sign in.
type Account struct {
	ID       string                          `json:"id"`
	Version  int64                           `json:"version"`
	Name     string                          `json:"name"` // name for sign-in, often an e-mail address
	Member   policy.MemberID                 `json:"member,omitempty"`
	Site     actor.Role                      `json:"role,omitempty"` // owner, administrator, member
	Machines map[policy.MachineID]actor.Role `json:"machine_roles,omitempty"`
	Password bool                            `json:"has_password"`
	Made     time.Time                       `json:"made"`
	Seen     time.Time                       `json:"seen,omitzero"`
	Disabled bool                            `json:"disabled,omitempty"`

	// Machines contains the roles that a person assigned. Earned contains the roles that follow from the member's
	// badges.
	Earned map[policy.MachineID]actor.Role `json:"earned_roles,omitempty"`
}

// Session is a signed-in browser.
type Session struct {
	ID      string    `json:"id"` // public id of the session; nobody can derive the secret cookie from the id
	Made    time.Time `json:"made"`
	Seen    time.Time `json:"seen"`
	Address string    `json:"address"`
	Agent   string    `json:"agent"`
	Current bool      `json:"current,omitempty"`
}

// Token is an API token. Text, the secret token, is set only in the result of Tokens.Issue.
type Token struct {
	ID      string      `json:"id"`
	Name    string      `json:"name"`
	Scopes  []actor.Act `json:"scopes"`
	Made    time.Time   `json:"made"`
	Expires time.Time   `json:"expires"`
	Used    time.Time   `json:"used,omitzero"`
	Text    string      `json:"token,omitempty"`
}

// Entry is an entry of the audit log.
type Entry = audit.Entry

// OwnEntry is an entry of the audit log for the member whom the entry concerns.
type OwnEntry = audit.OwnEntry

// Page selects a part of a list. The part begins after the cursor After, or at the start of the list if After is empty.
// The part has at most Limit entries. Limit is at most 500, and 0 means 50.
type Page = audit.Page

// Printed is a code on paper, with which its member can sign in once.
type Printed struct {
	Member  policy.MemberID `json:"member"`
	Name    string          `json:"name"`
	Code    string          `json:"code"` // set only in the result of PrintedCodes.Print
	Expires time.Time       `json:"expires"`
}
