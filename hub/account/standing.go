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

// rights says what an account may do at this moment, as the directory knows its member.
type rights struct {
	people People
	log    *slog.Logger
}

// standing is what the membership of an account's member opens. An account without a member needs none. An owner's
// account does not depend on the directory: only an owner ends it, and administrators write the directory.
func (s *rights) standing(ctx context.Context, x row) (Standing, error) {
	if x.Member == "" || x.Site == actor.Owner || s.people.Standing == nil {
		return Current, nil
	}
	return s.people.Standing(ctx, x.Member)
}

// isShut reports whether an account signs in to nothing: it is disabled, or its member is blocked or not in the
// directory. Sessions and tokens ask at each request, so that a change counts at once.
func (s *rights) isShut(ctx context.Context, x row) (bool, error) {
	if x.Disabled {
		return true, nil
	}
	of, err := s.standing(ctx, x)
	return of != Current && of != Lapsed, err
}

// actorOf is an account as services see it. A member whose membership has lapsed has no role but the one that a person
// gave for the whole site: their own record is left to them. What isShut says has been asked before.
func (s *rights) actorOf(ctx context.Context, x row) (actor.Actor, error) {
	v := visitorOf(ctx)
	a := actor.Actor{Account: x.ID, Name: x.Name, Member: x.Member, Request: v.request, Address: v.address}
	of, err := s.standing(ctx, x)
	if err != nil {
		return actor.Actor{}, err
	}
	if x.isTrusted() {
		a.Site = x.Site
	}
	if of != Current {
		return a, nil
	}
	if a.Site = x.Site; a.Site == "" && a.Member != "" {
		a.Site = actor.Member
	}
	a.Machines = s.earned(ctx, x.Member)
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

func (s *rights) memberExists(ctx context.Context, m policy.MemberID) error {
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

// earned are the roles that follow from a member's badges: mentor and maintainer of a machine, nothing else. Where they
// cannot be told, there are none.
func (s *rights) earned(ctx context.Context, m policy.MemberID) map[policy.MachineID]actor.Role {
	if m == "" || s.people.Roles == nil {
		return nil
	}
	roles, err := s.people.Roles(ctx, m)
	if err != nil {
		s.log.Warn("roles from badges cannot be told", "member", m, "err", err)
		return nil
	}
	roles = maps.Clone(roles)
	maps.DeleteFunc(roles, func(m policy.MachineID, r actor.Role) bool { return m == "" || !isMachineRole(r) })
	return roles
}

func isMachineRole(r actor.Role) bool { return r == actor.Mentor || r == actor.Maintainer }

// own reports whether an actor is the owner of an account, and there in person: a token does not change passwords,
// sessions and tokens of its owner.
func own(a actor.Actor, id string) bool {
	return a.Account != "" && a.Account == id && a.Token == "" && a.Scopes == nil
}

// mayAccount allows one's own account, and others to those who may write accounts.
func mayAccount(a actor.Actor, id string) error {
	if own(a, id) {
		return nil
	}
	return a.May(actor.WriteAccounts, actor.Target{})
}
