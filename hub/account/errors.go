package account

import (
	"errors"
	"fmt"
	"time"
)

// Errors that the services return when they refuse a sign-in. No error reveals whether an account exists.
var (
	// ErrWrong means that a name, password or token is wrong: HTTP status 401.
	ErrWrong = errors.New("name, password or token is wrong")
	// ErrCode means that a code or link is wrong, used, expired, or bound to another browser: HTTP status 401.
	ErrCode = errors.New("code or link is wrong, was used before, or has expired")
	// ErrNoMail means that this hub sends no e-mail.
	ErrNoMail = errors.New("the hub sends no e-mail, ask for a printed code")
	// ErrNoBrowser means that a program without a browser session requested an e-mail link: HTTP status 400.
	ErrNoBrowser = errors.New("only a browser can use an e-mail link, request the link on the sign-in page")
	// ErrBoth means that a request has both a token and a session: HTTP status 400.
	ErrBoth = errors.New("request has both an API token and a session cookie, want only one of the two")
)

// Throttled is the error for an attempt after too many wrong attempts: HTTP status 429. Wait is the time until the next
// attempt is permitted.
type Throttled struct{ Wait time.Duration }

// Error implements error.
func (e *Throttled) Error() string {
	return fmt.Sprintf("too many attempts: try again in %d s", e.Seconds())
}

// Seconds returns the wait in whole seconds, rounded up, as the header Retry-After contains it.
func (e *Throttled) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// Busy means that too many people are signing in at this moment: HTTP status 503. The client may try again after a
// second.
type Busy struct{}

// Error implements error.
func (*Busy) Error() string { return "too many people sign in at this moment: try again" }

// Choose means that an e-mail address belongs to several members: HTTP status 409. The page asks the visitor to choose
// a member of the list Members.
type Choose struct{ Members []Person }

// Error implements error. The message does not name the members.
func (e *Choose) Error() string {
	return fmt.Sprintf("address belongs to %d members: choose one", len(e.Members))
}
