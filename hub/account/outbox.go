package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"portillon/hub/store"
)

// Mail is a message to one recipient.
type Mail struct{ To, Subject, Body string }

// Sender sends a mail and returns once the server has accepted the mail. A *Refused error is permanent. After any other
// error the outbox sends the mail again later. If ctx is done, the attempt ends.
type Sender interface {
	Send(ctx context.Context, m Mail) error
}

// Refused is the error that Send returns for a mail that the server will never accept, for example because the address
// does not exist. The outbox drops such a mail.
type Refused struct{ Err error }

// Error implements error.
func (e *Refused) Error() string { return "mail is refused for good: " + e.Err.Error() }

// Unwrap returns the error that contains the mail server's response.
func (e *Refused) Unwrap() error { return e.Err }

const (
	maxOutbox  = 1000             // unsent mails
	firstRetry = 5 * time.Second  // wait after the first failed attempt; each further failed attempt doubles the wait
	lastRetry  = 2 * time.Minute  // the longest wait
	mailTime   = 30 * time.Second // timeout for sending one mail
)

// Outbox stores mails until a Sender has sent them.
type Outbox struct {
	core   *core
	sender Sender        // nil: Run sends no mail
	added  chan struct{} // wakes Run; the channel has a buffer of one value
}

// enqueue adds a mail to the outbox in the caller's transaction, so that the mail is sent if and only if the
// transaction is committed. The outbox contains at most maxOutbox mails. A mail expires when the link in the mail
// expires (linkLife).
func (s *Outbox) enqueue(ctx context.Context, tx *store.Tx, m Mail) error {
	return s.enqueueFor(ctx, tx, m, linkLife)
}

// enqueueFor adds a mail as enqueue does. The mail expires after the time life.
func (s *Outbox) enqueueFor(ctx context.Context, tx *store.Tx, m Mail, life time.Duration) error {
	id, err := s.core.newID("o-")
	if err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM account_mail WHERE site = $1`).Scan(&n); err != nil {
		return err
	}
	if n >= maxOutbox {
		return fmt.Errorf("outbox is full: %d mails are not sent yet, at most %d are permitted", n, maxOutbox)
	}
	_, err = tx.Exec(ctx, `INSERT INTO account_mail (site, id, recipient, subject, body, tries, next, expires) VALUES ($1,
		$2, $3, $4, $5, 0, $6, $7)`,
		id, m.To, m.Subject, m.Body, s.core.now(), s.core.now()+life.Milliseconds())
	if err != nil {
		return err
	}
	// if Run wakes before the transaction commits, Run finds no mail, and reads the outbox again within a second
	select {
	case s.added <- struct{}{}:
	default:
	}
	return nil
}

// Run sends the mails of the outbox until ctx is done, and returns ctx.Err(). Run retries a mail until the mail
// expires. A recipient may get a mail twice if the hub stops after sending the mail and before recording the success.
// Only one goroutine may call Run.
func (s *Outbox) Run(ctx context.Context) error {
	if s.sender == nil {
		<-ctx.Done()
		return ctx.Err()
	}
	for {
		wait := s.sendDue(ctx)
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-s.added:
			t.Reset(time.Second / 10)
			select {
			case <-t.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		case <-t.C:
		}
	}
}

// pending is a mail in the outbox, with the number of attempts so far.
type pending struct {
	Mail
	id    string
	tries int64
}

// sendDue sends each due mail once, and returns how long to wait before the next round.
func (s *Outbox) sendDue(ctx context.Context) time.Duration {
	for range maxOutbox {
		m, err := s.nextDueMail(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return firstRetry / 5
		}
		if err != nil {
			s.core.log.Error("reading the outbox failed", "err", err)
			return lastRetry
		}
		sctx, cancel := context.WithTimeout(ctx, mailTime)
		err = s.sender.Send(sctx, m.Mail)
		cancel()
		if ctx.Err() != nil {
			return firstRetry
		}
		if err := s.recordAttempt(ctx, m, err); err != nil {
			s.core.log.Error("recording the result of a mail failed", "err", err)
			return lastRetry
		}
	}
	return firstRetry
}

// nextDueMail reads the mail that has been due for the longest time, and drops expired mails. The error is
// sql.ErrNoRows if no mail is due.
func (s *Outbox) nextDueMail(ctx context.Context) (m pending, err error) {
	var expires int64
	for {
		err = s.core.site.QueryRow(ctx, `SELECT id, recipient, subject, body, tries, expires FROM account_mail
			WHERE site = $1 AND next <= $2
			ORDER BY next, id LIMIT 1`, s.core.now()).
			Scan(&m.id, &m.To, &m.Subject, &m.Body, &m.tries, &expires)
		if err != nil || s.core.now() < expires {
			return m, err
		}
		s.core.log.Warn("mail expired before it was sent", "mail", m.id, "tries", m.tries)
		if err := s.drop(ctx, m.id); err != nil {
			return m, err
		}
	}
}

// drop removes a mail from the outbox.
func (s *Outbox) drop(ctx context.Context, id string) error {
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM account_mail WHERE site = $1 AND id = $2`, id)
		return err
	})
}

// recordAttempt records the result of an attempt to send a mail. A mail that was sent or permanently refused is
// dropped, and any other mail is postponed. The wait doubles from firstRetry to lastRetry.
func (s *Outbox) recordAttempt(ctx context.Context, m pending, failure error) error {
	var final *Refused
	if failure == nil || errors.As(failure, &final) {
		s.core.log.Info("mail done", "mail", m.id, "tries", m.tries+1, "err", failure)
		return s.drop(ctx, m.id)
	}
	wait := min(firstRetry<<min(m.tries, 10), lastRetry)
	s.core.log.Warn("mail was not sent and will be retried", "mail", m.id, "tries", m.tries+1, "in", wait, "err", failure)
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE account_mail SET tries = tries + 1, next = $3 WHERE site = $1 AND id = $2`, m.id,
			s.core.now()+wait.Milliseconds())
		return err
	})
}

// replaceUnprintable replaces each unprintable character by a space, because a line feed in a subject would start a new
// header. replaceUnprintable cuts s at 200 bytes.
func replaceUnprintable(s string) string {
	out := []rune(shorten(s, 200))
	for i, r := range out {
		if !isPrintable(string(r)) {
			out[i] = ' '
		}
	}
	return string(out)
}
