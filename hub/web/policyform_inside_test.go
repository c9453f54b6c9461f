package web

// policyFormKeys returns the message keys that the form for changes of the policy composes.
func policyFormKeys() (keys []string) {
	for _, group := range ruleGroups {
		for _, r := range group.rules {
			label := ruleLabel(r)
			keys = append(keys, group.title, label, label+".hint")
		}
	}
	for _, d := range dayNames {
		keys = append(keys, "edit.day."+d, "edit.in."+d)
	}
	for _, k := range []string{"new-grant", "machine", "badge"} {
		keys = append(keys, "edit.part."+k, "edit."+k+".title")
	}
	return append(keys, "edit.part.grant", "edit.hours.title", "edit.badge", "edit.supervisor", "edit.supervisor.hint",
		"edit.id.machine", "edit.id.badge", "edit.in.ph", "edit.in.off")
}
