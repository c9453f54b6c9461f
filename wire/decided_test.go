package wire

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"portillon/policy"
)

// decidedRecord returns the canonical record of a kind with a body.
func decidedRecord(t testing.TB, k Kind, body string) []byte {
	t.Helper()
	r := Record{Site: "biklab", Machine: "laser", Seq: 1, Boot: "b", Clock: ClockTrusted, Kind: k, Session: "s",
		Member: "m-1", Wall: time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC), Body: json.RawMessage(body)}
	b, err := r.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// decidedBodies are bodies of records of decisions, with every field of a basis.
var decidedBodies = []string{
	`{"role":"user","grant":2,"badges":["laser-user"],"max_s":7200,"bundle":1,"card":"uid","basis":{` +
		`"at":"2026-11-23T09:00:12.345Z","trusted":true,"member":{"id":"m-1","until":"2026-12-31","blocked":true,"badges":[` +
		`{"badge":"laser-user","from":"2025-09-15T09:00:00Z","checked":"2026-11-23T09:00:00Z",` +
		`"until":"2027-01-01T00:00:00Z"},` +
		`{"badge":"x","standing":"revoked","assurance":"hosted","issuer":"o","achievement":"https://o.example/a"}],` +
		`"practice":{"last":"2026-11-23T09:00:21Z","logged":"3s","day":"2s","week":"1s",` +
		`"sessions":3}},` +
		`"supervisor":{"id":"m-2","practice":{"logged":"2h30m0s"}},"as":"mentor","card":"aes","card_state":"lost",` +
		`"answering":1,"issued":"2026-11-23T09:00:00Z","tagged":true,"last_trusted":"2026-11-22T09:00:00Z","fault":true,` +
		`"verdict":"allow","policy":"b60b4843f45e","bundle":12,"truncated":true}}`,
	`{"reasons":["no-badge","needs-supervisor"],"role":"learner","basis":{"at":"2026-11-23T09:00:03Z","verdict":"await"}}`,
	`{"reasons":["unknown-card"]}`,
	`{"reasons":[]}`,
	`{"basis":{"at":"2026-11-23T09:00:03Z","member":{"id":"a\"b"},"later":[{"x":1}],"verdict":"deny"},"sealed":"x"}`,
	`{"basis":{"at":"2026-11-23T10:00:03+01:00","verdict":"deny"}}`,
	`{"Basis":{"verdict":"deny"}}`,
	`{"basis":{"Verdict":"allow"}}`,
	`{"basis":null}`,
	`{"basis":{"member":null,"supervisor":null}}`,
	`{"basis":{"verdict":"perhaps"}}`,
	`{"basis":7}`,
	`{"basis":{"at":"yesterday"}}`,
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

// A field that is new in a basis must be in the examples, so that the other tests compare it.
func TestExamplesHaveEachFieldOfABasis(t *testing.T) {
	var body struct{ Basis policy.Basis }
	if err := json.Unmarshal([]byte(decidedBodies[0]), &body); err != nil {
		t.Fatal(err)
	}
	zero := map[string]bool{}
	zeroFields(reflect.ValueOf(body.Basis), zero)
	for name, isZero := range zero {
		if isZero {
			t.Errorf("the first example has no %s", name)
		}
	}
	if len(zero) < 30 {
		t.Errorf("%d fields found, want those of Basis, BasisMember, BasisHolding and BasisPractice", len(zero))
	}
}

// slowly reads a record with encoding/json alone.
func slowly(record []byte) (out Decided, err error) {
	r, err := ParseRecord(record)
	if err != nil {
		return Decided{}, err
	}
	var body struct {
		Reasons []policy.Code
		Basis   *policy.Basis
	}
	if out.Kind = r.Kind; json.Unmarshal(r.Body, &body) != nil {
		return out, json.Unmarshal(r.Body, &body)
	}
	if out.Basis = body.Basis; r.Kind == Refused {
		out.Reasons = body.Reasons
	}
	return out, nil
}

// sameDecided reports whether two decisions are equal. An empty list equals a missing one.
func sameDecided(a, b Decided) bool {
	if len(a.Reasons) == 0 && len(b.Reasons) == 0 {
		a.Reasons, b.Reasons = nil, nil
	}
	for _, x := range []*policy.Basis{a.Basis, b.Basis} {
		if x == nil {
			continue
		}
		for _, m := range []*policy.BasisMember{x.Member, x.Supervisor} {
			if m != nil && len(m.Holdings) == 0 {
				m.Holdings = nil
			}
		}
	}
	return reflect.DeepEqual(a, b)
}

func TestDecidedReaderReadsWhatEncodingJSONReads(t *testing.T) {
	var r DecidedReader
	fast := 0
	for range 2 { // the second time, with the memory of the first
		for _, body := range decidedBodies {
			for _, k := range []Kind{SessionStart, RoleChanged, HandedOver, Refused} {
				record := decidedRecord(t, k, body)
				if r.fast(record) {
					fast++
				}
				got, err := r.Read(record)
				want, wantErr := slowly(record)
				if (err == nil) != (wantErr == nil) || !sameDecided(got, want) {
					t.Errorf("%s %s:\n%+v %v\nwant %+v %v", k, body, got, err, want, wantErr)
				}
			}
		}
	}
	if fast < 2*4*4 {
		t.Errorf("%d of the records were read in one pass, want those of usual form", fast)
	}
}

func TestDecidedReaderRefusesWhatIsNoRecord(t *testing.T) {
	var r DecidedReader
	record := string(decidedRecord(t, Refused, decidedBodies[1]))
	for _, text := range []string{"", "{", "[]", "null", record + "x", record[:len(record)-1],
		strings.Replace(record, `"seq":1`, `"seq":0`, 1)} {
		if _, err := r.Read([]byte(text)); err == nil && !strings.Contains(text, `"seq":0`) {
			t.Errorf("%q was read", text)
		}
	}
}

func TestDecidedReaderKeepsABoundedNumberOfWords(t *testing.T) {
	var r DecidedReader
	for i := range 3 * maxWords {
		r.word([]byte{byte(i), byte(i >> 8), byte(i >> 16)})
	}
	if len(r.words) > maxWords {
		t.Errorf("%d words are kept", len(r.words))
	}
}

func FuzzDecided(f *testing.F) {
	for _, body := range decidedBodies {
		f.Add(decidedRecord(f, Refused, body))
		f.Add(decidedRecord(f, SessionStart, body))
	}
	var r DecidedReader
	f.Fuzz(func(t *testing.T, record []byte) {
		want, wantErr := slowly(record)
		got, err := r.Read(record)
		if wantErr != nil { // what the ledger keeps was parsed before
			return
		}
		if err != nil || !sameDecided(got, want) {
			t.Errorf("%s:\n%+v %v\nwant %+v", record, got, err, want)
		}
	})
}
