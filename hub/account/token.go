package account

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"time"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
)

// Limits of API tokens.
const (
	maxTokens     = 50 // per account
	maxTokenLife  = 366 * 24 * time.Hour
	tokenUsedEach = 5 * time.Minute // minimum time between two writes of a token's last use
)

// Tokens creates, lists and checks the API tokens of accounts.
type Tokens struct {
	core   *core
	limits *throttle
	rights *rights
}

// Issued lists the API tokens of an account, the newest first, including expired tokens. The list does not contain the
// text of the tokens. The actor needs actor.WriteAccounts for another person's account.
func (s *Tokens) Issued(ctx context.Context, a actor.Actor, id string) ([]Token, error) {
	if err := checkAccess(a, id); err != nil {
		return nil, err
	}
	if _, err := byID(ctx, s.core.site, id); err != nil {
		return nil, err
	}
	rows, err := s.core.site.Query(ctx, `SELECT id, name, scopes, made, expires, used FROM account_token
		WHERE site = $1 AND account = $2 ORDER BY made DESC, id LIMIT 100`, id)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []Token
	for rows.Next() {
		var t Token
		var scopes string
		var made, expires, used int64
		if err := rows.Scan(&t.ID, &t.Name, &scopes, &made, &expires, &used); err != nil {
			return nil, err
		}
		t.Scopes, t.Made, t.Expires, t.Used = parseScopes(scopes), timeOf(made), timeOf(expires), timeOf(used)
		out = append(out, t)
	}
	return out, rows.Err()
}

// parseScopes parses stored scopes, which are acts separated by spaces.
func parseScopes(scopes string) []actor.Act {
	out := []actor.Act{}
	for _, s := range strings.Fields(scopes) {
		out = append(out, actor.Act(s))
	}
	return out
}

// Issue creates an API token of the actor's own account. The token may do what its owner may do at the time of use,
// limited to the acts of its scopes. Only Issue returns the text of the token, because the database stores only a hash.
// The error is *actor.Denied if the actor is signed in by a token, and *fault.Invalid for an invalid name, scopes or
// expiry date.
func (s *Tokens) Issue(ctx context.Context, a actor.Actor, name string, scopes []actor.Act,
	expires time.Time) (Token, error) {
	if !isOwnSession(a, a.Account) || a.Account == "local" {
		return Token{}, &actor.Denied{Act: actor.WriteAccounts, Actor: a}
	}
	now := s.core.clock()
	if faults := checkToken(name, scopes, now, expires); faults != nil {
		return Token{}, &fault.Invalid{Faults: faults}
	}
	scopes = slices.Compact(slices.Sorted(slices.Values(scopes)))
	t := Token{Name: name, Scopes: scopes, Made: timeOf(now.UnixMilli()), Expires: timeOf(expires.UnixMilli())}
	var err error
	if t.ID, err = s.core.newID("t-"); err != nil {
		return Token{}, err
	}
	if t.Text, err = s.core.newTokenText(); err != nil {
		return Token{}, err
	}
	if err := s.core.site.Write(ctx, func(tx *store.Tx) error { return s.add(ctx, tx, a, t) }); err != nil {
		return Token{}, err
	}
	return t, nil
}

// add removes the account's expired tokens and writes a new token with an audit entry. add refuses a token beyond
// maxTokens per account.
func (s *Tokens) add(ctx context.Context, tx *store.Tx, a actor.Actor, t Token) error {
	if _, err := byID(ctx, tx, a.Account); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `DELETE FROM account_token WHERE site = $1 AND account = $2 AND expires <= $3`, a.Account,
		s.core.now()); err != nil {
		return err
	}
	var n int
	if err := tx.QueryRow(ctx, `SELECT count(*) FROM account_token WHERE site = $1 AND account = $2`,
		a.Account).Scan(&n); err != nil {
		return err
	}
	if n >= maxTokens {
		return &fault.Invalid{Faults: []fault.Field{{Field: "token", Wrong: "account has 50 tokens",
			Right: "revoke one first"}}}
	}
	words := make([]string, len(t.Scopes))
	for i, act := range t.Scopes {
		words[i] = string(act)
	}
	_, err := tx.Exec(ctx, `INSERT INTO account_token (site, id, account, name, scopes, hash, made, expires, used)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`,
		t.ID, a.Account, t.Name, strings.Join(words, " "), hashOf(t.Text), t.Made.UnixMilli(), t.Expires.UnixMilli())
	if err != nil {
		return err
	}
	tx.Changed(store.Accounts)
	return s.core.audit(ctx, tx, a, actor.WriteAccounts, "token "+t.ID, "made for "+strings.Join(words,
		" ")+", until "+t.Expires.Format(time.DateOnly))
}

// checkToken returns the faults of the values of a new token.
func checkToken(name string, scopes []actor.Act, now, expires time.Time) (faults []fault.Field) {
	for _, f := range checkName(name) {
		f.Right = "what the token is for"
		faults = append(faults, f)
	}
	if len(scopes) == 0 || len(scopes) > 100 {
		faults = append(faults, fault.Field{Field: "scopes", Wrong: "no scopes",
			Right: "the acts that the token is for, as in members.read"})
	}
	for _, act := range scopes {
		if !slices.Contains(actor.Acts(), act) && len(scopes) <= 100 {
			faults = append(faults, fault.Field{Field: "scopes", Given: shorten(string(act), 60), Wrong: "no such act",
				Right: "an act, as in members.read"})
		}
	}
	if !expires.After(now) || expires.Sub(now) > maxTokenLife {
		faults = append(faults, fault.Field{Field: "expires", Given: expires.UTC().Format(time.RFC3339),
			Wrong: "past, or more than a year away",
			Right: "within a year"})
	}
	return faults
}

// Revoke invalidates a token of an account at once. The error is *fault.NotFound if the account has no such token. The
// actor needs actor.WriteAccounts for another person's account.
func (s *Tokens) Revoke(ctx context.Context, a actor.Actor, id, token string) error {
	if err := checkAccess(a, id); err != nil {
		return err
	}
	return s.core.site.Write(ctx, func(tx *store.Tx) error {
		done, err := tx.Exec(ctx, `DELETE FROM account_token WHERE site = $1 AND account = $2 AND id = $3`, id, token)
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n == 0 {
			return errors.Join(&fault.NotFound{What: "token", ID: shorten(token, 60)}, err)
		}
		tx.Changed(store.Accounts)
		return s.core.audit(ctx, tx, a, actor.WriteAccounts, "token "+token, "revoked")
	})
}

// FromToken returns the actor of an API token, who has the current rights of the token's owner within the token's
// scopes. The error is ErrWrong for a text that is not a valid token, or *Throttled after too many wrong tokens from an
// address. A valid token is never throttled.
func (s *Tokens) FromToken(ctx context.Context, text, address string) (actor.Actor, error) {
	if address == "" {
		address = visitorOf(ctx).address
	}
	a, err := s.actorOf(ctx, text)
	if !errors.Is(err, ErrWrong) {
		return a, err
	}
	if limited := s.CountWrong(ctx, address); limited != nil {
		return actor.Actor{}, limited
	}
	return actor.Actor{}, ErrWrong
}

// CountWrong counts an attempt with a wrong secret from a client's address. The error is *Throttled after too many
// attempts. Other services whose secrets are as long as a token call CountWrong too, so that one limit counts the
// attempts of an address with all of these secrets.
func (s *Tokens) CountWrong(ctx context.Context, address string) error {
	return s.limits.spend(ctx, limit{rates().token, clientNetwork(address)})
}

// actorOf does the work of FromToken, without counting wrong tokens. actorOf records the use of the token at most once
// per tokenUsedEach.
func (s *Tokens) actorOf(ctx context.Context, text string) (actor.Actor, error) {
	if !isToken(text) {
		return actor.Actor{}, ErrWrong
	}
	var id, owner, scopes string
	var used int64
	err := s.core.site.QueryRow(ctx, `SELECT id, account, scopes, used FROM account_token WHERE site = $1 AND hash = $2 AND
		expires > $3`,
		hashOf(text), s.core.now()).Scan(&id, &owner, &scopes, &used)
	if errors.Is(err, sql.ErrNoRows) {
		return actor.Actor{}, ErrWrong
	}
	if err != nil {
		return actor.Actor{}, err
	}
	// The owner may have been removed, disabled or blocked since the token was created.
	x, err := byID(ctx, s.core.site, owner)
	if gone := (*fault.NotFound)(nil); errors.As(err, &gone) {
		return actor.Actor{}, ErrWrong
	}
	if err != nil {
		return actor.Actor{}, err
	}
	if shut, err := s.rights.isShut(ctx, x); err != nil {
		return actor.Actor{}, err
	} else if shut {
		return actor.Actor{}, ErrWrong
	}
	// Record the time of use at most once per tokenUsedEach, because a write costs more than the rest of the request.
	if s.core.now()-used >= tokenUsedEach.Milliseconds() {
		err := s.core.site.Write(ctx, func(tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE account_token SET used = $3 WHERE site = $1 AND id = $2`, id, s.core.now())
			return err
		})
		if err != nil { // the token stays valid if its use cannot be recorded, for example because the disk is full
			s.core.log.Warn("recording the last use of an API token failed", "err", err)
		}
	}
	a, err := s.rights.actorOf(ctx, x)
	if err != nil {
		return actor.Actor{}, err
	}
	a.Token, a.Scopes = id, parseScopes(scopes)
	return a, nil
}
