// Package fault has the errors that the hub's services return for what the asker can mend. Handlers turn them into
// answers: NotFound 404, Conflict 412, Invalid 422. *actor.Denied is 401 or 403; every other error is the hub's own,
// 500.
package fault

import (
	"fmt"
	"strings"
)

// NotFound says that there is no such thing, or that the asker may not know of it.
type NotFound struct{ What, ID string }

func (e *NotFound) Error() string { return fmt.Sprintf("there is no %s %q", e.What, e.ID) }

// Conflict says that the thing was changed by somebody else since the asker read it.
type Conflict struct {
	What, ID  string
	Have, Got int64 // the version in force, and the one that the asker named
}

func (e *Conflict) Error() string {
	return fmt.Sprintf("%s %q was changed meanwhile: version %d is in force, the change is of version %d",
		e.What, e.ID, e.Have, e.Got)
}

// Invalid says which fields cannot be used, and why.
type Invalid struct{ Faults []Field }

// Field is one fault. Row is the line of an import, from 1; 0: the input has no lines.
type Field struct {
	Row   int    `json:"row,omitempty"`
	Code  string `json:"code,omitempty"` // of the sentence in messages.txt; set where faults are shown
	Field string `json:"field"`
	Given string `json:"given,omitempty"`
	Wrong string `json:"wrong"`
	Right string `json:"right,omitempty"` // what would be accepted
}

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = fmt.Sprintf("%s: %s", f.Field, f.Wrong)
	}
	return strings.Join(lines, "; ")
}
