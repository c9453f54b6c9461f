package ld

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestAmbiguousJSONIsRejected(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"a":1,"a":1}`, "malformed"},
		{`{"a":1,"\u0061":1}`, "malformed"},
		{`{"a":{"b":null,"b":1}}`, "malformed"},
		{`{"a":"\ud800"}`, "malformed"},
		{`{"a":"\ud800x"}`, "malformed"},
		{`{"a":"\udc00\ud800"}`, "malformed"},
		{`{"a":"\ud83d\ude00"}`, ""},
		{"{\"a\":\"\xff\"}", "malformed"},
		{"{\"a\":\"\xed\xa0\x80\"}", "malformed"},
		{"{\"a\":\"\x01\"}", "malformed"},
		{"\ufeff{}", "malformed"},
		{`{"a":9007199254740992}`, ""},
		{`{"a":9007199254740993e0}`, ""},        // rounded to 2^53
		{`{"a":9007199254740993}`, "malformed"}, // a parser that uses doubles reads this number as 9007199254740992
		{`{"a":9007199254740994}`, ""},
		{`{"a":100000000000000000000}`, ""},
		{`{"a":12345678901234567168}`, ""}, // this integer has all digits of a double
		{`{"a":12345678901234567000}`, ""}, // the same number in the form of RFC 8785
		{`{"a":12345678901234567100}`, "malformed"},
		{`{"a":-100000000000000000001}`, "malformed"},
		{`{"a":1e21}`, ""},
		{`{"a":1.5e300}`, ""},
		{`{"a":5e-324}`, ""},
		{`{"a":1e400}`, "malformed"},
		{`{"a":01}`, "malformed"},
		{`{"a":1.}`, "malformed"},
		{`{"a":.1}`, "malformed"},
		{`{"a":+1}`, "malformed"},
		{`{"a":-}`, "malformed"},
		{`{"a":1e}`, "malformed"},
		{`{"a":NaN}`, "malformed"},
		{`{"a":tru}`, "malformed"},
		{`{"a":[1,]}`, "malformed"},
		{`{"a":1,}`, "malformed"},
		{`{a:1}`, "malformed"},
		{`{"a":1}{`, "malformed"},
		{`{"a":"\x"}`, "malformed"},
		{`{"a":"\u12"}`, "malformed"},
		{`{"a":"`, "malformed"},
		{`{"a":"\`, "malformed"},
		{`[]`, "malformed"},
		{``, "malformed"},
		{`{` + `"a":` + strings.Repeat("[", maxDepth-1) + strings.Repeat("]", maxDepth-1) + `}`, ""},
		{`{` + `"a":` + strings.Repeat("[", maxDepth) + strings.Repeat("]", maxDepth) + `}`, "too-complex"},
		{`{"a":[` + strings.Repeat("1,", maxValues) + `1]}`, "too-complex"},
	} {
		_, err := Parse([]byte(c.in))
		if got, _, _ := strings.Cut(errText(err), ":"); got != c.want {
			t.Errorf("%.60s: %v, want %q", c.in, err, c.want)
		}
	}
}

// The standard library must decode every accepted document to the same value.
func FuzzJSON(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e3,-0,"\u00e9\n\ud83d\ude00",true,false,null,{}]}`,
		`{"a":"\ud800"}`,
		`{"":""}`,
		` {"a" : [ ] , "b":{"c":1}}`,
		`{"a":1,"a":2}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err != nil {
			return
		}
		d := json.NewDecoder(bytes.NewReader(b))
		d.UseNumber()
		var want map[string]any
		if err := d.Decode(&want); err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %v here, %v there: %v", b, got, want, err)
		}
	})
}
