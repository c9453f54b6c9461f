package account

import (
	"context"
	"errors"
	"fmt"
	"time"

	"portillon/hub/store"
	"portillon/policy"
)

const (
	addressCode     = 8 // length of a code in characters of 5 bits: each code may be tried a few times only
	addressCodeLife = 15 * time.Minute
)

// AddressCodes proves that a person reads the mail of an e-mail address: the hub mails a code, which the person
// tells the hub. Each code belongs to a subject, such as a visit, for which alone the code is valid.
type AddressCodes struct {
	core     *core
	limits   *throttle
	outbox   *Outbox
	settings func() Settings
}

// Sends reports whether the hub can mail codes.
func (s *AddressCodes) Sends() bool { return s.outbox.sender != nil }

// Mail mails a code for a subject to an address, in the language fr or en; empty: the site's language. Earlier
// codes of the subject become invalid. The error is ErrNoMail, *fault.Invalid for an invalid address, or *Throttled
// if the client's network address or the recipient has too many mails.
func (s *AddressCodes) Mail(ctx context.Context, subject, address, language string) error {
	if !s.Sends() {
		return ErrNoMail
	}
	to, err := parseAddress(address)
	if err != nil {
		return err
	}
	code, err := s.core.newCode(addressCode)
	if err != nil {
		return err
	}
	r := rates()
	limits := []limit{{r.mailFrom, clientNetwork(visitorOf(ctx).address)}, {r.mailTo, to}}
	if err := s.limits.check(ctx, s.core.site, limits...); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		if err := s.limits.spendIn(ctx, tx, limits...); err != nil {
			return err
		}
		if err := forgetAddressCodes(ctx, tx, subject); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
			VALUES ($1, $2, 'address', $3, '', $4, $5, $6)`, hashOfAddressCode(subject, code), subject, to, []byte{},
			s.core.now()+addressCodeLife.Milliseconds())
		if err != nil {
			return err
		}
		return s.outbox.enqueueFor(ctx, tx, s.newCodeMail(to, groupCode(code), language), addressCodeLife)
	})
}

// Count counts a request of a client that is not signed in, such as a visitor who brings a badge. The error is
// *Throttled after too many requests of the client's network address.
func (s *AddressCodes) Count(ctx context.Context) error {
	return s.limits.spend(ctx, limit{rates().arrival, clientNetwork(visitorOf(ctx).address)})
}

// forgetAddressCodes removes the codes of a subject.
func forgetAddressCodes(ctx context.Context, tx *store.Tx, subject string) error {
	_, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND kind = 'address' AND account = $2`, subject)
	return err
}

// hashOfAddressCode returns the hash that the database stores of a code. The hash contains the subject, so that two
// subjects may have the same code.
func hashOfAddressCode(subject, code string) []byte { return hashOf(subject + "\x00" + code) }

// Prove returns nil if the code was mailed to the address for the subject within the last 15 minutes. Each code
// works once. The error is ErrCode, or *Throttled after a few wrong codes for the subject or from the client's
// network address.
func (s *AddressCodes) Prove(ctx context.Context, subject, address, code string) error {
	to, err := parseAddress(address)
	if err != nil {
		return err
	}
	limits := []limit{s.limits.guessLimit(ctx), {rates().subject, subject}}
	if err := s.limits.spend(ctx, limits...); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'address'
			AND account = $3 AND address = $4 AND expires > $5`,
			hashOfAddressCode(subject, parseTypedCode(code)), subject, to, s.core.now())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrCode, err)
		}
		return s.limits.refund(ctx, tx, limits...)
	})
}

// newCodeMail returns the message with a code.
func (s *AddressCodes) newCodeMail(to, code, language string) Mail {
	l := policy.English
	site := s.settings()
	if language == "fr" || language == "" && site.Language == "fr" {
		l = policy.French
	}
	subject := policy.Text{FR: "Votre code pour %s : %s", EN: "Your code for %s: %s"}.In(l)
	body := policy.Text{
		FR: "Voici le code de votre visite à %s :\n\n    %s\n\nDonnez ce code à l’accueil, ou saisissez-le sur la page " +
			"où vous avez déposé votre badge. Il marche une fois, pendant 15 minutes. Si vous n’avez rien demandé, " +
			"ignorez ce message et ne donnez le code à personne.\n",
		EN: "This is the code for your visit to %s:\n\n    %s\n\nTell this code at the desk, or type it on the page " +
			"where you left your badge. The code works once, for 15 minutes. If you did not ask for it, ignore this " +
			"message and tell the code to nobody.\n",
	}.In(l)
	title := replaceUnprintable(site.Title)
	return Mail{To: to, Subject: fmt.Sprintf(subject, title, code), Body: fmt.Sprintf(body, title, code)}
}
