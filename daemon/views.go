package daemon

import (
	"strings"

	"portillon/daemon/panel"
	"portillon/daemon/session"
	"portillon/policy"
)

// views computes what the panel, the hub and an operator read about the machine. views changes no state.
type views struct {
	cfg     *Config
	model   *model
	decider *decider
}

// reason returns the reason of a tag. If the machine added the tag itself, the reason is in both languages.
func (v *views) reason(t session.Tag) policy.Text {
	if kind, due := strings.CutPrefix(t.ID, duePrefix); due && t.By == "" {
		if mach, known := v.model.rules.machine(); known {
			return panel.MaintenanceTagReason(mach.KindName(kind))
		}
	}
	if t.ID == contactorTag && t.By == "" {
		return disagree
	}
	return policy.Text{FR: t.Reason, EN: t.Reason}
}

// disagree is the reason of the tag that a machine adds when its contactor did not follow an order.
var disagree = policy.Text{FR: "la commande et le contacteur ne concordent pas", EN: "command and contactor disagree"}

// noRosterView returns the view that explains why the machine has no members' list.
func (v *views) noRosterView() panel.View {
	switch {
	case v.model.links.bundleDamage() != "":
		return panel.DamagedList()
	case v.model.links.isVerifyingBundle():
		return panel.VerifyingList()
	}
	return panel.NoPolicy()
}
