package account

import (
	"context"

	"portillon/hub/actor"
	"portillon/policy"
)

// standing is what the membership of an account's member opens. An account without a member needs none. An owner's
// account does not depend on the directory: only an owner ends it, and administrators write the directory.
func (s *Service) standing(ctx context.Context, x row) (Standing, error) {
	if x.Member == "" || x.Site == actor.Owner || s.o.People.Standing == nil {
		return Current, nil
	}
	return s.o.People.Standing(ctx, x.Member)
}

// isShut reports whether an account signs in to nothing: it is disabled, or its member is blocked or not in the
// directory. Sessions and tokens ask at each request, so that a change counts at once.
func (s *Service) isShut(ctx context.Context, x row) (bool, error) {
	if x.Disabled {
		return true, nil
	}
	of, err := s.standing(ctx, x)
	return of != Current && of != Lapsed, err
}

// actorOf is an account as services see it. A member whose membership has lapsed has no role but the one that a person
// gave for the whole site: their own record is left to them. What isShut says has been asked before.
func (s *Service) actorOf(ctx context.Context, x row) (actor.Actor, error) {
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
