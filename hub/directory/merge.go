package directory

import (
	"context"
	"fmt"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/policy"
)

// Merge merges two members that are the same person. Merge removes the member drop, and adds to the member keep the
// addresses, subjects, guardians, cards, badges and note that only drop has. The membership of keep lasts until the
// later end of the two, and keep is suspended if either member was suspended. The id of drop is never assigned again,
// because records contain the id. The actor needs actor.WriteMembers about all members. The error is *fault.NotFound
// if a member does not exist, and *fault.Invalid if the merged member exceeds a limit.
func (s *Members) Merge(ctx context.Context, a actor.Actor, keep, drop policy.MemberID) (Member, error) {
	if err := a.May(actor.WriteMembers, about("")); err != nil { // both members need the right, so check all
		return Member{}, err
	}
	if keep == drop {
		return Member{}, &fault.Invalid{Faults: []fault.Field{{Field: "drop", Given: string(drop),
			Wrong: "the member to merge is the member that stays",
			Right: "another member"}}}
	}
	err := s.core.write(ctx, a, actor.WriteMembers, func(c *change) (string, string, error) {
		k, err := loadOne(ctx, c, keep)
		if err != nil {
			return "", "", err
		}
		d, err := loadOne(ctx, c, drop)
		if err != nil {
			return "", "", err
		}
		// Move the data of this package first, then the data that other packages store about the removed member.
		if err := c.mergeInto(ctx, k, d); err != nil {
			return "", "", err
		}
		if s.mergeElsewhere != nil {
			if err := s.mergeElsewhere(ctx, c.Tx, a, keep, drop); err != nil {
				return "", "", err
			}
		}
		return auditName(keep), "merged with " + string(drop), nil
	})
	if err != nil {
		return Member{}, err
	}
	return s.core.read(ctx, a, keep)
}

// mergeInto moves the values, cards and badges of member d to member k, and removes d. If a value of the merged
// member is invalid, the error contains the fault.
func (c *change) mergeInto(ctx context.Context, k, d *record) error {
	k.Emails, k.Subjects = append(k.Emails, d.Emails...), append(k.Subjects, d.Subjects...)
	k.Guardians, k.files = append(k.Guardians, d.Guardians...), append(k.files, d.files...)
	k.Note = strings.TrimSpace(k.Note + "\n" + d.Note)
	k.Blocked, k.Gone = k.Blocked || d.Blocked, k.Gone && d.Gone
	if k.Until != (policy.Date{}) && k.Until.Before(d.Until) {
		k.Until = d.Until
	}
	if k.External == "" {
		k.External = d.External
	}
	faults := tidyMember(&k.Member)
	if n := len(k.Cards) + len(d.Cards); n > maxCards {
		faults = append(faults, fault.Field{Field: "cards", Wrong: fmt.Sprintf("both together have %d cards", n),
			Right: fmt.Sprintf("at most %d", maxCards)})
	}
	if len(faults) > 0 {
		return &fault.Invalid{Faults: faults}
	}
	// Place the moved cards and badges after the cards and badges of the member that stays.
	if _, err := c.Exec(ctx, `UPDATE card SET member = $2, place = place + $4 WHERE site = $1 AND member = $3`,
		string(k.ID), string(d.ID), 1_000_000); err != nil {
		return err
	}
	if _, err := c.Exec(ctx, `UPDATE badge SET member = $2, place = place + $4 WHERE site = $1 AND member = $3`,
		string(k.ID), string(d.ID), 1_000_000); err != nil {
		return err
	}
	if err := c.moveRequest(ctx, k.ID, d.ID); err != nil {
		return err
	}
	if _, err := c.removeMember(ctx, d, k.ID); err != nil {
		return err
	}
	return c.save(ctx, k)
}
