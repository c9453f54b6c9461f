// Package actor defines who uses the hub, and what each role may do. Services accept an Actor in every call and check
// its rights, so that a handler that forgets a check opens nothing. The zero Actor has no rights.
package actor

import (
	"fmt"
	"slices"

	"portillon/policy"
)

// Role is a role at the hub.
type Role string

// The roles, the most powerful first. A person assigns owner and administrator. Mentor and maintainer apply to one
// machine, and may follow from badges. Every member who signs in has the role member.
const (
	Owner         Role = "owner"
	Administrator Role = "administrator"
	Maintainer    Role = "maintainer"
	Mentor        Role = "mentor"
	Member        Role = "member"
)

// Actor is the account or program that makes a request.
type Actor struct {
	Account  string          // id of the account; "local": root on the hub's computer; empty: not signed in
	Name     string          // name in the audit log
	Member   policy.MemberID // id in the directory; empty: not a member
	Site     Role            // Owner, Administrator, Member, or empty
	Machines map[policy.MachineID]Role
	Scopes   []Act  // permitted acts of an API token; nil: not a token, all acts of the role
	Token    string // id of the API token; empty: none
	Request  string // id of the request, for the logs
	Address  string // client address, for throttling and the audit log
}

// Local returns the actor of root at the hub's command line.
func Local(name string) Actor { return Actor{Account: "local", Name: name, Site: Owner} }

// System returns the actor of the hub itself, for configured tasks: storing records, building the next bundle.
func System(what string) Actor { return Actor{Account: "hub", Name: what, Site: Owner} }

// Act is an act that needs a right. Acts returns all values.
type Act string

// The acts.
const (
	ReadMembers   Act = "members.read"   // names, states, badges, and cards without numbers, of all members
	WriteMembers  Act = "members.write"  // add, change, suspend, merge, import
	EraseMembers  Act = "members.erase"  // remove a person's data
	ReadNotes     Act = "members.notes"  // notes that only administrators see
	ReadOwn       Act = "own.read"       // the own record
	WriteCards    Act = "cards.write"    // assign, block, report lost
	WriteBadges   Act = "badges.write"   // add and remove badges of members
	ReadTaps      Act = "taps.read"      // the latest unknown taps
	ReadPolicy    Act = "policy.read"    // text, effect and versions
	PublishPolicy Act = "policy.publish" // upload, publish, restore a version
	ReadMachines  Act = "machines.read"  // states of machines, without their users
	ReadSessions  Act = "sessions.read"  // users of machines
	EnrolMachines Act = "machines.enrol" // codes, revocation, replacement
	TagMachine    Act = "machines.tag"   // take one machine out of service
	StopMachine   Act = "machines.stop"  // end the session of one machine
	ReadReports   Act = "reports.read"   // totals
	ReadNames     Act = "reports.names"  // reports with members' names
	ReadAudit     Act = "audit.read"
	WriteAccounts Act = "accounts.write" // accounts, roles, and other people's tokens
	WriteSettings Act = "settings.write"
	Backup        Act = "hub.backup"
)

// Target is the object of an act.
type Target struct {
	Machine policy.MachineID // empty: no machine, or all machines
	Member  policy.MemberID  // empty: no member, or all members
}

// Denied is the error of an act that an actor may not perform.
type Denied struct {
	Act    Act
	Actor  Actor
	Target Target
}

func (d *Denied) Error() string {
	if d.Actor.Account == "" {
		return fmt.Sprintf("%s: sign in first", d.Act)
	}
	return fmt.Sprintf("%s: %s may not do this", d.Act, d.Actor.Name)
}

// SignIn reports whether the actor is not signed in, so that signing in might help.
func (d *Denied) SignIn() bool { return d.Actor.Account == "" }

// May returns nil if the actor may perform the act, and *Denied otherwise.
func (a Actor) May(act Act, on Target) error {
	if a.Account != "" && a.allowed(act, on) && (a.Scopes == nil || slices.Contains(a.Scopes, act)) {
		return nil
	}
	return &Denied{Act: act, Actor: a, Target: on}
}

func (a Actor) allowed(act Act, on Target) bool {
	if ofSite(a.Site, act) {
		return true
	}
	if on.Member != "" && on.Member == a.Member && act == ReadOwn {
		return true
	}
	if on.Machine == "" {
		return slices.Contains(anyMachine[act], a.best())
	}
	return slices.Contains(ofMachine[act], a.Machines[on.Machine])
}

// best returns the most powerful role that the actor has at any machine.
func (a Actor) best() (best Role) {
	for _, r := range a.Machines {
		if r == Maintainer || best == "" {
			best = r
		}
	}
	return best
}

// ofSite reports whether a role at the site permits an act.
func ofSite(r Role, act Act) bool {
	switch r {
	case Owner:
		return slices.Contains(Acts(), act)
	case Administrator:
		return slices.Contains(Acts(), act) && act != WriteAccounts && act != Backup
	case Member:
		return act == ReadMachines
	}
	return false
}

// ofMachine lists the roles at a machine that permit an act at that machine.
var ofMachine = map[Act][]Role{
	ReadMachines: {Maintainer, Mentor},
	ReadSessions: {Maintainer, Mentor},
	TagMachine:   {Maintainer},
	StopMachine:  {Maintainer, Mentor},
	ReadReports:  {Maintainer, Mentor},
}

// anyMachine lists the roles at any machine that permit an act without a machine.
var anyMachine = map[Act][]Role{
	ReadMachines: {Maintainer, Mentor},
	ReadPolicy:   {Maintainer, Mentor},
}

// Acts returns all acts.
func Acts() []Act {
	return []Act{
		ReadMembers,
		WriteMembers,
		EraseMembers,
		ReadNotes,
		ReadOwn,
		WriteCards,
		WriteBadges,
		ReadTaps,
		ReadPolicy,
		PublishPolicy,
		ReadMachines,
		ReadSessions,
		EnrolMachines,
		TagMachine,
		StopMachine,
		ReadReports,
		ReadNames,
		ReadAudit,
		WriteAccounts,
		WriteSettings,
		Backup,
	}
}
