package account

import "portillon/policy"

// Person is a member whom an address or a code may sign in.
type Person struct {
	ID       policy.MemberID `json:"id"`
	Name     string          `json:"name"`
	Language string          `json:"-"` // fr or en; empty: the site's
}
