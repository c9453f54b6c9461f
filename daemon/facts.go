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
	FactRemoved  = "removed/"  // key prefix; the id of a removed tag follows, so that the hub cannot add the tag again
	FactHours    = "hours"     // running hours: session.Hours
	FactUnderWay = "under-way" // progress of the current session, of type UnderWay
	FactDone     = "done/"     // key prefix; the kind of maintenance follows; the value is a policy.Done
	FactPractice = "practice/" // key prefix; the member's pseudonym follows; the value is a policy.Practice
)

// factSet collects facts for one commit. The zero factSet is empty.
type factSet struct {
	values map[string][]byte // values by the name of the fact; nil removes the fact
	err    error             // errors of facts that could not be encoded; if it is not nil, nothing may be committed
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

// set adds a fact with this encoded value; a nil value removes the fact.
func (f *factSet) set(name string, value []byte) {
	if f.values == nil {
		f.values = map[string][]byte{}
	}
	f.values[name] = value
}

const (
	// FactAwaits marks a new journal that has not yet been compared with the hub's copy of earlier journals.
	FactAwaits = "awaits-restore"
	// FactRestored marks a journal into which the hub's data were restored, which happens only once. The fact holds the
	// generations of the earlier journals, as []wire.Generation.
	FactRestored = "restored"
	// tagNewDigits is how many digits of a generation the tag of a new journal contains, which suffices to distinguish the
	// journals of a machine.
	tagNewDigits = 8
)

// UnderWay is the state of a session when it was last stored.
type UnderWay struct {
	Session string    `json:"session"`
	Seconds int64     `json:"seconds"`
	At      time.Time `json:"at"` // trusted time of the start; zero: the clock was not trusted
}
