package account

import (
	"context"
	"errors"
	"log/slog"
	"maps"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// rights determines the current rights of an account, from the account and from the directory's data about its member.
type rights struct {
	people People
	log    *slog.Logger
}

// standing returns the Standing of the member to whom an account belongs. An account without a member needs no
// membership. An owner's account does not depend on the directory, because an administrator, who may change the
// directory, could otherwise lock out an owner.
func (s *rights) standing(ctx context.Context, x row) (Standing, error) {
	if x.Member == "" || x.Site == actor.Owner || s.people.Standing == nil {
		return Current, nil
	}
	return s.people.Standing(ctx, x.Member)
}

// isShut reports whether an account is disabled, or its member is blocked or missing from the directory. An account for
// which isShut is true cannot sign in. Sessions and tokens call isShut at each request, so that a change takes effect
// at once.
func (s *rights) isShut(ctx context.Context, x row) (bool, error) {
	if x.Disabled {
		return true, nil
	}
	of, err := s.standing(ctx, x)
	return of != Current && of != Lapsed && of != Visitor, err
}

// actorOf returns the current actor of an account. The caller must first check the account with isShut. A member whose
// membership has lapsed keeps an assigned role owner or administrator. Without such a role, the member may read only
// their own record. A visitor may read only their own record, whatever role somebody assigned.
func (s *rights) actorOf(ctx context.Context, x row) (actor.Actor, error) {
	v := visitorOf(ctx)
	a := actor.Actor{Account: x.ID, Name: x.Name, Member: x.Member, Request: v.request, Address: v.address}
	of, err := s.standing(ctx, x)
	if err != nil {
		return actor.Actor{}, err
	}
	if x.isTrusted() && of != Visitor {
		a.Site = x.Site
	}
	if of != Current {
		return a, nil
	}
	if a.Site = x.Site; a.Site == "" && a.Member != "" {
		a.Site = actor.Member
	}
	// The result contains the roles that a person assigned and the roles from badges. Maintainer includes mentor.
	a.Machines = s.badgeRoles(ctx, x.Member)
	for m, r := range x.Machines {
		if r == actor.Maintainer || a.Machines[m] == "" {
			if a.Machines == nil {
				a.Machines = map[policy.MachineID]actor.Role{}
			}
			a.Machines[m] = r
		}
	}
	return a, nil
}

// requireMember returns *fault.Invalid if the directory has no member with this id. An empty id is valid, because an
// account may have no member.
func (s *rights) requireMember(ctx context.Context, m policy.MemberID) error {
	if m == "" || s.people.Member == nil {
		return nil
	}
	_, err := s.people.Member(ctx, m)
	if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
		return &fault.Invalid{Faults: []fault.Field{{Field: "member", Given: shorten(string(m), 60), Wrong: "no such member",
			Right: "the id of a member"}}}
	}
	return err
}

// badgeRoles returns the roles mentor and maintainer at machines that follow from a member's badges. If the directory
// returns an error, badgeRoles logs the error and returns no roles.
func (s *rights) badgeRoles(ctx context.Context, m policy.MemberID) map[policy.MachineID]actor.Role {
	if m == "" || s.people.Roles == nil {
		return nil
	}
	roles, err := s.people.Roles(ctx, m)
	if err != nil {
		s.log.Warn("reading the roles from a member's badges failed", "member", m, "err", err)
		return nil
	}
	roles = maps.Clone(roles)
	maps.DeleteFunc(roles, func(m policy.MachineID, r actor.Role) bool { return m == "" || !isMachineRole(r) })
	return roles
}

// isMachineRole reports whether a role is a role at a machine. All other roles are roles at the site.
func isMachineRole(r actor.Role) bool { return r == actor.Mentor || r == actor.Maintainer }

// isOwnSession reports whether an actor is signed in to the account id by a session. For an API token of the account
// the result is false, so that the token cannot change the account's password, sessions and tokens.
func isOwnSession(a actor.Actor, id string) bool {
	return a.Account != "" && a.Account == id && a.Token == "" && a.Scopes == nil
}

// checkAccess returns nil if the account is the actor's own account, or if the actor has actor.WriteAccounts. For any
// other account the error is *actor.Denied.
func checkAccess(a actor.Actor, id string) error {
	if isOwnSession(a, id) {
		return nil
	}
	return a.May(actor.WriteAccounts, actor.Target{})
}
