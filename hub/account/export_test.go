package account

import (
	"context"
	"time"
)

// CountHashes calls count whenever a password is hashed, with the parameters.
func (s *Service) CountHashes(count func(Argon)) {
	was := s.derive
	s.derive = func(p Argon, password, salt []byte) []byte { count(p); return was(p, password, salt) }
}

// SendDue is one round of RunMail.
func (s *Service) SendDue(ctx context.Context) time.Duration { return s.sendDue(ctx) }

// FillQueue takes every place of the queue of passwords.
func (s *Service) FillQueue() (free func()) {
	for range hashing + waiting {
		s.queue.places <- struct{}{}
	}
	return func() {
		for range hashing + waiting {
			<-s.queue.places
		}
	}
}

// Quick has an SMTP sender give up sooner.
func Quick(s Sender, d time.Duration) Sender { return smtpSender{s.(smtpSender).SMTP, d} }

// KeepLimits bounds the rows of limits.
func (s *Service) KeepLimits(n int) { s.maxLimits = n }

// What tests look at from outside.
var (
	ParseHash     = func(s string) (string, error) { h, err := parseHash(s); return h.String(), err }
	CheckPassword = checkPassword
	Network       = network
	Ungrouped     = ungrouped
	IsToken       = isToken
	ParseAddress  = parseAddress
)

const (
	Hashing = hashing
)
