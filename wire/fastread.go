package wire

import (
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"
)

// Machines nearly always send canonical JSON with fields that this program knows. The scanner parses such text in one
// pass, without reflection. At the first byte that it does not expect, the scanner fails. Then encoding/json parses the
// text, and returns an exact error if the text is wrong. The scanner accepts only texts that encoding/json accepts too,
// and returns the same values (FuzzFastBatch verifies this).

// maxDepth is the deepest nesting of objects and arrays that the scanner accepts.
const maxDepth = 16

// scanner parses JSON text. i is the index of the next byte. Once the scanner has failed, failed stays true.
type scanner struct {
	b      []byte
	i      int
	failed bool
}

func (s *scanner) fail() { s.failed = true }

// expect reads exactly text, or fails.
func (s *scanner) expect(text string) {
	if !s.failed && s.has(text) {
		s.i += len(text)
		return
	}
	s.fail()
}

// has reports whether the next bytes are text.
func (s *scanner) has(text string) bool {
	return len(s.b)-s.i >= len(text) && string(s.b[s.i:s.i+len(text)]) == text
}

// peek returns the next byte, or 0 if the text has ended or the scanner has failed.
func (s *scanner) peek() byte {
	if s.failed || s.i >= len(s.b) {
		return 0
	}
	return s.b[s.i]
}

// plainString reads a string without escapes, and returns the bytes between the quotes.
func (s *scanner) plainString() []byte {
	s.expect(`"`)
	for from := s.i; !s.failed && s.i < len(s.b); s.i++ {
		switch c := s.b[s.i]; {
		case c == '"':
			s.i++
			return s.b[from : s.i-1]
		case c == '\\' || c < 0x20 || c == 0x7f:
			s.fail()
		}
	}
	s.fail()
	return nil
}

// escapedString reads a string. The escapes that it accepts are those of canonical JSON for ", \ and the usual control
// characters (RFC 8785 §3.2.2.2).
func (s *scanner) escapedString() {
	s.expect(`"`)
	for !s.failed && s.i < len(s.b) {
		c := s.b[s.i]
		s.i++
		switch {
		case c == '"':
			return
		case c < 0x20 || c == 0x7f:
			s.fail()
		case c == '\\':
			switch s.peek() {
			case '"', '\\', 'b', 'f', 'n', 'r', 't':
				s.i++
			default:
				s.fail()
			}
		}
	}
	s.fail()
}

// integer reads an integer of at most 15 digits, because every program represents such an integer exactly (RFC 7493
// §2.2).
func (s *scanner) integer() int64 {
	from := s.i
	if s.peek() == '-' {
		s.i++
	}
	digits := s.i
	for c := s.peek(); c >= '0' && c <= '9'; c = s.peek() {
		s.i++
	}
	n := s.i - digits
	if s.failed || n == 0 || n > 15 || s.b[digits] == '0' && (n > 1 || digits > from) {
		s.fail()
		return 0
	}
	v, err := strconv.ParseInt(string(s.b[from:s.i]), 10, 64)
	if err != nil {
		s.fail()
	}
	return v
}

// value reads one value of any type in canonical JSON, and returns its bytes.
func (s *scanner) value(depth int) []byte {
	from := s.i
	switch s.peek() {
	case '{':
		s.object(depth, func([]byte) { s.value(depth - 1) })
	case '[':
		s.array(depth)
	case '"':
		s.escapedString()
	case 't':
		s.expect("true")
	case 'f':
		s.expect("false")
	case 'n':
		s.expect("null")
	default:
		s.integer()
	}
	if s.failed {
		return nil
	}
	return s.b[from:s.i]
}

// object reads an object whose keys are sorted ASCII strings without escapes. For each value, object calls the function
// field.
func (s *scanner) object(depth int, field func(key []byte)) {
	s.expect("{")
	if depth == 0 {
		s.fail()
	}
	if s.peek() == '}' {
		s.i++
		return
	}
	last := []byte(nil)
	for first := true; !s.failed; first = false {
		key := s.plainString()
		for _, c := range key {
			if c >= utf8.RuneSelf {
				s.fail()
			}
		}
		if !first && string(key) <= string(last) {
			s.fail()
		}
		last = key
		s.expect(":")
		field(key)
		if s.peek() == '}' {
			s.i++
			return
		}
		s.expect(",")
	}
}

// array reads an array of canonical values of any type.
func (s *scanner) array(depth int) {
	s.expect("[")
	if depth == 0 {
		s.fail()
	}
	if s.peek() == ']' {
		s.i++
		return
	}
	for !s.failed {
		s.value(depth - 1)
		if s.peek() == ']' {
			s.i++
			return
		}
		s.expect(",")
	}
}

// record reads a record and returns its bytes in raw. If a string is equal to that of the previous record, both records
// share its memory.
func (s *scanner) record(before Record) (r Record, raw []byte) {
	from := s.i
	s.object(maxDepth, func(key []byte) {
		switch string(key) {
		case "body":
			r.Body = slices.Clip(json.RawMessage(s.value(maxDepth - 1)))
		case "boot":
			r.Boot = reuse(s.plainString(), before.Boot)
		case "clock":
			r.Clock = reuse(s.plainString(), before.Clock)
		case "kind":
			r.Kind = reuse(s.plainString(), before.Kind)
		case "machine":
			r.Machine = reuse(s.plainString(), before.Machine)
		case "member":
			r.Member = reuse(s.plainString(), before.Member)
		case "mono":
			r.Mono = s.integer()
		case "seq":
			r.Seq = uint64(max(s.integer(), 0)) // a negative number is set to 0, which the check below refuses
		case "session":
			r.Session = reuse(s.plainString(), before.Session)
		case "site":
			r.Site = reuse(s.plainString(), before.Site)
		case "wall":
			r.Wall = s.time()
		default: // the field is from a newer machine, or is misspelt
			s.fail()
		}
	})
	if s.failed || r.Seq == 0 || r.Kind == "" || s.i-from > MaxRecord {
		s.fail()
		return Record{}, nil
	}
	return r, s.b[from:s.i]
}

// reuse converts b to a string type. If b is equal to before, reuse returns before and allocates no memory.
func reuse[T ~string](b []byte, before T) T {
	if string(b) == string(before) {
		return before
	}
	return T(b)
}

// time reads a time in the format that encoding/json uses. The time must be in UTC, with at most milliseconds.
func (s *scanner) time() (t time.Time) {
	from := s.i
	s.plainString()
	if s.failed {
		return t
	}
	if err := t.UnmarshalJSON(s.b[from:s.i]); err != nil {
		s.fail()
	}
	if _, offset := t.Zone(); offset != 0 || t.Nanosecond()%int(time.Millisecond) != 0 {
		s.fail()
	}
	return t
}

// parseRecordFast parses a canonical record. If ok is false, the caller must use parseRecordSlowly.
func parseRecordFast(data []byte) (Record, bool) {
	if len(data) > MaxRecord || !utf8.Valid(data) {
		return Record{}, false
	}
	s := scanner{b: data}
	r, _ := s.record(Record{})
	r.Body = slices.Clone(r.Body)
	return r, !s.failed && s.i == len(data)
}

// parseBatchFast parses a batch as encoding/json writes it. If ok is false, the caller must use parseBatchSlowly. The
// result shares the memory of data.
func parseBatchFast(data []byte) (b Batch, records []Record, ok bool) {
	if len(data) > MaxBatch || !utf8.Valid(data) {
		return b, nil, false
	}
	s := scanner{b: data}
	s.expect(`{"records":[`)
	for !s.failed {
		var before Record
		if n := len(records); n > 0 {
			before = records[n-1]
		}
		l, r := s.leafedRecord(before)
		if s.failed || before.Seq > 0 && r.Seq != before.Seq+1 || len(records) == MaxBatchRecords {
			return b, nil, false
		}
		b.Records, records = append(b.Records, l), append(records, r)
		if s.peek() != ',' {
			break
		}
		s.i++
	}
	s.expect(`],"checkpoint":`)
	b.Checkpoint = s.anyString()
	if s.peek() == ',' {
		s.expect(`,"generation":`)
		b.Generation = Generation(s.anyString())
	}
	s.expect("}")
	if s.failed || s.i != len(data) || b.Generation.Check() != nil {
		return Batch{}, nil, false
	}
	return b, records, true
}

// leafedRecord reads a record with its salt. before is the previous record of the batch, with which strings may share
// memory.
func (s *scanner) leafedRecord(before Record) (l Leafed, r Record) {
	s.expect(`{"salt":"`)
	end := s.i + 2*len(l.Salt)
	if s.failed || end > len(s.b) {
		s.fail()
		return l, r
	}
	if _, err := hex.Decode(l.Salt[:], s.b[s.i:end]); err != nil {
		s.fail()
		return l, r
	}
	s.i = end
	s.expect(`","record":`)
	r, raw := s.record(before)
	s.expect("}")
	l.Record = slices.Clip(json.RawMessage(raw))
	return l, r
}

// anyString reads any string as encoding/json does, with all escapes.
func (s *scanner) anyString() (out string) {
	from := s.i
	s.escapedString()
	if s.failed || json.Unmarshal(s.b[from:s.i], &out) != nil {
		s.fail()
	}
	return out
}
