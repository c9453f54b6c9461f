// Package actor defines the users of the hub, their roles, and the acts that each role permits. Every service method
// takes an Actor and checks the actor's rights, so that a handler that forgets a check gives no access. The zero
// Actor has no rights.
package actor

import (
	"fmt"
	"slices"

	"portillon/policy"
)

// Role is a role at the hub.
type Role string

// These are all roles, from the most powerful to the least powerful. The roles owner and administrator are assigned
// by a person. Mentor and maintainer are roles at one machine, which a member may have because of a badge. Every
// member who signs in has the role member.
const (
	Owner         Role = "owner"
	Administrator Role = "administrator"
	Maintainer    Role = "maintainer"
	Mentor        Role = "mentor"
	Member        Role = "member"
)

// Actor is the account or program that makes a request.
type Actor struct {
	Account  string          // id of the account; "local" for root on the hub's computer; empty: not signed in
	Name     string          // name in the audit log
	Member   policy.MemberID // id of the actor's member in the directory; empty: the actor is not a member
	Site     Role            // Owner, Administrator, Member, or empty
	Machines map[policy.MachineID]Role
	Scopes   []Act  // acts that the API token permits; nil: there is no token, so all acts of the role are permitted
	Token    string // id of the API token; empty: no token
	Request  string // id of the HTTP request, for the logs
	Address  string // network address of the client, for rate limits and the audit log
}

// Local returns the actor of root at the hub's command line.
func Local(name string) Actor { return Actor{Account: "local", Name: name, Site: Owner} }

// System returns the actor for tasks that the hub performs by itself, such as storing records and building bundles.
func System(what string) Actor { return Actor{Account: "hub", Name: what, Site: Owner} }

// Act is an action at the hub that an actor may perform only with a right. The function Acts returns all values.
type Act string

// The acts.
const (
	ReadMembers   Act = "members.read"   // read names, states, badges, and cards without numbers, of all members
	WriteMembers  Act = "members.write"  // add, change, suspend, merge and import members
	EraseMembers  Act = "members.erase"  // remove a person's data
	ReadNotes     Act = "members.notes"  // read the notes that only administrators see
	ReadOwn       Act = "own.read"       // read one's own data as a member
	LoseOwnCard   Act = "own.cards"      // report one's own card as lost, which blocks the card
	ShowOwnBadge  Act = "own.badges"     // show one's own badge to everybody, or end this
	AskErasure    Act = "own.erasure"    // request the erasure of one's own data, and withdraw the request
	WriteCards    Act = "cards.write"    // assign cards, block cards, report cards as lost
	WriteBadges   Act = "badges.write"   // add and remove badges of members
	AwardBadges   Act = "badges.award"   // issue badges of the site to members, and revoke them
	LeadTraining  Act = "trainings.lead" // train people at one machine, and issue the badge for its users to them
	ReadTaps      Act = "taps.read"      // read the latest taps of unknown cards
	ReadPolicy    Act = "policy.read"    // read the policy's text, effect and versions
	PublishPolicy Act = "policy.publish" // upload, publish and restore a version of the policy
	ReadMachines  Act = "machines.read"  // read the states of machines, without their users
	ReadSessions  Act = "sessions.read"  // read who uses a machine
	EnrolMachines Act = "machines.enrol" // create enrolment codes, revoke and replace machines
	TagMachine    Act = "machines.tag"   // take one machine out of service
	StopMachine   Act = "machines.stop"  // end the session of one machine
	ReadReports   Act = "reports.read"   // read reports with totals only
	ReadNames     Act = "reports.names"  // read reports with members' names
	ReadAudit     Act = "audit.read"
	WriteAccounts Act = "accounts.write" // change accounts and roles, and revoke other people's tokens
	WriteSettings Act = "settings.write"
	Backup        Act = "hub.backup"
)

// Target is the machine or the member on which an act is performed.
type Target struct {
	Machine policy.MachineID // machine of the act; empty: the act concerns no single machine
	Member  policy.MemberID  // member of the act; empty: the act concerns no single member
}

// Denied is the error for an act that the actor may not perform.
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

// SignIn reports whether the act was denied to a client that is not signed in, so that signing in might help.
func (d *Denied) SignIn() bool { return d.Actor.Account == "" }

// May returns nil if the actor may perform the act, and *Denied otherwise.
func (a Actor) May(act Act, on Target) error {
	if a.Account != "" && a.allowed(act, on) && (a.Scopes == nil || slices.Contains(a.Scopes, act)) {
		return nil
	}
	return &Denied{Act: act, Actor: a, Target: on}
}

// Only returns the same actor with some rights and no others. A service that has checked a right uses Only to perform
// what this right includes: a mentor who may lead a training issues its badge without a right to issue badges.
func (a Actor) Only(acts ...Act) Actor {
	a.Site, a.Machines = Administrator, nil
	a.Scopes = append([]Act{}, acts...) // never nil, which would mean all rights
	return a
}

func (a Actor) allowed(act Act, on Target) bool {
	if ofSite(a.Site, act) {
		return true
	}
	if on.Member != "" && on.Member == a.Member && slices.Contains(ofOneself, act) {
		return true
	}
	if on.Machine == "" {
		return slices.Contains(anyMachine[act], a.best())
	}
	return slices.Contains(ofMachine[act], a.Machines[on.Machine])
}

// ofOneself lists the acts that every member may perform about the member's own data.
var ofOneself = []Act{ReadOwn, LoseOwnCard, ShowOwnBadge, AskErasure}

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

// ofMachine lists, for each act at a machine, the roles at that machine that permit the act.
var ofMachine = map[Act][]Role{
	ReadMachines: {Maintainer, Mentor},
	ReadSessions: {Maintainer, Mentor},
	TagMachine:   {Maintainer},
	StopMachine:  {Maintainer, Mentor},
	LeadTraining: {Mentor},
	ReadReports:  {Maintainer, Mentor},
}

// anyMachine lists, for each act that concerns no machine, the roles that permit the act if the actor has them at any
// machine.
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
		LoseOwnCard,
		ShowOwnBadge,
		AskErasure,
		WriteCards,
		WriteBadges,
		AwardBadges,
		LeadTraining,
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
