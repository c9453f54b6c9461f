package daemon

import "encoding/json"

// The names of the facts that outlive the daemon, in the journal.
const (
	FactTags     = "tags"      // []session.Tag
	FactRemoved  = "removed/"  // and the id of a tag that was taken off; the hub cannot add it again
	FactHours    = "hours"     // session.Hours
	FactUnderWay = "under-way" // UnderWay
	FactDone     = "done/"     // and the kind of maintenance: policy.Done
	FactPractice = "practice/" // and the member's pseudonym: policy.Practice
)

// mustJSON marshals our own types, which always can be.
func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}
