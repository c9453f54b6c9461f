package decided

import (
	"encoding/binary"
	"hash/crc32"
	"time"

	"portillon/policy"
)

// Writer writes decisions into a pack. The zero Writer is ready.
//
// A number is a varint (package encoding/binary). A word is its number in the dictionary, or 0, its length and its
// bytes, and then enters the dictionary. A time is the number of milliseconds since a time before it, shifted by one
// bit; the lowest bit says that the nanoseconds of the millisecond follow.
type Writer struct {
	out   []byte
	words map[string]uint64
	wall  int64 // Wall of the decision before
	n     int
}

// Len returns the number of decisions in the pack.
func (w *Writer) Len() int { return w.n }

// Add appends a decision. Times lose their time zone.
func (w *Writer) Add(d *Decision) {
	w.n++
	w.word(string(d.Kind))
	w.signed(d.Wall - w.wall)
	w.wall = d.Wall
	w.number(uint64(len(d.Reasons)))
	for _, r := range d.Reasons {
		w.word(string(r))
	}
	b := d.Basis
	w.number(decisionFlags(d))
	if b == nil {
		return
	}
	w.time(b.At, d.Wall)
	w.known(b.As)
	w.word(b.Card)
	w.word(b.CardState)
	w.signed(int64(b.Answering))
	if !b.Issued.IsZero() {
		w.time(b.Issued, d.Wall)
	}
	if !b.LastTrusted.IsZero() {
		w.time(b.LastTrusted, d.Wall)
	}
	w.known(b.Verdict)
	w.word(b.Policy)
	w.number(b.Bundle)
	w.person(b.Member, d.Wall)
	w.person(b.Supervisor, d.Wall)
}

// decisionFlags returns the flags of a decision.
func decisionFlags(d *Decision) (out uint64) {
	set := func(flag uint64, on bool) {
		if on {
			out |= flag
		}
	}
	set(unreadable, d.Unreadable)
	b := d.Basis
	if b == nil {
		return out
	}
	set(withBasis, true)
	set(trusted, b.Trusted)
	set(tagged, b.Tagged)
	set(fault, b.Fault)
	set(truncated, b.Truncated)
	set(withMember, b.Member != nil)
	set(withSupervisor, b.Supervisor != nil)
	set(withIssued, !b.Issued.IsZero())
	set(withLastTrusted, !b.LastTrusted.IsZero())
	return out
}

// person appends a person, except nil.
func (w *Writer) person(m *policy.BasisMember, from int64) {
	if m == nil {
		return
	}
	var flags uint64
	if m.Blocked {
		flags |= blocked
	}
	if m.Practice != nil {
		flags |= withPractice
		if !m.Practice.Last.IsZero() {
			flags |= withLast
		}
	}
	w.number(flags)
	w.word(string(m.ID))
	w.word(m.Until)
	w.number(uint64(len(m.Holdings)))
	for i := range m.Holdings {
		w.holding(&m.Holdings[i], from)
	}
	if p := m.Practice; p != nil {
		if !p.Last.IsZero() {
			w.time(p.Last, from)
		}
		// Durations differ in each record, so they are not in the dictionary.
		w.text(p.Logged)
		w.text(p.Day)
		w.text(p.Week)
		w.signed(int64(p.Sessions))
	}
}

// holding appends a badge of a person.
func (w *Writer) holding(h *policy.BasisHolding, from int64) {
	var flags uint64
	if h.Issuer != "" || h.Achievement != "" {
		flags |= withOther
	}
	times := [...]struct {
		at   time.Time
		flag uint64
	}{{h.From, withFrom}, {h.Until, withUntil}, {h.Checked, withChecked}}
	for _, t := range times {
		if !t.at.IsZero() {
			flags |= t.flag
		}
	}
	w.number(flags)
	w.word(string(h.Badge))
	w.word(h.Standing)
	w.known(h.Assurance)
	if flags&withOther != 0 {
		w.word(string(h.Issuer))
		w.word(h.Achievement)
	}
	for _, t := range times {
		if !t.at.IsZero() {
			w.time(t.at, from)
		}
	}
}

// Pack returns the pack with its header. The Writer must not be used afterwards.
func (w *Writer) Pack() []byte {
	out := make([]byte, headerSize, headerSize+len(w.out))
	out[0] = version
	binary.BigEndian.PutUint32(out[1:], crc32.ChecksumIEEE(w.out))
	return append(out, w.out...)
}

func (w *Writer) number(n uint64) { w.out = binary.AppendUvarint(w.out, n) }

func (w *Writer) signed(n int64) { w.out = binary.AppendVarint(w.out, n) }

// text appends a text that the dictionary does not contain.
func (w *Writer) text(s string) {
	w.number(uint64(len(s)))
	w.out = append(w.out, s...)
}

// word appends a word.
func (w *Writer) word(s string) {
	n, ok := w.words[s]
	w.number(n)
	if ok {
		return
	}
	w.text(s)
	if w.words == nil {
		w.words = map[string]uint64{}
	}
	if len(w.words) < maxWords {
		w.words[s] = uint64(len(w.words)) + 1
	}
}

// known appends a word of a closed list. A value outside the list becomes the empty word, which is the zero value.
func (w *Writer) known(v interface{ MarshalText() ([]byte, error) }) {
	text, err := v.MarshalText()
	if err != nil {
		text = nil
	}
	w.word(string(text))
}

// time appends a time as the difference to a number of milliseconds since 1970.
func (w *Writer) time(t time.Time, from int64) {
	ms := t.UnixMilli()
	below := t.Sub(time.UnixMilli(ms))
	n := (ms - from) << 1
	if below != 0 {
		n |= 1
	}
	w.signed(n)
	if below != 0 {
		w.number(uint64(below))
	}
}
