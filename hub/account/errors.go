package account

import (
	"errors"
	"fmt"
	"time"
)

// Errors for a refused sign-in. None of them reveals whether an account exists.
var (
	// ErrWrong means that a name, password or token is wrong: HTTP status 401.
	ErrWrong = errors.New("name or password is wrong")
	// ErrCode means that a code or link is wrong, used, expired, or bound to another browser: HTTP status 401.
	ErrCode = errors.New("code is wrong, was used, or has expired")
	// ErrNoMail means that this hub sends no e-mail.
	ErrNoMail = errors.New("the hub sends no e-mail: ask for a printed code")
	// ErrNoBrowser means that a program asked for an e-mail link, which only a browser could use: HTTP status 400.
	ErrNoBrowser = errors.New("e-mail links are for browsers: ask on the page to sign in")
	// ErrBoth means that a request has both a token and a session: HTTP status 400.
	ErrBoth = errors.New("request has an API token and a session cookie, want one of them")
)

// Throttled refuses an attempt after too many wrong attempts: HTTP status 429. Wait is the time until the next attempt
// is permitted; every limit is temporary.
type Throttled struct{ Wait time.Duration }

// Error implements error.
func (e *Throttled) Error() string {
	return fmt.Sprintf("too many attempts: try again in %d s", e.Seconds())
}

// Seconds returns the wait in whole seconds, rounded up, for the header Retry-After.
func (e *Throttled) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// Busy means that too many people are signing in at this moment: HTTP status 503, try again in a second.
type Busy struct{}

// Error implements error.
func (*Busy) Error() string { return "too many people sign in at this moment: try again" }

// Choose means that an e-mail address belongs to several members: HTTP status 409. The page asks the visitor to choose
// one of Members.
type Choose struct{ Members []Person }

// Error implements error. The message does not name the members.
func (e *Choose) Error() string {
	return fmt.Sprintf("address belongs to %d members: choose one", len(e.Members))
}
