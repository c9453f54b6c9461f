package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The names of the facts that outlive the daemon, in the journal.
const (
	FactTags     = "tags"      // []session.Tag
	FactRemoved  = "removed/"  // and the id of a tag that was taken off; the hub cannot add it again
	FactHours    = "hours"     // session.Hours
	FactUnderWay = "under-way" // UnderWay
	FactDone     = "done/"     // and the kind of maintenance: policy.Done
	FactPractice = "practice/" // and the member's pseudonym: policy.Practice
)

// factSet collects facts for one commit. The zero factSet is empty.
type factSet struct {
	values map[string][]byte // by the names above; nil removes a fact
	err    error             // the first fact that could not be written: nothing may be committed without it
}

// put adds a fact as JSON.
func (f *factSet) put(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		f.err = errors.Join(f.err, fmt.Errorf("fact %s: %w", name, err))
		return
	}
	f.set(name, b)
}

// set adds a fact as it is; nil removes it.
func (f *factSet) set(name string, value []byte) {
	if f.values == nil {
		f.values = map[string][]byte{}
	}
	f.values[name] = value
}

const (
	// FactAwaits marks a journal that began anew, and has not been compared with what the hub holds of the journals
	// before.
	FactAwaits = "awaits-restore"
	// FactRestored marks a journal that was given back what the hub knew: that happens once. It holds the generations of
	// the journals before, []wire.Generation.
	FactRestored = "restored"
	// tagNewDigits of a generation tell a machine's journals apart.
	tagNewDigits = 8
)

// UnderWay is how far a session had come when it was last looked at.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // zero: by a clock that nobody vouched for
}
