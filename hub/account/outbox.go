package account

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"portillon/hub/store"
	"portillon/policy"
)

// Mail is a message to one recipient.
type Mail struct{ To, Subject, Body string }

// Sender sends a mail. A *Refused error is final; after any other the mail is tried again.
type Sender interface {
	Send(ctx context.Context, m Mail) error
}

// Refused is a mail that the server does not take, whenever it is tried.
type Refused struct{ Err error }

func (e *Refused) Error() string { return "mail is refused for good: " + e.Err.Error() }
func (e *Refused) Unwrap() error { return e.Err }

const (
	maxOutbox  = 1000
	firstRetry = 5 * time.Second
	lastRetry  = 2 * time.Minute
	mailTime   = 30 * time.Second // for one mail
)

// enqueue puts a mail into the outbox, in the transaction of what it is about.
func (s *Service) enqueue(ctx context.Context, tx *store.Tx, m Mail) error {
	id, err := s.newID("o-")
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
		id, m.To, m.Subject, m.Body, s.now(), s.now()+linkLife.Milliseconds())
	if err != nil {
		return err
	}
	select { // RunMail looks again in a second where this comes before the commit
	case s.mail <- struct{}{}:
	default:
	}
	return nil
}

// RunMail sends what is in the outbox until ctx ends. A mail is tried again until what it says has expired; it may
// arrive twice where the hub stops between sending and writing that it was sent.
func (s *Service) RunMail(ctx context.Context) error {
	if s.o.Mail == nil {
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
		case <-s.mail:
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

type pending struct {
	Mail
	id    string
	tries int64
}

// sendDue sends each mail that is due, once, and says when to look again.
func (s *Service) sendDue(ctx context.Context) time.Duration {
	for range maxOutbox {
		m, err := s.nextMail(ctx)
		if errors.Is(err, sql.ErrNoRows) {
			return firstRetry / 5
		}
		if err != nil {
			s.log.Error("outbox cannot be read", "err", err)
			return lastRetry
		}
		sctx, cancel := context.WithTimeout(ctx, mailTime)
		err = s.o.Mail.Send(sctx, m.Mail)
		cancel()
		if ctx.Err() != nil {
			return firstRetry
		}
		if err := s.sent(ctx, m, err); err != nil {
			s.log.Error("outbox cannot be written", "err", err)
			return lastRetry
		}
	}
	return firstRetry
}

// nextMail reads the mail that is due for longest, and drops those that have expired.
func (s *Service) nextMail(ctx context.Context) (m pending, err error) {
	var expires int64
	for {
		err = s.site.QueryRow(ctx, `SELECT id, recipient, subject, body, tries, expires FROM account_mail WHERE site = $1 AND
			next <= $2
			ORDER BY next, id LIMIT 1`, s.now()).Scan(&m.id, &m.To, &m.Subject, &m.Body, &m.tries, &expires)
		if err != nil || s.now() < expires {
			return m, err
		}
		s.log.Warn("mail was not sent in time", "mail", m.id, "tries", m.tries)
		if err := s.drop(ctx, m.id); err != nil {
			return m, err
		}
	}
}

func (s *Service) drop(ctx context.Context, id string) error {
	return s.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `DELETE FROM account_mail WHERE site = $1 AND id = $2`, id)
		return err
	})
}

// sent records the outcome of a try.
func (s *Service) sent(ctx context.Context, m pending, failure error) error {
	var final *Refused
	if failure == nil || errors.As(failure, &final) {
		s.log.Info("mail done", "mail", m.id, "tries", m.tries+1, "err", failure)
		return s.drop(ctx, m.id)
	}
	wait := min(firstRetry<<min(m.tries, 10), lastRetry)
	s.log.Warn("mail is tried again", "mail", m.id, "tries", m.tries+1, "in", wait, "err", failure)
	return s.site.Write(ctx, func(tx *store.Tx) error {
		_, err := tx.Exec(ctx, `UPDATE account_mail SET tries = tries + 1, next = $3 WHERE site = $1 AND id = $2`, m.id,
			s.now()+wait.Milliseconds())
		return err
	})
}

// linkMail is the mail with a link to sign in. It names nobody: it may go to a guardian, or be read by others.
func (s *Service) linkMail(to, code, language string) Mail {
	l := policy.English
	site := s.o.Settings()
	if language == "fr" || language == "" && site.Language == "fr" {
		l = policy.French
	}
	subject := policy.Text{FR: "Se connecter à %s", EN: "Sign in to %s"}.In(l)
	body := policy.Text{
		FR: "Quelqu’un a demandé à se connecter à %s avec cette adresse.\n\n" +
			"Ouvrez ce lien dans le navigateur où la demande a été faite, " +
			"puis appuyez sur le bouton « Se connecter » :\n\n%s\n\nLe lien marche une fois, pendant 15 minutes. " +
			"Si vous n’avez rien demandé, ignorez ce message.\n",
		EN: "Somebody asked to sign in to %s with this address.\n\nOpen this link in the browser where you asked, " +
			"then press the button “Sign in”:\n\n%s\n\nThe link works once, for 15 minutes. " +
			"If you did not ask for it, ignore this message.\n",
	}.In(l)
	title := printable(site.Title)
	if site.Contact != "" {
		body += "\n" + strings.ReplaceAll(printable(site.Contact), "%", "%%") + "\n"
	}
	return Mail{To: to, Subject: fmt.Sprintf(subject, title), Body: fmt.Sprintf(body, title, s.link(code))}
}

// printable replaces what is no printable character: a line feed in a subject would begin a header.
func printable(s string) string {
	out := []rune(shorten(s, 200))
	for i, r := range out {
		if !isPrintable(string(r)) {
			out[i] = ' '
		}
	}
	return string(out)
}
