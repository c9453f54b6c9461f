// Package fault defines the errors that the hub's services return for mistakes that the caller can correct. HTTP
// handlers convert the errors to a status: NotFound to 404, Conflict to 412, Invalid to 422, *actor.Denied to 401 or
// 403, and every other error to 500, an internal error.
package fault

import (
	"fmt"
	"strings"
)

// NotFound means that the object does not exist, or that the caller may not know about it.
type NotFound struct{ What, ID string }

func (e *NotFound) Error() string { return fmt.Sprintf("there is no %s %q", e.What, e.ID) }

// Conflict means that the object was changed after the caller read it.
type Conflict struct {
	What, ID  string
	Have, Got int64 // Have is the current version; Got is the version that the caller named
}

func (e *Conflict) Error() string {
	return fmt.Sprintf("%s %q was changed meanwhile: version %d is in force, the change is of version %d",
		e.What, e.ID, e.Have, e.Got)
}

// Invalid lists the fields with unusable values, and the reasons.
type Invalid struct{ Faults []Field }

// Field describes what is wrong with one field of the input. Row is the line of an imported file, from 1; 0: the
// input has no lines.
type Field struct {
	Row   int    `json:"row,omitempty"`
	Code  string `json:"code,omitempty"` // code of the sentence in messages.txt; set when faults are displayed
	Field string `json:"field"`
	Given string `json:"given,omitempty"`
	Wrong string `json:"wrong"`
	Right string `json:"right,omitempty"` // the expected form
}

func (e *Invalid) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = fmt.Sprintf("%s: %s", f.Field, f.Wrong)
	}
	return strings.Join(lines, "; ")
}
