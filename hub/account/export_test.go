package account

import (
	"context"
	"time"
)

// CountHashes makes the services call the function count whenever they hash a password. The argument of count is the
// parameters of the hash.
func (s *Services) CountHashes(count func(Argon)) {
	was := s.Passwords.hasher.derive
	s.Passwords.hasher.derive = func(p Argon, password, salt []byte) []byte { count(p); return was(p, password, salt) }
}

// SendDue does one round of Outbox.Run: it sends each mail that is due.
func (s *Services) SendDue(ctx context.Context) time.Duration { return s.Outbox.sendDue(ctx) }

// FillQueue fills the queue of password hashes, so that the next sign-in is refused, and returns a function that
// empties the queue.
func (s *Services) FillQueue() (free func()) {
	for range hashing + waiting {
		s.Passwords.hasher.queue.places <- struct{}{}
	}
	return func() {
		for range hashing + waiting {
			<-s.Passwords.hasher.queue.places
		}
	}
}

// Quick returns a copy of the SMTP sender s whose timeout for one mail is d.
func Quick(s Sender, d time.Duration) Sender { return smtpSender{s.(smtpSender).SMTP, d} }

// KeepLimits sets the maximum number of rows in the table of rate limits.
func (s *Services) KeepLimits(n int) { s.Passwords.limits.most = n }

// Unexported functions of this package that the tests call.
var (
	ParseHash     = func(s string) (string, error) { h, err := parseHash(s); return h.String(), err }
	CheckPassword = checkPassword
	Network       = clientNetwork
	Ungrouped     = parseTypedCode
	IsToken       = isToken
	ParseAddress  = parseAddress
)

const (
	Hashing = hashing
)
