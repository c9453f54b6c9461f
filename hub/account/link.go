package account

import (
	"context"
	"errors"
	"fmt"
	"net/mail"
	"net/url"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
)

// LinkPath is the path of the page that an e-mail link opens, with ?code=…. A GET request shows a button and changes
// nothing (Links.Link), because programs that scan mail open links. A POST request signs in (Links.UseLink).
const LinkPath = "/sign-in/link"

// linkLife is the time during which an e-mail link is valid.
const linkLife = 15 * time.Minute

// Links signs members in by a link sent to their e-mail address.
type Links struct {
	core     *core
	limits   *throttle
	rights   *rights
	browsers *browsers
	codes    *oneTimeCodes
	outbox   *Outbox
	settings func() Settings
	url      *url.URL // the hub's URL in browsers; nil: the hub sends no links
}

// MailLink sends a sign-in link to an e-mail address that is in the directory. MailLink returns the same result for an
// unknown address, so that a visitor does not learn who is a member. The link works once, within 15 minutes, and only
// in the browser that sent the request of ctx. The error is ErrNoMail, ErrNoBrowser, *fault.Invalid for an invalid
// address, or *Throttled if the client's network address sends too many requests.
func (s *Links) MailLink(ctx context.Context, address string) error {
	if s.outbox.sender == nil || !s.settings().Links {
		return ErrNoMail
	}
	if !visitorOf(ctx).session {
		return ErrNoBrowser
	}
	to, err := parseAddress(address)
	if err != nil {
		return err
	}
	r := rates()
	if err := s.limits.spend(ctx, limit{r.mailFrom, clientNetwork(visitorOf(ctx).address)}); err != nil {
		return err
	}
	// Bind the link to this browser first, so that the response time does not depend on whether a mail is sent.
	browser, err := s.browsers.linkSecret(ctx, true)
	if err != nil {
		return err
	}
	people, err := s.linkMembers(ctx, to)
	if err != nil {
		return err
	}
	code, err := s.core.newCode(linkCode)
	if err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		// If the recipient already got too many mails, send no further mail. The response does not reveal this limit to the
		// visitor.
		var full *Throttled
		switch err := s.limits.spendIn(ctx, tx, limit{r.mailTo, to}); {
		case errors.As(err, &full), err == nil && len(people) == 0:
			return nil // return nil, because an error would reveal that the directory does not contain the address
		case err != nil:
			return err
		}
		_, err := tx.Exec(ctx, `INSERT INTO account_code (site, hash, kind, account, member, address, browser, expires)
			VALUES ($1, $2, 'link', '', '', $3, $4, $5)`,
			hashOf(code), to, hashOf(browser), s.core.now()+linkLife.Milliseconds())
		if err != nil {
			return err
		}
		return s.outbox.enqueue(ctx, tx, s.newLinkMail(to, code, people[0].Language))
	})
}

// parseAddress parses an e-mail address and converts it with nameKey. parseAddress refuses a display name and control
// characters, because a line feed would start a new header of the mail. An address has at most 254 bytes (RFC 5321,
// erratum 1690).
func parseAddress(address string) (string, error) {
	a, err := mail.ParseAddress(address)
	if err != nil || len(address) > 254 || a.Name != "" || a.Address != strings.TrimSpace(address) ||
		!isPrintable(a.Address) {
		return "", &fault.Invalid{Faults: []fault.Field{{Field: "email", Given: shorten(address, 60),
			Wrong: "not an e-mail address",
			Right: "one address, as in lea@biklab.example"}}}
	}
	return nameKey(a.Address), nil
}

// linkMembers returns the members who may sign in with a link sent to an address. A member who is an administrator, an
// owner, disabled or blocked may not sign in with a link.
func (s *Links) linkMembers(ctx context.Context, address string) ([]Person, error) {
	if s.rights.people.ByAddress == nil {
		return nil, nil
	}
	all, err := s.rights.people.ByAddress(ctx, address)
	if err != nil {
		return nil, err
	}
	var out []Person
	for _, p := range all {
		x, err := byMember(ctx, s.core.site, p.ID)
		gone := (*fault.NotFound)(nil)
		if err != nil && !errors.As(err, &gone) {
			return nil, err
		}
		x.Member = p.ID // a member without an account gets an account at the first sign-in
		shut, err := s.rights.isShut(ctx, x)
		if err != nil {
			return nil, err
		}
		if p.ID != "" && !x.isTrusted() && !shut {
			out = append(out, p)
		}
	}
	return out, nil
}

// linkURL returns the URL of the sign-in page with a code. The host of the URL is from the hub's configuration, because
// an attacker can choose the host in a request.
func (s *Links) linkURL(code string) string {
	u := s.url.JoinPath(LinkPath)
	u.RawQuery = url.Values{"code": {code}}.Encode()
	return u.String()
}

// Link returns the members whom a link can sign in, and changes nothing. The error is ErrCode if the code is wrong,
// used or expired, or if another browser requested the link. Each refused attempt counts toward the limit on wrong
// codes.
func (s *Links) Link(ctx context.Context, code string) ([]Person, error) {
	if err := s.limits.check(ctx, s.core.site, s.limits.guessLimit(ctx)); err != nil {
		return nil, err
	}
	address, err := s.recipient(ctx, s.core.site, code)
	if errors.Is(err, ErrCode) {
		return nil, errors.Join(ErrCode, s.limits.spendGuess(ctx))
	}
	if err != nil {
		return nil, err
	}
	people, err := s.linkMembers(ctx, address)
	if err == nil && len(people) == 0 {
		err = ErrCode
	}
	return people, err
}

// recipient returns the e-mail address to which the hub sent the code. The error is ErrCode if another browser
// requested the code.
func (s *Links) recipient(ctx context.Context, q rowReader, code string) (address string, err error) {
	browser, err := s.browsers.linkSecret(ctx, false)
	if err != nil || browser == "" {
		return "", errors.Join(ErrCode, err)
	}
	err = q.QueryRow(ctx, `SELECT address FROM account_code WHERE site = $1 AND hash = $2 AND kind = 'link' AND browser =
		$3 AND expires > $4`,
		hashOf(parseTypedCode(code)), hashOf(browser), s.core.now()).Scan(&address)
	return address, convertMissingRow(err)
}

// UseLink signs in the member to whom an e-mail link belongs. Each link works only once. If the address belongs to
// several members and member is empty, the error is *Choose and the link stays valid. UseLink returns ErrCode in the
// same cases as Link.
func (s *Links) UseLink(ctx context.Context, code string, member policy.MemberID) (actor.Actor, error) {
	people, err := s.Link(ctx, code)
	if err != nil {
		return actor.Actor{}, err
	}
	if member == "" && len(people) > 1 {
		return actor.Actor{}, &Choose{Members: people}
	}
	for _, p := range people {
		if member == "" || p.ID == member {
			return s.codes.signIn(ctx, hashOf(parseTypedCode(code)), "link", p.ID)
		}
	}
	return actor.Actor{}, ErrCode
}

// newLinkMail returns the message with a sign-in link, in the member's language, or else in the site's language. The
// message contains no member's name, because a guardian or another person may read the mail.
func (s *Links) newLinkMail(to, code, language string) Mail {
	l := policy.English
	site := s.settings()
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
	title := replaceUnprintable(site.Title)
	if site.Contact != "" {
		body += "\n" + strings.ReplaceAll(replaceUnprintable(site.Contact), "%", "%%") + "\n"
	}
	return Mail{To: to, Subject: fmt.Sprintf(subject, title), Body: fmt.Sprintf(body, title, s.linkURL(code))}
}
