package daemon

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The journal stores facts under these names. Facts survive a restart.
const (
	FactTags     = "tags"      // present tags: []session.Tag
	FactRemoved  = "removed/"  // followed by the id of a removed tag, which the hub cannot add again
	FactHours    = "hours"     // running hours: session.Hours
	FactUnderWay = "under-way" // progress of the current session: UnderWay
	FactDone     = "done/"     // followed by the kind of maintenance; value: policy.Done
	FactPractice = "practice/" // followed by the member's pseudonym; value: policy.Practice
)

// factSet collects facts for one commit. The zero factSet is empty.
type factSet struct {
	values map[string][]byte // by fact name; nil removes a fact
	err    error             // errors of facts that could not be encoded; if not nil, nothing may be committed
}

// put adds a fact, encoded as JSON.
func (f *factSet) put(name string, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		f.err = errors.Join(f.err, fmt.Errorf("fact %s: %w", name, err))
		return
	}
	f.set(name, b)
}

// set adds a fact with this value; nil removes the fact.
func (f *factSet) set(name string, value []byte) {
	if f.values == nil {
		f.values = map[string][]byte{}
	}
	f.values[name] = value
}

const (
	// FactAwaits marks a new journal that has not yet been compared with the hub's copy of earlier journals.
	FactAwaits = "awaits-restore"
	// FactRestored marks a journal into which the hub's data were restored, which happens only once. The fact contains
	// the generations of the earlier journals, []wire.Generation.
	FactRestored = "restored"
	// tagNewDigits is the number of digits of a generation that distinguish the journals of a machine.
	tagNewDigits = 8
)

// UnderWay is the state of a session when it was last stored.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // zero: the clock was not trusted
}
