package decided

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// errCorrupt is the error for a pack whose bytes are not those that a Writer wrote.
var errCorrupt = errors.New("pack of decisions is corrupt")

// Reader reads the decisions of packs. A Reader reuses its memory: a Decision is valid until the next call of Next,
// except for its strings. A Reader must not be used by two goroutines at once.
type Reader struct {
	in     []byte
	words  []string
	failed bool

	out        Decision
	basis      policy.Basis
	people     [2]policy.BasisMember
	practices  [2]policy.BasisPractice
	repeatable map[string]string // words of earlier packs: most packs contain the same words
}

// Open begins to read a pack. Open returns an error for a pack that is corrupt or has another version.
func (r *Reader) Open(pack []byte) error {
	switch {
	case len(pack) < headerSize:
		return fmt.Errorf("%w: %d bytes, want at least %d", errCorrupt, len(pack), headerSize)
	case pack[0] != version:
		return fmt.Errorf("pack of decisions has version %d, want %d", pack[0], version)
	case crc32.ChecksumIEEE(pack[headerSize:]) != binary.BigEndian.Uint32(pack[1:]):
		return fmt.Errorf("%w: wrong checksum", errCorrupt)
	}
	r.in, r.words, r.failed, r.out = pack[headerSize:], r.words[:0], false, Decision{Decided: r.out.Decided}
	return nil
}

// Next returns the next decision; nil and nil at the end of the pack.
func (r *Reader) Next() (*Decision, error) {
	if len(r.in) == 0 && !r.failed {
		return nil, nil
	}
	r.decision()
	if r.failed {
		return nil, errCorrupt
	}
	return &r.out, nil
}

// decision reads a decision into r.out.
func (r *Reader) decision() {
	d := &r.out
	d.Kind = wire.Kind(r.word())
	d.Wall += r.signed()
	d.Reasons = d.Reasons[:0]
	for range r.count() {
		d.Reasons = append(d.Reasons, policy.Code(r.word()))
	}
	flags := r.number()
	d.Unreadable, d.Basis = flags&unreadable != 0, nil
	if flags&withBasis == 0 {
		return
	}
	b := &r.basis
	*b = policy.Basis{Trusted: flags&trusted != 0, Tagged: flags&tagged != 0, Fault: flags&fault != 0,
		Truncated: flags&truncated != 0}
	d.Basis = b
	b.At = r.time(true, d.Wall)
	b.As = known(r, policy.ParseRole)
	b.Card, b.CardState = r.word(), r.word()
	b.Answering = int(r.signed())
	b.Issued = r.time(flags&withIssued != 0, d.Wall)
	b.LastTrusted = r.time(flags&withLastTrusted != 0, d.Wall)
	b.Verdict = known(r, policy.ParseVerdict)
	b.Policy, b.Bundle = r.word(), r.number()
	if flags&withMember != 0 {
		b.Member = r.person(0, d.Wall)
	}
	if flags&withSupervisor != 0 {
		b.Supervisor = r.person(1, d.Wall)
	}
}

// person reads a person into the memory of the given place.
func (r *Reader) person(place int, from int64) *policy.BasisMember {
	m, p := &r.people[place], &r.practices[place]
	flags := r.number()
	*m = policy.BasisMember{ID: policy.MemberID(r.word()), Blocked: flags&blocked != 0, Until: r.word(),
		Holdings: m.Holdings[:0]}
	for range r.count() {
		m.Holdings = append(m.Holdings, r.holding(from))
	}
	if flags&withPractice != 0 {
		*p = policy.BasisPractice{Last: r.time(flags&withLast != 0, from), Logged: r.text(), Day: r.text(), Week: r.text(),
			Sessions: int(r.signed())}
		m.Practice = p
	}
	return m
}

// holding reads a badge of a person.
func (r *Reader) holding(from int64) policy.BasisHolding {
	flags := r.number()
	h := policy.BasisHolding{Badge: policy.BadgeID(r.word()), Standing: r.word()}
	h.Assurance = known(r, parseAssurance)
	if flags&withOther != 0 {
		h.Issuer, h.Achievement = policy.IssuerID(r.word()), r.word()
	}
	h.From = r.time(flags&withFrom != 0, from)
	h.Until = r.time(flags&withUntil != 0, from)
	h.Checked = r.time(flags&withChecked != 0, from)
	return h
}

// fail marks the pack as corrupt, and makes all other reads return zero values.
func (r *Reader) fail() { r.in, r.failed = nil, true }

func (r *Reader) number() uint64 {
	n, size := binary.Uvarint(r.in)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.in = r.in[size:]
	return n
}

func (r *Reader) signed() int64 {
	n, size := binary.Varint(r.in)
	if size <= 0 {
		r.fail()
		return 0
	}
	r.in = r.in[size:]
	return n
}

// count reads the length of a list or a text. Each element needs at least one byte.
func (r *Reader) count() int {
	n := r.number()
	if n > uint64(len(r.in)) {
		r.fail()
		return 0
	}
	return int(n)
}

// bytes reads a text. The result is valid as long as the pack.
func (r *Reader) bytes() []byte {
	n := r.count()
	out := r.in[:n]
	r.in = r.in[n:]
	return out
}

func (r *Reader) text() string { return string(r.bytes()) }

// word reads a word.
func (r *Reader) word() string {
	n := r.number()
	if n > uint64(len(r.words)) {
		r.fail()
		return ""
	}
	if n > 0 {
		return r.words[n-1]
	}
	out := r.keep(r.bytes())
	if len(r.words) < maxWords {
		r.words = append(r.words, out)
	}
	return out
}

// keep returns b as a string, and allocates memory only for a string that no earlier pack contained.
func (r *Reader) keep(b []byte) string {
	if known, ok := r.repeatable[string(b)]; ok {
		return known
	}
	if r.repeatable == nil || len(r.repeatable) >= maxWords {
		r.repeatable = map[string]string{}
	}
	out := string(b)
	r.repeatable[out] = out
	return out
}

// known reads a word of a closed list with the list's parser.
func known[T any](r *Reader, parse func(string) (T, error)) (out T) {
	s := r.word()
	if s == "" {
		return out
	}
	out, err := parse(s)
	if err != nil {
		r.fail()
	}
	return out
}

// parseAssurance reads the word of an assurance.
func parseAssurance(s string) (policy.Assurance, error) {
	for _, a := range []policy.Assurance{policy.Signed, policy.Hosted, policy.Attested} {
		if s == a.String() {
			return a, nil
		}
	}
	return 0, errCorrupt
}

// time reads a time, or returns the zero time if the pack contains none.
func (r *Reader) time(is bool, from int64) time.Time {
	if !is {
		return time.Time{}
	}
	n := r.signed()
	t := time.UnixMilli(from + n>>1)
	if n&1 != 0 {
		t = t.Add(time.Duration(r.number() % uint64(time.Millisecond)))
	}
	return t.UTC()
}
