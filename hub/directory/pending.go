// Package directory: the types below stand in directory.go, list.go and import.go of the service, and go with it.
package directory

import (
	"time"

	"portillon/policy"
)

// Import is a list of members: a CSV or an XLSX with a header, or members.yaml.
type Import struct {
	Name string // of the file: its ending says what it is, where the bytes do not
	Data []byte
	// Mapping says which field a column is, where its header does not: header → one of Fields, or "-" for none.
	Mapping map[string]string
	// Source names the list that this is a state of. Members that an import of the same source added, and that the list
	// does not have any more, are suspended until it has them again. Empty: "list".
	Source string
}

// Preview is what an import would do.
type Preview struct {
	ID        string            `json:"id"`
	Format    string            `json:"format"`            // csv, xlsx, members.yaml
	Columns   map[string]string `json:"columns,omitempty"` // header → field
	Ignored   []string          `json:"ignored,omitempty"` // headers of columns that are not read
	Added     []Row             `json:"added"`
	Changed   []Row             `json:"changed"`
	Gone      []Row             `json:"gone"` // they would be suspended
	Unchanged int               `json:"unchanged"`
	Gains     []Right           `json:"gains"`
	Loses     []Right           `json:"loses"`
	Warnings  []string          `json:"warnings,omitempty"`
	// Confirm says that more than 10 % of the source's members are gone: Apply refuses until Confirm was called.
	Confirm bool      `json:"confirm,omitempty"`
	Applied bool      `json:"applied,omitempty"`
	Until   time.Time `json:"until"` // when the preview is forgotten
}

// Row is a member in a preview.
type Row struct {
	Row    int             `json:"row,omitempty"` // of the file
	Member policy.MemberID `json:"member,omitempty"`
	Name   string          `json:"name"`
	Fields []string        `json:"fields,omitempty"` // that change
}

// Right is a role at a machine that a member gains or loses.
type Right struct {
	Member     policy.MemberID  `json:"member,omitempty"`
	Name       string           `json:"name"`
	Machine    policy.MachineID `json:"machine"`
	Role       string           `json:"role"`
	Supervised bool             `json:"supervised,omitempty"` // while a supervisor answers
}

// Page asks for a part of a list.
type Page struct {
	After string // the cursor that the page before gave; empty: from the beginning
	Limit int    // 0: 50; at most 500
}

// Filter says which members a list holds. An empty field lets all through.
type Filter struct {
	Text    string // words of name, address, guardian's address, id or external id; all must be there
	Machine policy.MachineID
	Badge   policy.BadgeID
	State   string // one of the states above
}

// The states that a list of members can be filtered by.
const (
	StateCurrent = "current" // neither suspended nor over
	StateEnding  = "ending"  // the membership ends within 30 days
	StateLapsed  = "lapsed"  // the membership is over, and the days of grace too
	StateBlocked = "blocked" // suspended, by a person or because an import did not list the member
	StateNoCard  = "no-card" // no card in use
	StateNoBadge = "no-badge"
)
