package panel

import (
	"time"

	"portillon/policy"
)

// MembershipUntil returns the note for a member whose membership ends soon.
func (c Clock) MembershipUntil(last time.Time) policy.Text {
	d := c.day(last)
	return policy.Text{FR: "Adhésion jusqu’au " + d.FR, EN: "Membership until " + d.EN}
}

// MembershipOver returns the note for a member whose membership has ended but who may still use machines.
func (c Clock) MembershipOver(last, lastUse time.Time) policy.Text {
	d, use := c.day(last), c.day(lastUse)
	return policy.Text{FR: "Adhésion terminée le " + d.FR + " ; machines utilisables jusqu’au " + use.FR,
		EN: "Membership ended on " + d.EN + "; machines can be used until " + use.EN}
}

// MembershipLapsed returns the note for a member whose membership has ended and who keeps their role.
func (c Clock) MembershipLapsed(last time.Time) policy.Text {
	d := c.day(last)
	return policy.Text{FR: "Adhésion terminée le " + d.FR, EN: "Membership ended on " + d.EN}
}

// MembershipEnded returns the view that refuses a member because their membership has ended, with the member's name.
// The texts fact and next come from the policy.
func MembershipEnded(name string, fact, next policy.Text) View {
	if name != "" {
		fact = policy.Text{FR: name + " : " + lower(fact.FR), EN: name + ": " + lower(fact.EN)}
	}
	return Refused(policy.MembershipLapsed, fact, next)
}
