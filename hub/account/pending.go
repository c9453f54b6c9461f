package account

import (
	"time"

	"portillon/policy"
)

// Page is a part of a list: what follows After, at most Limit (0: 50).
type Page struct {
	After string
	Limit int
}

// Printed is a code on paper: it signs its member in, once.
type Printed struct {
	Member  policy.MemberID `json:"member"`
	Name    string          `json:"name"`
	Code    string          `json:"code"` // given once, when it is made
	Expires time.Time       `json:"expires"`
}
