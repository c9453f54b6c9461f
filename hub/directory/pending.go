package directory

import "portillon/policy"

// Filter chooses members of a list. Empty fields choose everybody.
type Filter struct {
	Text    string // part of a name, an address or an external id
	Machine string
	Badge   string
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
	Mapping map[string]string
}

// Preview is what an import would change.
type Preview struct {
	ID      string   `json:"id"`
	Added   []string `json:"added"`
	Changed []string `json:"changed"`
	Gone    []string `json:"gone"`
	Same    int      `json:"same"`
	Gains   []Right  `json:"gains"`
	Loses   []Right  `json:"loses"`
}

// Right is what a member may do at a machine.
type Right struct {
	Member  policy.MemberID  `json:"member"`
	Name    string           `json:"name"`
	Machine policy.MachineID `json:"machine"`
	Role    string           `json:"role"`
}
