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

// Sender sends a mail and returns once the server has accepted it. A *Refused error is permanent; after any other error
// the mail is sent again. If ctx is done, the attempt ends.
type Sender interface {
	Send(ctx context.Context, m Mail) error
}

// Refused is the error of a mail that the server will never accept, for example because the address does not exist. The
// mail is dropped.
type Refused struct{ Err error }

// Error implements error.
func (e *Refused) Error() string { return "mail is refused for good: " + e.Err.Error() }

// Unwrap returns the answer of the mail server.
func (e *Refused) Unwrap() error { return e.Err }

const (
	maxOutbox  = 1000             // unsent mails
	firstRetry = 5 * time.Second  // wait after the first failed attempt, doubled after each further one
	lastRetry  = 2 * time.Minute  // the longest wait
	mailTime   = 30 * time.Second // timeout of one mail
)

// Outbox stores mails until it has sent them.
type Outbox struct {
	core   *core
	sender Sender        // nil: nothing is sent
	added  chan struct{} // buffer of one value: wakes Run
}

// enqueue adds a mail to the outbox in the caller's transaction, so that the mail is sent if and only if the
// transaction is committed. The outbox holds at most maxOutbox mails; a mail expires with the link in it (linkLife).
func (s *Outbox) enqueue(ctx context.Context, tx *store.Tx, m Mail) error {
	id, err := s.core.newID("o-")
	if err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM account_mail WHERE site = $1`).Scan(&n); err != nil {
		return err
	}
	if n >= maxOutbox {
		return fmt.Errorf("outbox holds %d mails that are not sent yet, at most %d", n, maxOutbox)
	}
	_, err = tx.Exec(ctx, `INSERT INTO account_mail (site, id, recipient, subject, body, tries, next, expires) VALUES ($1,
		$2, $3, $4, $5, 0, $6, $7)`,
		id, m.To, m.Subject, m.Body, s.core.now(), s.core.now()+linkLife.Milliseconds())
	if err != nil {
		return err
	}
	select { // if Run wakes before the commit, it looks again within a second
	case s.added <- struct{}{}:
	default:
	}
	return nil
}

// Run sends the mails of the outbox until ctx is done, and returns ctx.Err(). A mail is retried until it expires. It
// may arrive twice if the hub stops between sending the mail and recording that it was sent. Only one goroutine may
// call Run.
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
		m, err := s.next(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return firstRetry / 5
		}
		if err != nil {
			s.core.log.Error("outbox cannot be read", "err", err)
			return lastRetry
		}
		sctx, cancel := context.WithTimeout(ctx, mailTime)
		err = s.sender.Send(sctx, m.Mail)
		cancel()
		if ctx.Err() != nil {
			return firstRetry
		}
		if err := s.sent(ctx, m, err); err != nil {
			s.core.log.Error("outbox cannot be written", "err", err)
			return lastRetry
		}
	}
	return firstRetry
}

// next reads the mail that has been due for longest, and drops expired mails. The error is sql.ErrNoRows if no mail is
// due.
func (s *Outbox) next(ctx context.Context) (m pending, err error) {
	var expires int64
	for {
		err = s.core.site.QueryRow(ctx, `SELECT id, recipient, subject, body, tries, expires FROM account_mail
			WHERE site = $1 AND next <= $2
			ORDER BY next, id LIMIT 1`, s.core.now()).
			Scan(&m.id, &m.To, &m.Subject, &m.Body, &m.tries, &expires)
		if err != nil || s.core.now() < expires {
			return m, err
		}
		s.core.log.Warn("mail was not sent in time", "mail", m.id, "tries", m.tries)
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

// sent records the outcome of an attempt: it drops a mail that was sent or permanently refused, and postpones any other
// mail. The wait doubles from firstRetry to lastRetry.
func (s *Outbox) sent(ctx context.Context, m pending, failure error) error {
	var final *Refused
	if failure == nil || errors.As(failure, &final) {
		s.core.log.Info("mail done", "mail", m.id, "tries", m.tries+1, "err", failure)
		return s.drop(ctx, m.id)
	}
	wait := min(firstRetry<<min(m.tries, 10), lastRetry)
	s.core.log.Warn("mail is tried again", "mail", m.id, "tries", m.tries+1, "in", wait, "err", failure)
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE account_mail SET tries = tries + 1, next = $3 WHERE site = $1 AND id = $2`, m.id,
			s.core.now()+wait.Milliseconds())
		return err
	})
}

// printable replaces each unprintable character by a space, and cuts s at 200 bytes: a line feed in a subject would
// start a new header.
func printable(s string) string {
	out := []rune(shorten(s, 200))
	for i, r := range out {
		if !isPrintable(string(r)) {
			out[i] = ' '
		}
	}
	return string(out)
}
