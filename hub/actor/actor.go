// Package actor says who asks the hub for something, and what each role may do. Services take an Actor with every
// call and ask it by themselves, so that a check that a handler forgets opens nothing. The zero Actor may do nothing.
package actor

import (
	"fmt"
	"slices"

	"portillon/policy"
)

// Role is what somebody is at the hub.
type Role string

// The roles, the most powerful first. Owner and administrator are given by a person; mentor and maintainer are of one
// machine, and may follow from badges; everybody who signs in and is a member has the role member.
const (
	Owner         Role = "owner"
	Administrator Role = "administrator"
	Maintainer    Role = "maintainer"
	Mentor        Role = "mentor"
	Member        Role = "member"
)

// Actor is who asks.
type Actor struct {
	Account  string          // id of the account; "local" is root on the hub's computer; empty: nobody
	Name     string          // as the audit log shows it
	Member   policy.MemberID // who they are in the directory; empty: nobody
	Site     Role            // Owner, Administrator, Member, or empty
	Machines map[policy.MachineID]Role
	Scopes   []Act  // of an API token: at most these acts; nil: no token, all acts of the role
	Token    string // id of the API token; empty: none
	Request  string // id of the request, for the logs
	Address  string // from where, for throttling and the audit log
}

// Local is root at the hub's command line.
func Local(name string) Actor { return Actor{Account: "local", Name: name, Site: Owner} }

// System is the hub itself, doing what was set up by somebody: taking in records, building the next bundle.
func System(what string) Actor { return Actor{Account: "hub", Name: what, Site: Owner} }

// Act is something that can be asked of the hub. The list is closed.
type Act string

// The acts.
const (
	ReadMembers   Act = "members.read"   // names, states, badges, cards without numbers, of everybody
	WriteMembers  Act = "members.write"  // add, change, suspend, merge, import
	EraseMembers  Act = "members.erase"  // remove a person's data
	ReadNotes     Act = "members.notes"  // notes that only administrators see
	ReadOwn       Act = "own.read"       // the own record
	WriteCards    Act = "cards.write"    // assign, block, report lost
	WriteBadges   Act = "badges.write"   // add and remove badges of members
	ReadTaps      Act = "taps.read"      // last unknown taps
	ReadPolicy    Act = "policy.read"    // text, effect, versions
	PublishPolicy Act = "policy.publish" // upload, publish, go back
	ReadMachines  Act = "machines.read"  // how machines stand, without who is on them
	ReadSessions  Act = "sessions.read"  // who is on which machine
	EnrolMachines Act = "machines.enrol" // codes, revocation, replacement
	TagMachine    Act = "machines.tag"   // take one machine out of service
	StopMachine   Act = "machines.stop"  // end the session of one machine
	ReadReports   Act = "reports.read"   // totals
	ReadNames     Act = "reports.names"  // reports with members' names
	ReadAudit     Act = "audit.read"
	WriteAccounts Act = "accounts.write" // who signs in, roles, tokens of others
	WriteSettings Act = "settings.write"
	Backup        Act = "hub.backup"
)

// Target is what an act is about.
type Target struct {
	Machine policy.MachineID // empty: no machine, or all of them
	Member  policy.MemberID  // empty: nobody, or everybody
}

// Denied is an act that an actor may not do.
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

// SignIn reports whether signing in might help.
func (d *Denied) SignIn() bool { return d.Actor.Account == "" }

// May returns nil if the actor may do the act, and *Denied otherwise.
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

// best is the most powerful role that the actor has at any machine.
func (a Actor) best() (best Role) {
	for _, r := range a.Machines {
		if r == Maintainer || best == "" {
			best = r
		}
	}
	return best
}

// ofSite says what a role of the whole site may do.
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

// ofMachine says which roles of a machine may do an act at that machine.
var ofMachine = map[Act][]Role{
	ReadMachines: {Maintainer, Mentor},
	ReadSessions: {Maintainer, Mentor},
	TagMachine:   {Maintainer},
	StopMachine:  {Maintainer, Mentor},
	ReadReports:  {Maintainer, Mentor},
}

// anyMachine says which roles of some machine may do an act that is about no machine.
var anyMachine = map[Act][]Role{
	ReadMachines: {Maintainer, Mentor},
	ReadPolicy:   {Maintainer, Mentor},
}

// Acts are all acts.
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
