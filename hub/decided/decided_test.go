package decided

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/policy"
	"portillon/wire"
)

// examples returns decisions with each field of a basis, and without.
func examples() []Decision {
	at := time.Date(2026, 11, 23, 9, 0, 12, 345e6, time.UTC)
	wall := at.UnixMilli()
	full := policy.Basis{At: at, Trusted: true, As: policy.Mentor, Card: "aes", CardState: "lost", Answering: 2,
		Member: &policy.BasisMember{ID: "m-1", Blocked: true, Until: "2026-12-31",
			Practice: &policy.BasisPractice{Last: at.Add(-time.Hour), Logged: "3s", Day: "2s", Week: "1s", Sessions: 3},
			Holdings: []policy.BasisHolding{
				{Badge: "laser-user", From: at.AddDate(-1, 0, 0), Until: at.AddDate(1, 0, 0), Checked: at.Add(-time.Minute)},
				{Badge: "x", Standing: "revoked", Assurance: policy.Hosted, Issuer: "o", Achievement: "https://o.example/a"},
			}},
		Supervisor: &policy.BasisMember{ID: "m-2", Practice: &policy.BasisPractice{Logged: "2h30m0s"}},
		Issued:     at.Add(-time.Hour), LastTrusted: at.Add(-24 * time.Hour), Tagged: true, Fault: true,
		Verdict: policy.Allow, Policy: "b60b4843f45e", Bundle: 12, Truncated: true}
	fine := full
	fine.At = at.Add(7 * time.Nanosecond)
	return []Decision{
		{Wall: wall, Decided: wire.Decided{Kind: wire.SessionStart, Basis: &full}},
		{Wall: wall - 1000, Decided: wire.Decided{Kind: wire.Refused, Basis: &fine,
			Reasons: []policy.Code{"no-badge", "needs-supervisor"}}},
		{Wall: wall, Decided: wire.Decided{Kind: wire.Refused, Basis: &policy.Basis{At: at, Verdict: policy.Await}}},
		{Wall: wall, Decided: wire.Decided{Kind: wire.HandedOver, Basis: &policy.Basis{}}},
		{Wall: -1, Decided: wire.Decided{Kind: wire.Refused, Reasons: []policy.Code{"unknown-card"}}},
		{Wall: 1 << 60, Unreadable: true, Decided: wire.Decided{Kind: wire.RoleChanged}},
	}
}

// read returns the decisions of a pack as JSON, because the Reader reuses its memory.
func read(r *Reader, pack []byte) (out []string, err error) {
	if err := r.Open(pack); err != nil {
		return nil, err
	}
	for {
		d, err := r.Next()
		if d == nil || err != nil {
			return out, err
		}
		out = append(out, text(d))
	}
}

func text(d *Decision) string {
	if len(d.Reasons) == 0 {
		d.Reasons = nil
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestReaderReturnsTheDecisionsOfTheWriter(t *testing.T) {
	var w Writer
	var want []string
	for range 3 { // the later ones use the dictionary
		for _, d := range examples() {
			w.Add(&d)
			want = append(want, text(&d))
		}
	}
	if w.Len() != len(want) {
		t.Errorf("Len is %d, want %d", w.Len(), len(want))
	}
	pack := w.Pack()
	var r Reader
	for range 2 { // the second time, with the memory of the first
		got, err := read(&r, pack)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
}

// zeroFields returns the names of the fields of v that are zero in every struct of their type.
func zeroFields(v reflect.Value, zero map[string]bool) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			zeroFields(v.Elem(), zero)
		}
	case reflect.Slice:
		for i := range v.Len() {
			zeroFields(v.Index(i), zero)
		}
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return
		}
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			seen, ok := zero[name]
			zero[name] = v.Field(i).IsZero() && (seen || !ok)
			zeroFields(v.Field(i), zero)
		}
	}
}

// A field that is new in a basis must be in the examples, so that the test of the round trip compares it.
func TestExamplesHaveEachFieldOfADecision(t *testing.T) {
	zero := map[string]bool{}
	zeroFields(reflect.ValueOf(examples()), zero)
	for name, isZero := range zero {
		if isZero {
			t.Errorf("no example has %s", name)
		}
	}
	if len(zero) < 35 {
		t.Errorf("%d fields found, want those of Decision, Decided, Basis and its parts", len(zero))
	}
}

func TestParseKeepsKindAndTimeOfAnUnreadableRecord(t *testing.T) {
	var r wire.DecidedReader
	for _, text := range []string{"", "{", `{"body":{"basis":7},"kind":"refused"}`} {
		d := Parse(&r, wire.Refused, 5, []byte(text))
		if !d.Unreadable || d.Kind != wire.Refused || d.Wall != 5 || d.Basis != nil {
			t.Errorf("%q: %+v", text, d)
		}
	}
}

func TestReaderRefusesACorruptPack(t *testing.T) {
	var w Writer
	for _, d := range examples() {
		w.Add(&d)
	}
	pack := w.Pack()
	var r Reader
	for i := range pack {
		bad := append([]byte(nil), pack...)
		bad[i] ^= 0x10
		if err := r.Open(bad); err == nil {
			t.Errorf("byte %d is changed, and Open returns no error", i)
		}
		if err := r.Open(pack[:i]); !errors.Is(err, errCorrupt) {
			t.Errorf("Open of the first %d bytes: %v", i, err)
		}
	}
}

func TestDictionariesAreBounded(t *testing.T) {
	var w Writer
	for i := range 3 * maxWords {
		d := Decision{Decided: wire.Decided{Kind: wire.Kind(string([]byte{byte(i), byte(i >> 8), byte(i >> 16)}))}}
		w.Add(&d)
	}
	var r Reader
	got, err := read(&r, w.Pack())
	if err != nil || len(got) != 3*maxWords || len(w.words) > maxWords || len(r.words) > maxWords ||
		len(r.repeatable) > maxWords {
		t.Errorf("%d decisions, %v; %d, %d and %d words", len(got), err, len(w.words), len(r.words), len(r.repeatable))
	}
}

// No bytes may cause a panic, and what a Reader accepts must survive a second round trip.
func FuzzReader(f *testing.F) {
	var w Writer
	for _, d := range examples() {
		w.Add(&d)
	}
	f.Add(w.Pack()[headerSize:])
	f.Fuzz(func(t *testing.T, body []byte) {
		pack := append([]byte{version, 0, 0, 0, 0}, body...)
		binary.BigEndian.PutUint32(pack[1:], crc32.ChecksumIEEE(body))
		var r Reader
		if err := r.Open(pack); err != nil {
			t.Fatal(err)
		}
		var w Writer
		var want []string
		for {
			d, err := r.Next()
			if d == nil || err != nil {
				break
			}
			w.Add(d)
			want = append(want, text(d))
		}
		var again Reader
		got, err := read(&again, w.Pack())
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%v\n%s\nwant\n%s", err, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	})
}
