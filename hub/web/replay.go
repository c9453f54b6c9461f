package web

import "portillon/hub/publish"

// SomeCauses returns the causes of changed records that the page shows.
func (policyPage) SomeCauses(list []publish.ReplayCause) []publish.ReplayCause {
	return list[:min(len(list), maxChanges)]
}

// RestCauses returns the number of causes that the page does not show.
func (policyPage) RestCauses(list []publish.ReplayCause) int { return max(0, len(list)-maxChanges) }

// SomePeople returns the members of changed records that the page shows.
func (policyPage) SomePeople(list []publish.ReplayPerson) []publish.ReplayPerson {
	return list[:min(len(list), maxChanges)]
}

// RestPeople returns the number of members that the page does not show.
func (policyPage) RestPeople(r publish.Replayed) int {
	return max(0, r.Members-min(len(r.People), maxChanges))
}
