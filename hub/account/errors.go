package account

import (
	"errors"
	"fmt"
	"time"
)

// What is answered to somebody who is not let in. None of them says whether an account exists.
var (
	// ErrWrong is a name, password or token that is not right: 401.
	ErrWrong = errors.New("name or password is wrong")
	// ErrCode is a code or link that is wrong, used, expired, or of another browser: 401.
	ErrCode = errors.New("code is wrong, was used, or has expired")
	// ErrNoMail says that this hub sends no e-mail.
	ErrNoMail = errors.New("the hub sends no e-mail: ask for a printed code")
	// ErrNoBrowser is an e-mail link that a program asks for: it could be used nowhere. 400.
	ErrNoBrowser = errors.New("e-mail links are for browsers: ask on the page to sign in")
	// ErrBoth is a request with a token and a session: 400.
	ErrBoth = errors.New("request has an API token and a session cookie, want one of them")
)

// Throttled refuses an attempt after too many wrong ones: 429. Wait is how long until the next attempt may be made; no
// limit lasts for ever.
type Throttled struct{ Wait time.Duration }

// Error implements error.
func (e *Throttled) Error() string {
	return fmt.Sprintf("too many attempts: try again in %d s", e.Seconds())
}

// Seconds is the wait in whole seconds, rounded up: the value of the header Retry-After.
func (e *Throttled) Seconds() int { return int((e.Wait + time.Second - 1) / time.Second) }

// Busy says that too many people sign in at this moment: 503, and they may try again in a second.
type Busy struct{}

// Error implements error.
func (*Busy) Error() string { return "too many people sign in at this moment: try again" }

// Choose says that an e-mail address belongs to several members: 409. The page asks the visitor which one they are.
type Choose struct{ Members []Person }

// Error implements error. It names none of the members.
func (e *Choose) Error() string {
	return fmt.Sprintf("address belongs to %d members: choose one", len(e.Members))
}
