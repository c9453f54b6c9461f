package account

import (
	"context"
	"time"
)

// CountHashes makes the services call count, with the hash parameters, whenever a password is hashed.
func (s *Services) CountHashes(count func(Argon)) {
	was := s.Passwords.hasher.derive
	s.Passwords.hasher.derive = func(p Argon, password, salt []byte) []byte { count(p); return was(p, password, salt) }
}

// SendDue sends the due mails once, as Outbox.Run does repeatedly.
func (s *Services) SendDue(ctx context.Context) time.Duration { return s.Outbox.sendDue(ctx) }

// FillQueue occupies every place of the queue of password hashes.
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

// Quick returns a copy of an SMTP sender with a shorter timeout.
func Quick(s Sender, d time.Duration) Sender { return smtpSender{s.(smtpSender).SMTP, d} }

// KeepLimits sets the maximum number of rows in the table of rate limits.
func (s *Services) KeepLimits(n int) { s.Passwords.limits.most = n }

// Unexported identifiers that tests need.
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
