package account

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/base32"
	"errors"
	"hash/crc32"
	"strings"

	"portillon/hub/actor"
	"portillon/hub/store"
	"portillon/policy"
)

// crockford is the alphabet of Douglas Crockford's base 32, without the letters I, L, O and U.
const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// Lengths of codes. A typed code cannot be guessed within its lifetime, because it has 75 bits, and an address has ten
// attempts, then one attempt per minute (rates).
const (
	typedCode  = 15 // length of a typed code in characters of 5 bits
	linkCode   = 26 // 130 bits
	tokenBytes = 20 // 160 bits
)

// groupCode inserts a dash after every five characters of a code, so that people can read the code aloud and type it.
func groupCode(code string) string {
	var parts []string
	for len(code) > 5 {
		parts, code = append(parts, code[:5]), code[5:]
	}
	return strings.Join(append(parts, code), "-")
}

// parseTypedCode parses a code as people type codes: in upper or lower case, with O for 0 and I or L for 1, with spaces
// or dashes. parseTypedCode returns an empty string for a text that is not a code.
func parseTypedCode(s string) string {
	if len(s) > 100 {
		return ""
	}
	out := strings.NewReplacer(" ", "", "-", "", "O", "0", "I", "1", "L", "1").Replace(strings.ToUpper(s))
	if strings.Trim(out, crockford) != "" {
		return ""
	}
	return out
}

// tokenPrefix is the beginning of every API token. Programs that search for leaked secrets recognise a token by this
// prefix.
const tokenPrefix = "ptl_"

var tokenText = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// isToken reports whether text has the form of an API token: the prefix, 160 bits and their checksum. The caller
// refuses any other text without a database query.
func isToken(text string) bool {
	rest, ok := strings.CutPrefix(text, tokenPrefix)
	if !ok || len(rest) != tokenText.EncodedLen(tokenBytes+4) {
		return false
	}
	b, err := tokenText.DecodeString(rest)
	return err == nil && string(checksum(b[:tokenBytes])) == string(b[tokenBytes:]) && tokenText.EncodeToString(b) == rest
}

// checksum returns the CRC-32 (IEEE) of b as 4 bytes in big-endian order.
func checksum(b []byte) []byte {
	c := crc32.ChecksumIEEE(b)
	return []byte{byte(c >> 24), byte(c >> 16), byte(c >> 8), byte(c)}
}

// convertMissingRow returns ErrCode if err says that the database has no such row, and returns every other error
// unchanged.
func convertMissingRow(err error) error {
	if errors.Is(err, sql.ErrNoRows) {
		return ErrCode
	}
	return err
}

// oneTimeCodes signs members in by e-mail links and printed codes. An e-mail link or a printed code works only once.
type oneTimeCodes struct {
	core     *core
	rights   *rights
	rows     *accountRows
	browsers *browsers
}

// signIn deletes a one-time code and signs in the member for whom the code was created. kind is the code's kind in the
// database, "link" or "printed". If several requests use the code at once, only the request that deletes the code's row
// signs in, and the other requests get ErrCode.
func (s *oneTimeCodes) signIn(ctx context.Context, hash []byte, kind string, m policy.MemberID) (actor.Actor, error) {
	if shut, err := s.rights.isShut(ctx, row{Account: Account{Member: m}}); err != nil || shut {
		return actor.Actor{}, cmp.Or(err, ErrCode)
	}
	var x row
	err := s.core.site.Write(ctx, func(tx *store.Tx) error {
		// Only the request that deletes the row may sign in with the code.
		done, err := tx.Exec(ctx, `DELETE FROM account_code WHERE site = $1 AND hash = $2 AND kind = $3 AND expires > $4`,
			hash, kind, s.core.now())
		if err != nil {
			return err
		}
		if n, err := done.RowsAffected(); err != nil || n != 1 {
			return errors.Join(ErrCode, err)
		}
		// The member may have become an administrator, or the account may have been disabled, since the code was
		// created.
		if x, err = s.rows.accountOfMember(ctx, tx, m); err != nil {
			return err
		}
		if x.isTrusted() || x.Disabled {
			return ErrCode
		}
		_, err = tx.Exec(ctx, `UPDATE account SET seen = $3 WHERE site = $1 AND id = $2`, x.ID, s.core.now())
		return err
	})
	if err != nil {
		return actor.Actor{}, err
	}
	how := "link"
	if kind != "link" {
		how = "code"
	}
	if err := s.browsers.beginSession(ctx, x, how); err != nil {
		return actor.Actor{}, err
	}
	return s.rights.actorOf(ctx, x)
}
