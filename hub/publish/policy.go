package publish

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/store"
	"portillon/policy"
	policyfile "portillon/policy/file"
)

// These are the limits of a published policy, in bytes.
const (
	maxComment = 2000
	// Maximum size of a signed policy: text, issuers' documents (a chunk of at most 32 MB), and the JSON that contains
	// both.
	maxSignature = 48 << 20
	maxDocuments = 32 << 20 // equals wire.MaxChunk
)

// Policies reads and publishes the versions of the site's policy.
type Policies struct {
	site      *store.Site
	now       func() time.Time
	log       *slog.Logger
	audit     func(ctx context.Context, tx *store.Tx, a actor.Actor, act actor.Act, on, detail string) error
	drafts    *Drafts // service that checks a text before Publish publishes the text
	documents func(ctx context.Context, p *policy.Policy) ([]byte, error)

	// signer, signedBy and verify are copies of the fields Signer, SignedBy and Verify of Options.
	signer   Signer
	signedBy string
	verify   func(signed []byte) (SignedPolicy, error)
}

// Current returns the policy in force. The error is *fault.NotFound if no policy is in force.
func (s *Policies) Current(ctx context.Context, a actor.Actor) (Policy, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return Policy{}, err
	}
	v, err := inForce(ctx, s.site)
	if err != nil {
		return Policy{}, err
	}
	if v.Number == 0 {
		return Policy{}, &fault.NotFound{What: "policy", ID: "in force"}
	}
	return v.Policy, nil
}

// Version returns the policy with a number, with its text.
func (s *Policies) Version(ctx context.Context, a actor.Actor, number int64) (Policy, error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return Policy{}, err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Policy{}, err
	}
	v, err := scan(
		s.site.QueryRow(ctx, `SELECT number, text, comment, author, made, documents, signed, signed_by, back_to, forced
		FROM policies WHERE site = $1 AND number = $2`, number).Scan,
	)
	if errors.Is(err, sql.ErrNoRows) {
		return Policy{}, &fault.NotFound{What: "policy", ID: strconv.FormatInt(number, 10)}
	}
	v.InForce = v.Number == current.Number
	return v.Policy, err
}

// Versions returns all policies without their texts, the newest first.
func (s *Policies) Versions(ctx context.Context, a actor.Actor, p Page) (out []Policy, next string, err error) {
	if err := a.May(actor.ReadPolicy, actor.Target{}); err != nil {
		return nil, "", err
	}
	before, err := p.number(math.MaxInt64)
	if err != nil {
		return nil, "", err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return nil, "", err
	}
	rows, err := s.site.Query(ctx, `SELECT number, '', comment, author, made, '', '', signed_by, back_to, forced
		FROM policies WHERE site = $1 AND number < $2 ORDER BY number DESC LIMIT $3`, before, p.limit()+1)
	if err != nil {
		return nil, "", err
	}
	defer rows.Close()
	for rows.Next() {
		v, err := scan(rows.Scan)
		if err != nil {
			return nil, "", err
		}
		if len(out) == p.limit() {
			return out, strconv.FormatInt(out[len(out)-1].Number, 10), nil
		}
		v.InForce = v.Number == current.Number
		out = append(out, v.Policy)
	}
	return out, "", rows.Err()
}

// version is a row of the table policies.
type version struct {
	Policy
	documents, signed []byte
	forced            int64
}

// snapshot converts the version to a Snapshot, from which a bundle is built.
func (v version) snapshot() Snapshot {
	return Snapshot{Number: v.Number, Text: []byte(v.Text), Documents: v.documents, Signed: v.signed}
}

// scan reads one row of the table policies. The column forced is the time at which the version came into force, in
// milliseconds, or 0 if the version waits for its signature.
func scan(into func(...any) error) (v version, err error) {
	var made int64
	err = into(&v.Number, &v.Text, &v.Comment, &v.By, &made, &v.documents, &v.signed, &v.SignedBy, &v.BackTo, &v.forced)
	v.At, v.Unsigned = time.UnixMilli(made).UTC(), v.forced == 0
	return v, err
}

// inForce returns the policy in force, or the zero version if no policy is in force.
func inForce(ctx context.Context, site *store.Site) (version, error) {
	return scanOptional(
		site.QueryRow(ctx, `SELECT number, text, comment, author, made, documents, signed, signed_by, back_to, forced
		FROM policies WHERE site = $1 AND forced > 0 ORDER BY number DESC LIMIT 1`),
	)
}

// inForceIn returns the same as inForce, but reads within a transaction.
func inForceIn(ctx context.Context, tx *store.Tx) (version, error) {
	return scanOptional(
		tx.QueryRow(ctx, `SELECT number, text, comment, author, made, documents, signed, signed_by, back_to, forced
		FROM policies WHERE site = $1 AND forced > 0 ORDER BY number DESC LIMIT 1`),
	)
}

// scanOptional reads a row, or returns the zero version if the row does not exist.
func scanOptional(row *sql.Row) (version, error) {
	v, err := scan(row.Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return version{}, nil
	}
	v.InForce = err == nil
	return v, err
}

// proposal is a version that is about to be stored.
type proposal struct {
	actor     actor.Actor
	text      string
	comment   string
	ofNumber  int64 // number of the policy that must be in force; 0: no policy may be in force
	returned  bool  // true: a machine returned the policy, so that store does not check ofNumber
	backTo    int64
	documents []byte
	// nil: the Signer signs the policy, or, if there is no Signer, the policy waits for its signature.
	signed    *SignedPolicy
	signature []byte
}

// Publish brings a text into force as the next policy. ofNumber is the number of the policy that the text replaces, or
// 0 for the first policy. A text with a fault is refused with *fault.Invalid. If ofNumber is not the number of the
// policy in force, the error is *fault.Conflict.
//
// Without a Signer, the new version is Unsigned and changes nothing. The version comes into force when Publish is
// called again with a document in which the policy key signed the version's number and text.
func (s *Policies) Publish(
	ctx context.Context,
	a actor.Actor,
	text, comment string,
	ofNumber int64,
	signature []byte,
) (Policy, error) {
	if err := a.May(actor.PublishPolicy, actor.Target{}); err != nil {
		return Policy{}, err
	}
	comment, err := checkComment(comment)
	if err != nil {
		return Policy{}, err
	}
	p, err := s.drafts.parseForPublication(ctx, text)
	if err != nil {
		return Policy{}, err
	}
	next := proposal{actor: a, text: text, comment: comment, ofNumber: ofNumber, signature: signature}
	if len(signature) > 0 {
		if next.signed, err = s.openSigned(signature, text); err != nil {
			return Policy{}, err
		}
		next.documents = next.signed.Documents
	} else if s.documents != nil {
		if next.documents, err = s.documents(ctx, p); err != nil {
			return Policy{}, err
		}
	}
	return s.store(ctx, next)
}

// Back publishes the text of the previous policy again, as a new version. The result contains the text only for an
// actor who may read policies.
func (s *Policies) Back(ctx context.Context, a actor.Actor, comment string) (Policy, error) {
	if err := a.May(actor.PublishPolicy, actor.Target{}); err != nil {
		return Policy{}, err
	}
	comment, err := checkComment(comment)
	if err != nil {
		return Policy{}, err
	}
	current, err := inForce(ctx, s.site)
	if err != nil {
		return Policy{}, err
	}
	before, err := scanOptional(
		s.site.QueryRow(ctx, `SELECT number, text, comment, author, made, documents, signed, signed_by, back_to, forced
		FROM policies WHERE site = $1 AND forced > 0 AND number < $2 ORDER BY number DESC LIMIT 1`, current.Number),
	)
	if err != nil {
		return Policy{}, err
	}
	if before.Number == 0 {
		return Policy{}, &fault.NotFound{What: "policy", ID: "before the one in force"}
	}
	p, err := s.drafts.parseForPublication(ctx, before.Text)
	if err != nil {
		return Policy{}, err
	}
	next := proposal{actor: a, text: before.Text, comment: comment, ofNumber: current.Number, backTo: before.Number}
	if s.documents != nil {
		if next.documents, err = s.documents(ctx, p); err != nil {
			return Policy{}, err
		}
	}
	out, err := s.store(ctx, next)
	if a.May(actor.ReadPolicy, actor.Target{}) != nil {
		out.Text = ""
	}
	return out, err
}

// checkComment returns a comment without leading and trailing spaces. The error is *fault.Invalid if the comment is too
// long or contains characters that change its display.
func checkComment(comment string) (string, error) {
	comment = strings.TrimSpace(comment)
	wrong := ""
	switch {
	case len(comment) > maxComment:
		wrong = fmt.Sprintf("%d bytes", len(comment))
	case !utf8.ValidString(comment):
		wrong = "not UTF-8"
	case strings.ContainsFunc(comment, func(r rune) bool {
		// Characters that change the writing direction (UAX #9, sections 2.1 to 2.4) would make the displayed comment
		// differ from the stored comment.
		return unicode.IsControl(r) && r != '\n' && r != '\r' && r != '\t' ||
			r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
	}):
		wrong = "holds control characters"
	default:
		return comment, nil
	}
	return "", &fault.Invalid{
		Faults: []fault.Field{{Field: "comment", Wrong: wrong, Right: fmt.Sprintf("text of at most %d bytes", maxComment)}},
	}
}

// openSigned verifies a signature of the text that was made on another computer. The error is *fault.Invalid if no
// trusted key signed, or if the signature is for a different text.
func (s *Policies) openSigned(signature []byte, text string) (*SignedPolicy, error) {
	refuse := func(wrong, right string) error {
		return &fault.Invalid{Faults: []fault.Field{{Field: "signature", Wrong: wrong, Right: right}}}
	}
	const right = "what «portillon policy sign» wrote for this text"
	switch {
	case s.verify == nil:
		return nil, refuse("this hub signs its policies by itself", "no signature")
	case len(signature) > maxSignature:
		return nil, refuse(fmt.Sprintf("%d bytes, at most %d", len(signature), maxSignature), right)
	}
	got, err := s.verify(signature)
	switch {
	case err != nil:
		return nil, refuse(err.Error(), right)
	case string(got.Text) != text:
		return nil, refuse("another text was signed", right)
	case got.Number <= 0:
		return nil, refuse(fmt.Sprintf("the number %d", got.Number), "a number from 1")
	}
	return &got, nil
}

// store stores a proposal. If the proposal is signed, its policy comes into force.
func (s *Policies) store(ctx context.Context, p proposal) (out Policy, err error) {
	if len(p.documents) > maxDocuments {
		return Policy{}, fmt.Errorf(
			"publish: issuers' documents have %d bytes, want at most %d to sign",
			len(p.documents),
			maxDocuments,
		)
	}
	err = s.site.Write(ctx, func(tx *store.Tx) error {
		current, err := inForceIn(ctx, tx)
		if err != nil {
			return err
		}
		if !p.returned && p.ofNumber != current.Number {
			return &fault.Conflict{What: "policy", ID: string(s.site.ID()), Have: current.Number, Got: p.ofNumber}
		}
		v, err := s.insert(ctx, tx, current, p)
		if err != nil {
			return err
		}
		out = v.Policy
		out.InForce = v.forced > 0
		tx.Changed(store.Policy)
		if s.audit == nil {
			return nil
		}
		return s.audit(ctx, tx, p.actor, actor.PublishPolicy, fmt.Sprintf("policy %d", v.Number), describe(v))
	})
	if err != nil {
		return Policy{}, err
	}
	return out, nil
}

// describe returns the text about a version for the audit log.
func describe(v version) string {
	words := []string{"in force"}
	if v.forced == 0 {
		words[0] = "waits for its signature"
	}
	if v.BackTo > 0 {
		words = append(words, fmt.Sprintf("back to %d", v.BackTo))
	}
	if v.Comment != "" {
		words = append(words, v.Comment)
	}
	return strings.Join(words, ": ")
}

// insert inserts the row of a proposal. If a version waits for the proposal's signature, insert completes this version
// instead.
func (s *Policies) insert(ctx context.Context, tx *store.Tx, current version, p proposal) (v version, err error) {
	now := s.now().UnixMilli()
	v = version{
		documents: p.documents,
		Policy: Policy{Text: p.text, Comment: p.comment, By: p.actor.Name, At: time.UnixMilli(now).UTC(),
			BackTo: p.backTo, Unsigned: true},
	}
	var highest int64
	err = tx.QueryRow(ctx, "SELECT COALESCE(MAX(number), 0) FROM policies WHERE site = $1").
		Scan(&highest)
	if err != nil {
		return v, err
	}
	switch {
	case p.signed != nil:
		if v, err = s.signedElsewhere(ctx, tx, current, p, v); err != nil {
			return v, err
		}
	case s.signer != nil:
		v.Number = highest + 1
		if v.signed, err = s.signer.SignPolicy(v.Number, []byte(v.Text), v.documents); err != nil {
			return v, fmt.Errorf("publish: cannot sign policy %d: %w", v.Number, err)
		}
		v.SignedBy = s.signedBy
	default:
		v.Number = highest + 1
	}
	if len(v.signed) > 0 {
		v.forced, v.Unsigned = max(now, 1), false
	}
	_, err = tx.Exec(
		ctx,
		`INSERT INTO policies (site, number, text, comment, author, made, documents, signed, signed_by, back_to, forced)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
		ON CONFLICT (site, number) DO UPDATE SET text = $3, comment = $4, author = $5, made = $6, documents = $7, signed = $8,
		signed_by = $9, back_to = $10, forced = $11`,
		v.Number,
		v.Text,
		v.Comment,
		v.By,
		v.At.UnixMilli(),
		notNil(v.documents),
		notNil(v.signed),
		v.SignedBy,
		v.BackTo,
		v.forced,
	)
	return v, err
}

// signedElsewhere returns the version for a signature that was made on another computer. If a version with the same
// number waits for its signature, the version's text must equal the signed text, and the version's author stays.
func (s *Policies) signedElsewhere(
	ctx context.Context,
	tx *store.Tx,
	current version,
	p proposal,
	v version,
) (version, error) {
	refuse := func(format string, args ...any) (version, error) {
		return v, &fault.Invalid{Faults: []fault.Field{{Field: "signature", Wrong: fmt.Sprintf(format, args...),
			Right: fmt.Sprintf("a number above %d, the policy in force", current.Number)}}}
	}
	n := p.signed.Number
	if n <= current.Number {
		return refuse("the number %d was signed, and the policy %d is in force", n, current.Number)
	}
	waiting, err := scanOptional(
		tx.QueryRow(ctx, `SELECT number, text, comment, author, made, documents, signed, signed_by, back_to, forced
		FROM policies WHERE site = $1 AND number = $2`, n),
	)
	if err != nil {
		return v, err
	}
	if waiting.Number > 0 && !p.returned { // a returned policy replaces a version that waits for its signature
		if waiting.Text != p.text {
			return refuse("the number %d was signed with another text than the version that waits", n)
		}
		comment := v.Comment
		if v = waiting; comment != "" {
			v.Comment = comment
		}
	}
	v.Number, v.signed, v.SignedBy, v.documents = n, bytes.Clone(p.signature), p.signed.By, p.signed.Documents
	return v, nil
}

// notNil returns b, or an empty slice if b is nil, for a column that is NOT NULL.
func notNil(b []byte) []byte {
	if b == nil {
		return []byte{}
	}
	return b
}

// Adopt brings a signed policy that a machine returned into force, if its number is higher than the number of the
// policy in force. Machines return policies after the hub was restored from a backup. Adopt checks the signature of the
// policy key, because the machine is not trusted.
func (s *Policies) Adopt(ctx context.Context, signed []byte) error {
	if s.verify == nil {
		return errors.New("publish: cannot check the returned policy's signature, because Options.Verify is nil")
	}
	if len(signed) > maxSignature {
		return fmt.Errorf("publish: returned policy has %d bytes, want at most %d", len(signed), maxSignature)
	}
	got, err := s.verify(signed)
	if err != nil {
		return fmt.Errorf("publish: returned policy is invalid: %w", err)
	}
	current, err := inForce(ctx, s.site)
	if err != nil || got.Number <= current.Number {
		return err
	}
	if len(got.Text) > policyfile.MaxBytes {
		return fmt.Errorf("publish: text of the returned policy %d has %d bytes, want at most %d", got.Number, len(got.Text),
			policyfile.MaxBytes)
	}
	p := proposal{
		actor:     actor.System("returned by a machine"),
		text:      string(got.Text),
		returned:  true,
		documents: got.Documents,
		signed:    &got,
		signature: signed,
	}
	_, err = s.store(ctx, p)
	var invalid *fault.Invalid
	if errors.As(err, &invalid) { // refuse the policy if a different policy has come into force since the check
		s.log.Warn("returned policy was rejected", "number", got.Number, "why", err)
		return nil
	}
	return err
}
