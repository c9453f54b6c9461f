package directory

import (
	"time"

	"portillon/policy"
)

// Filter chooses members of a list. Empty fields choose everybody.
type Filter struct {
	Text    string // words of name, address, guardian's address, id or external id; all must be there
	Machine policy.MachineID
	Badge   policy.BadgeID
	State   string
}

// Page is a part of a list: what follows After, at most Limit (0: 50).
type Page struct {
	After string
	Limit int
}

// Import is a file with members.
type Import struct {
	Name    string
	Data    []byte
	Mapping map[string]string // header → field
	Source  string            // names the list that this is a state of; empty: "list"
}

// Preview is what an import would do.
type Preview struct {
	ID        string            `json:"id"`
	Format    string            `json:"format"`
	Columns   map[string]string `json:"columns,omitempty"`
	Ignored   []string          `json:"ignored,omitempty"`
	Added     []Row             `json:"added"`
	Changed   []Row             `json:"changed"`
	Gone      []Row             `json:"gone"`
	Unchanged int               `json:"unchanged"`
	Gains     []Right           `json:"gains"`
	Loses     []Right           `json:"loses"`
	Warnings  []string          `json:"warnings,omitempty"`
	Confirm   bool              `json:"confirm,omitempty"`
	Applied   bool              `json:"applied,omitempty"`
	Until     time.Time         `json:"until"`
}

// Row is a member in a preview.
type Row struct {
	Row    int             `json:"row,omitempty"`
	Member policy.MemberID `json:"member,omitempty"`
	Name   string          `json:"name"`
	Fields []string        `json:"fields,omitempty"`
}

// Right is what a member may do at a machine.
type Right struct {
	Member     policy.MemberID  `json:"member,omitempty"`
	Name       string           `json:"name"`
	Machine    policy.MachineID `json:"machine"`
	Role       string           `json:"role"`
	Supervised bool             `json:"supervised,omitempty"`
}
