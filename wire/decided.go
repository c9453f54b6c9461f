package wire

import (
	"encoding/json"
	"time"
	"unicode/utf8"

	"portillon/policy"
)

// Decided is the part of a record that tells what a machine decided, and on what basis.
type Decided struct {
	Kind    Kind
	Reasons []policy.Code // of a refused record
	Basis   *policy.Basis // nil: the record has none
}

// DecidedReader reads the decisions of many records. It reuses its memory, so that a result is valid only until the
// next Read, apart from its strings. A DecidedReader must not be used by two goroutines at once. The zero
// DecidedReader is ready.
type DecidedReader struct {
	out        Decided
	basis      policy.Basis
	member     policy.BasisMember
	supervisor policy.BasisMember
	practice   [2]policy.BasisPractice
	words      map[string]string // strings that were read before: ids of members and badges repeat
}

// maxWords bounds the words of a DecidedReader. A stolen machine can sign records with any number of words.
const maxWords = 20_000

// Read reads the canonical JSON of a record of one of these kinds: session-start, role-changed, handed-over and
// refused. It reads no other field than those of Decided. A record of the usual form is read in one pass, any other
// one by encoding/json.
func (r *DecidedReader) Read(record []byte) (Decided, error) {
	if r.fast(record) {
		return r.out, nil
	}
	whole, err := ParseRecord(record)
	if err != nil {
		return Decided{}, err
	}
	var body struct {
		Reasons []policy.Code `json:"reasons"`
		Basis   *policy.Basis `json:"basis"`
	}
	if err := json.Unmarshal(whole.Body, &body); err != nil {
		return Decided{Kind: whole.Kind}, err
	}
	if whole.Kind != Refused {
		body.Reasons = nil
	}
	return Decided{Kind: whole.Kind, Reasons: body.Reasons, Basis: body.Basis}, nil
}

// fast reads a record of the usual form into r.out.
func (r *DecidedReader) fast(record []byte) bool {
	if len(record) > MaxRecord || !utf8.Valid(record) {
		return false
	}
	r.out = Decided{Reasons: r.out.Reasons[:0]}
	s := scanner{b: record}
	body := false
	s.object(maxDepth, func(key []byte) {
		switch string(key) {
		case "body":
			body = true
			s.object(maxDepth-1, func(key []byte) { r.bodyField(&s, key) })
		case "kind":
			r.out.Kind = Kind(r.word(s.plainString()))
		default:
			s.skip(key, maxDepth-1)
		}
	})
	if r.out.Kind != Refused {
		r.out.Reasons = r.out.Reasons[:0]
	}
	return body && !s.failed && s.i == len(record)
}

// bodyField reads a field of a record's body.
func (r *DecidedReader) bodyField(s *scanner, key []byte) {
	switch string(key) {
	case "basis":
		r.basis, r.out.Basis = policy.Basis{}, &r.basis
		s.object(maxDepth-2, func(key []byte) { r.basisField(s, key) })
	case "reasons":
		s.each(func() { r.out.Reasons = append(r.out.Reasons, policy.Code(r.word(s.plainString()))) })
	default:
		s.skip(key, maxDepth-2)
	}
}

// basisField reads a field of a basis. A field that this program does not know is skipped, as encoding/json does.
func (r *DecidedReader) basisField(s *scanner, key []byte) {
	b := &r.basis
	switch string(key) {
	case "answering":
		b.Answering = int(s.integer())
	case "as":
		s.known(&b.As)
	case "at":
		b.At = s.instant()
	case "bundle":
		n := s.integer()
		if n < 0 {
			s.fail()
		}
		b.Bundle = uint64(n)
	case "card":
		b.Card = r.word(s.plainString())
	case "card_state":
		b.CardState = r.word(s.plainString())
	case "fault":
		b.Fault = s.boolean()
	case "issued":
		b.Issued = s.instant()
	case "last_trusted":
		b.LastTrusted = s.instant()
	case "member":
		b.Member = r.person(s, &r.member, &r.practice[0])
	case "policy":
		b.Policy = r.word(s.plainString())
	case "supervisor":
		b.Supervisor = r.person(s, &r.supervisor, &r.practice[1])
	case "tagged":
		b.Tagged = s.boolean()
	case "truncated":
		b.Truncated = s.boolean()
	case "trusted":
		b.Trusted = s.boolean()
	case "verdict":
		s.known(&b.Verdict)
	default:
		s.skip(key, maxDepth-3)
	}
}

// person reads a person of a basis into m.
func (r *DecidedReader) person(s *scanner, m *policy.BasisMember, practice *policy.BasisPractice) *policy.BasisMember {
	*m = policy.BasisMember{Holdings: m.Holdings[:0]}
	s.object(maxDepth-3, func(key []byte) {
		switch string(key) {
		case "badges":
			s.each(func() { m.Holdings = append(m.Holdings, r.holding(s)) })
		case "blocked":
			m.Blocked = s.boolean()
		case "id":
			m.ID = policy.MemberID(r.word(s.plainString()))
		case "practice":
			*practice, m.Practice = policy.BasisPractice{}, practice
			s.object(maxDepth-4, func(key []byte) { practiceField(s, key, practice) })
		case "until":
			m.Until = r.word(s.plainString())
		default:
			s.skip(key, maxDepth-4)
		}
	})
	return m
}

// practiceField reads a field of a practice. Durations differ in each record, so they are not looked up as words.
func practiceField(s *scanner, key []byte, p *policy.BasisPractice) {
	switch string(key) {
	case "day":
		p.Day = string(s.plainString())
	case "last":
		p.Last = s.instant()
	case "logged":
		p.Logged = string(s.plainString())
	case "sessions":
		p.Sessions = int(s.integer())
	case "week":
		p.Week = string(s.plainString())
	default:
		s.skip(key, maxDepth-5)
	}
}

// holding reads a badge of a person.
func (r *DecidedReader) holding(s *scanner) (h policy.BasisHolding) {
	s.object(maxDepth-5, func(key []byte) {
		switch string(key) {
		case "achievement":
			h.Achievement = r.word(s.plainString())
		case "assurance":
			s.known(&h.Assurance)
		case "badge":
			h.Badge = policy.BadgeID(r.word(s.plainString()))
		case "checked":
			h.Checked = s.instant()
		case "from":
			h.From = s.instant()
		case "issuer":
			h.Issuer = policy.IssuerID(r.word(s.plainString()))
		case "standing":
			h.Standing = r.word(s.plainString())
		case "until":
			h.Until = s.instant()
		default:
			s.skip(key, maxDepth-6)
		}
	})
	return h
}

// word returns b as a string, and allocates memory only for a string that it did not return before.
func (r *DecidedReader) word(b []byte) string {
	if known, ok := r.words[string(b)]; ok {
		return known
	}
	if r.words == nil || len(r.words) >= maxWords {
		r.words = map[string]string{}
	}
	out := string(b)
	r.words[out] = out
	return out
}

// skip reads the value of a key that this program does not know. encoding/json ignores the case of keys, so that a key
// with capital letters may be a known one: skip fails, and encoding/json reads the record.
func (s *scanner) skip(key []byte, depth int) {
	for _, c := range key {
		if c >= 'A' && c <= 'Z' {
			s.fail()
		}
	}
	s.value(depth)
}

// each reads an array and calls read for each value.
func (s *scanner) each(read func()) {
	s.expect("[")
	if s.peek() == ']' {
		s.i++
		return
	}
	for !s.failed {
		read()
		if s.peek() == ']' {
			s.i++
			return
		}
		s.expect(",")
	}
}

// boolean reads true or false.
func (s *scanner) boolean() bool {
	if s.peek() == 't' {
		s.expect("true")
		return !s.failed
	}
	s.expect("false")
	return false
}

// instant reads a time as encoding/json does.
func (s *scanner) instant() (t time.Time) {
	from := s.i
	s.plainString()
	if s.failed || t.UnmarshalJSON(s.b[from:s.i]) != nil {
		s.fail()
	}
	return t
}

// known reads a word of a closed list.
func (s *scanner) known(into interface{ UnmarshalText(text []byte) error }) {
	if text := s.plainString(); s.failed || into.UnmarshalText(text) != nil {
		s.fail()
	}
}
