package daemon

import (
	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// offers returns the buttons that the panel shows now, and the question to the person at the machine.
func (v *views) offers() ([]panel.Offer, *panel.Visitor) {
	var out []panel.Offer
	s, who := &v.model.state, v.model.currentMember()
	// Anybody may touch the following buttons.
	if s.Phase == session.EndingSoon && s.Current.Limits.Extend > 0 {
		out = append(out, panel.OfferExtend(s.Current.Limits.Extend))
	}
	if s.Phase == session.Maintenance && !s.Power.PoweredOff {
		out = append(out, panel.OfferPowerOff())
	}
	if who == "" {
		return out, nil
	}
	visitor := &panel.Visitor{
		Name: v.model.rules.name(who), At: v.model.presence.generation,
		Until: v.model.toWallTime(v.model.presence.since.Add(session.ChooseFor)),
	}
	// A question about a form or intervention that waits for this member precedes all other buttons.
	if u, waits := v.model.forms.oldestOf(who); waits {
		visitor.Question, visitor.Line = "confirm", panel.ConfirmQuestion(visitor.Name)
		return append(out, u.confirmOffers()...), visitor
	}
	if a, waits := v.model.attests.oldestOf(who); waits {
		visitor.Question, visitor.Line = "attest", panel.EndorseQuestion(visitor.Name, v.model.rules.name(a.by))
		return append(out, v.attestOffers(a)...), visitor
	}
	if who == s.Current.Member {
		for _, r := range s.Current.Others {
			out = append(out, panel.OfferRole(r))
		}
	}
	visitor.Report = v.model.presence.reporter == v.model.presence.generation
	mach, known := v.model.rules.machine()
	if !known {
		return out, visitor
	}
	if s.VouchRequest.Open && s.VouchRequest.Mentor == who && len(mach.Vouch) > 0 {
		learner := v.model.rules.name(s.VouchRequest.Learner)
		visitor.Question, visitor.Line = "vouch", panel.VouchQuestion(visitor.Name, learner)
		for _, x := range mach.Vouch {
			visitor.Items = append(visitor.Items, panel.Choice{ID: x.ID, Label: x.Name})
		}
		return out, visitor
	}
	return append(out, v.workOffers(who, mach, visitor)...), visitor
}

// workOffers returns the buttons of a member who does maintenance, or has just ended it. After the maintenance,
// workOffers also asks the visitor what was done.
func (v *views) workOffers(who policy.MemberID, mach *policy.Machine, visitor *panel.Visitor) []panel.Offer {
	w := v.model.work(who)
	if w.Session == "" {
		return nil
	}
	var out []panel.Offer
	if v.model.state.Phase == session.Maintenance {
		out = append(out, panel.OfferLog())
	} else {
		visitor.Question, visitor.Line = "log", panel.InterventionQuestion(v.model.rules.name(w.By))
		visitor.Items = v.model.rules.interventionKinds(mach)
	}
	if w.Endorser != who {
		return out
	}
	tags := v.model.state.Holds.Tags
	for _, t := range tags {
		if OriginOf(t.ID) != TagFromMaintenance {
			out = append(out, panel.OfferUntag(t.ID, v.reason(t)))
		}
	}
	if len(tags) == 0 {
		out = append(out, panel.OfferTag())
	}
	return out
}

// attestOffers returns the two buttons for an intervention that waits.
func (v *views) attestOffers(a toAttest) []panel.Offer {
	mach, _ := v.model.rules.machine()
	return []panel.Offer{panel.OfferAttest(a.id, mach.KindName(a.kind), a.minutes), panel.OfferDecline(a.id)}
}

// itemName returns the name of the item that was chosen in the form.
func (u unsignedForm) itemName() policy.Text {
	for _, c := range u.Items {
		if c.ID == u.entry.Item {
			return c.Label
		}
	}
	return policy.Text{FR: u.entry.Item, EN: u.entry.Item}
}

// confirmOffers returns the two buttons for a form that waits.
func (u unsignedForm) confirmOffers() []panel.Offer {
	minutes := 0
	if u.Do == panel.OpenLog {
		minutes = u.entry.Minutes
	}
	return []panel.Offer{panel.OfferConfirm(u.id, u.itemName(), minutes), panel.OfferDeny(u.id)}
}
