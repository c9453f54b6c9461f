package actor

import (
	"testing"

	"portillon/policy"
)

func TestOnlyLeavesNoOtherRight(t *testing.T) {
	mentor := Actor{Account: "a", Name: "karim", Member: "m-karim", Site: Member, Token: "t",
		Machines: map[policy.MachineID]Role{"laser": Mentor}, Scopes: []Act{LeadTraining}}
	for _, c := range []struct {
		who     Actor
		act     Act
		allowed bool
	}{
		{mentor.Only(AwardBadges), AwardBadges, true},
		{mentor.Only(AwardBadges), WriteMembers, false},
		{mentor.Only(AwardBadges), LeadTraining, false},
		{mentor.Only(), AwardBadges, false},
		{Actor{}.Only(AwardBadges), AwardBadges, false}, // nobody is signed in
		{mentor.Only(Backup), Backup, false},            // owners alone make backups
	} {
		if err := c.who.May(c.act, Target{}); (err == nil) != c.allowed {
			t.Errorf("%s by %v: %v, want allowed %v", c.act, c.who.Scopes, err, c.allowed)
		}
	}
	if x := mentor.Only(AwardBadges); x.Name != "karim" || x.Member != "m-karim" || x.Token != "t" || x.Machines != nil {
		t.Errorf("the actor became %+v", x)
	}
	if mentor.Machines == nil || len(mentor.Scopes) != 1 {
		t.Errorf("the original actor was changed: %+v", mentor)
	}
}
