package enrol

import (
	"time"

	"portillon/policy"
)

// Held is whose data a machine has, as far as the hub knows.
type Held struct {
	Bundle  uint64            `json:"bundle"`
	At      time.Time         `json:"at,omitzero"`
	Members []policy.MemberID `json:"members"`
	CardKey bool              `json:"card_key"`
}
