package openbadge

import (
	"crypto"
	"errors"
	"strings"
	"time"

	"portillon/openbadge/internal/ld"
)

// maxProofs is the largest accepted number of proofs of a document. Known documents have one to four proofs.
const maxProofs = 8

// checkProofs returns nil if at least one proof is correct and was made with a trusted key. If this proof has an end,
// the badge expires at the end of the proof at the latest.
func (q *inquiry) checkProofs(d *ld.Document) error {
	all, supported, err := readProofs(d.Words)
	if err != nil {
		return err
	}
	pins, err := q.readPins(q.Badge.IssuerID)
	if err != nil {
		return err
	}
	s := proofSet{doc: d, all: all, pins: pins, at: q.o.At, found: make([]*finding, len(all))}
	var first error
	for _, i := range supported {
		f := s.verify(i)
		if err = f.issuerError(); err == nil {
			// the validity ends with the proof, for callers that check the dates later
			q.Badge.ValidUntil = earlier(q.Badge.ValidUntil, f.ends)
			return nil
		}
		err = q.unreadError(ld.Str(all[i], "verificationMethod"), err)
		if first == nil || isFault(first, "key-not-pinned") { // replace an earlier reason that helps the reader less
			first = err
		}
	}
	return first
}

// readProofs returns the proofs of a document and the indexes of the proofs with a supported suite. readProofs
// ignores unsupported proofs, because one supported proof is sufficient.
func readProofs(doc object) (all []object, supported []int, err error) {
	list := ld.List(doc["proof"])
	if len(list) > maxProofs {
		return nil, nil, fault("too-complex", "%d proofs, want at most %d", len(list), maxProofs)
	}
	err = fault("no-proof", "proof is missing")
	for i, x := range list {
		p, ok := x.(object)
		if !ok {
			return nil, nil, fault("malformed", "a proof is not an object")
		}
		all = append(all, p)
		if _, e := suiteOf(p); e != nil {
			err = e
			continue
		}
		supported = append(supported, i)
	}
	if len(supported) == 0 {
		return nil, nil, err
	}
	return all, supported, nil
}

// proofSet contains the proofs of a document and the issuer's trusted keys. proofSet verifies each proof only once.
type proofSet struct {
	doc   *ld.Document
	all   []object
	pins  []pin
	at    time.Time
	found []*finding
}

// finding is the result of the verification of one proof.
type finding struct {
	err      error     // why the proof is wrong; nil if the proof is correct
	stranger error     // why a proof that is correct with the key of its own did:key is not a proof of the issuer
	ends     time.Time // the earliest end of this proof and of the proofs to which it refers; zero if none has an end
}

// issuerError returns nil if the proof shows that the issuer signed the badge; otherwise it returns the reason.
func (f *finding) issuerError() error {
	if f.err != nil {
		return f.err
	}
	return f.stranger
}

// verify verifies the proofs to which a proof refers, and then the proof itself. If a proof refers to itself through
// other proofs, verify finds the preliminary error that it has stored for this proof.
func (s *proofSet) verify(i int) *finding {
	if s.found[i] == nil {
		s.found[i] = &finding{err: fault("broken-chain", "previousProof of a proof leads back to the proof itself")}
		s.found[i] = s.verifyAlone(s.all[i])
	}
	return s.found[i]
}

// verifyAlone verifies one proof of a set or of a chain (VC Data Integrity 1.0, section 4.5). The last proof of a
// chain must be made with a pinned key, because this proof covers the document and the earlier proofs. The earlier
// proofs must be correct too, including their dates, each with a pinned key or with the key of the did:key in its own
// method.
func (s *proofSet) verifyAlone(p object) *finding {
	f := &finding{}
	previous, err := s.verifyPrevious(p, f)
	if f.err = err; err != nil {
		return f
	}
	f.err = s.checkSigner(p, previous)
	if isFault(f.err, "key-not-pinned") && strings.HasPrefix(ld.Str(p, "verificationMethod"), "did:key:") {
		f.stranger, f.err = f.err, nil
	}
	if f.err == nil {
		f.err = f.checkDates(p, s.at)
	}
	return f
}

// verifyPrevious returns the proofs to which p refers, in the order of the document, or an error if one of them is
// wrong.
func (s *proofSet) verifyPrevious(p object, f *finding) (previous []object, err error) {
	named, err := previousProofs(p)
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i, o := range s.all {
		id := ld.Str(o, "id")
		if !named[id] {
			continue
		}
		if seen[id] {
			return nil, fault("broken-chain", "two proofs have the id %.100q", id)
		}
		seen[id] = true
		before := s.verify(i)
		if before.err != nil {
			return nil, before.err
		}
		f.ends = earlier(f.ends, before.ends)
		previous = append(previous, o)
	}
	if len(seen) < len(named) {
		return nil, fault("broken-chain", "%d of the proofs named in previousProof are missing", len(named)-len(seen))
	}
	return previous, nil
}

// previousProofs returns the ids of the proofs to which p refers.
func previousProofs(p object) (map[string]bool, error) {
	v := p["previousProof"]
	if v == nil {
		return nil, nil
	}
	names := ld.List(v)
	if len(names) == 0 {
		return nil, fault("malformed", "previousProof is empty")
	}
	named := map[string]bool{}
	for _, x := range names {
		id, _ := x.(string)
		if id == "" {
			return nil, fault("malformed", "previousProof is not the id of a proof")
		}
		named[id] = true
	}
	return named, nil
}

// checkSigner checks that a proof was made with a key of the issuer. The kind of the key determines the hash
// algorithm.
func (s *proofSet) checkSigner(p object, previous []object) error {
	c, err := suiteOf(p)
	if err != nil {
		return err
	}
	if err := checkProperties(p); err != nil {
		return err
	}
	sig, err := signatureOf(p)
	if err != nil {
		return err
	}
	messages := map[crypto.Hash][]byte{}
	var failed error
	err = tryPins(ld.Str(p, "verificationMethod"), s.pins, func(k crypto.PublicKey) bool {
		with, ok := c.scheme(k)
		if ok && messages[with.hash] == nil {
			messages[with.hash], failed = c.message(s.doc, p, previous, with.hash)
		}
		return ok && failed == nil && with.verify(messages[with.hash], sig)
	})
	if failed != nil {
		return failed
	}
	return err
}

// checkProperties checks the proof's own properties. It does not check domain and challenge, because the package does
// not know which values are right.
func checkProperties(p object) error {
	for k, v := range p {
		for _, x := range ld.List(v) {
			if _, ok := x.(string); !ok {
				// Reject nested nodes: they could change values, as in a credential (see rejectContent in package ld), and no
				// proof needs such nodes.
				return fault("malformed", "%.40q of the proof is not a text", k)
			}
		}
	}
	if ld.Str(p, "proofPurpose") != "assertionMethod" {
		return fault("bad-signature", "the proof's purpose is %.40q, want assertionMethod", ld.Str(p, "proofPurpose"))
	}
	if ld.Str(p, "verificationMethod") == "" {
		return fault("malformed", "verificationMethod of the proof is missing")
	}
	return nil
}

// checkDates checks that the proof was made before the time at, and that the proof has not expired. If the time at is
// zero, checkDates checks nothing.
func (f *finding) checkDates(p object, at time.Time) error {
	created, err := dateAt(p, "created")
	if err != nil {
		return err
	}
	expires, err := dateAt(p, "expires")
	switch {
	case err != nil:
		return err
	case at.IsZero():
	case !created.IsZero() && created.After(at.Add(Skew)):
		return fault("not-yet-valid", "the proof is dated %s", created.Format(time.RFC3339))
	case !expires.IsZero() && at.After(expires):
		return fault("expired", "the proof expired on %s", expires.Format(time.RFC3339))
	}
	f.ends = earlier(f.ends, expires)
	return nil
}

// earlier returns the earlier of two end times of a validity. A zero time means that there is no end.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// isFault reports whether an error is a Fault with this code.
func isFault(err error, code string) bool {
	var f *Fault
	return errors.As(err, &f) && f.Code == code
}
