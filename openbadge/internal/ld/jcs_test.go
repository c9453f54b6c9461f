package ld

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/gowebpki/jcs"

	"portillon/openbadge/internal/otherstest"
)

// The test uses the vectors of RFC 8785's author (cyberphone/json-canonicalization).
func TestJCSMatchesTheVectors(t *testing.T) {
	dir := otherstest.Path(t, "cyberphone+json-canonicalization", "testdata")
	entries, err := os.ReadDir(filepath.Join(dir, "input"))
	if err != nil {
		t.Fatal(err)
	}
	passed := 0
	for _, e := range entries {
		got, err := JCS(decode(t, file(t, filepath.Join(dir, "input", e.Name()))))
		want := file(t, filepath.Join(dir, "output", e.Name()))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %v\n%s\n%s", e.Name(), err, got, want)
			continue
		}
		passed++
	}
	t.Logf("%d of %d vectors", passed, len(entries))
	if len(entries) != 6 {
		t.Errorf("%d vectors, 6 are known", len(entries))
	}
}

func decode(t testing.TB, b []byte) (v any) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The table lists numbers and how ECMAScript writes them (RFC 8785, appendix B).
func TestJCSWritesNumbersLikeECMAScript(t *testing.T) {
	for in, want := range map[json.Number]string{
		"-0":                      "0",
		"0.0":                     "0",
		"1e21":                    "1e+21",
		"1e20":                    "100000000000000000000",
		"1E-7":                    "1e-7",
		"0.000001":                "0.000001",
		"5e-324":                  "5e-324",
		"-1.7976931348623157e308": "-1.7976931348623157e+308",
		"333333333.33333329":      "333333333.3333333",
		"9007199254740993":        "9007199254740992",
	} {
		if got, err := JCS(in); err != nil || string(got) != want {
			t.Errorf("%s: %s %v, want %s", in, got, err, want)
		}
	}
}

func TestJCSEscapesOnlyControlCharacters(t *testing.T) {
	if got, err := JCS("\x00\x0f\x10\x1f\x7f\u0085\u2028<>&/"); err != nil ||
		string(got) != "\"\\u0000\\u000f\\u0010\\u001f\x7f\u0085\u2028<>&/\"" {
		t.Errorf("%q %v", got, err)
	}
}

func TestJCSRejectsValuesOutsideJSON(t *testing.T) {
	deep := any("x")
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	for _, v := range []any{
		deep,
		"\xff",
		Object{"\xff": nil},
		json.Number("1e400"),
		json.Number("x"),
		math.NaN(),
		5,
		[]any{struct{}{}},
	} {
		if got, err := JCS(v); err == nil {
			t.Errorf("%v is %s", v, got)
		}
	}
}

// The test compares the output with another implementation of RFC 8785.
func FuzzJCS(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e3,-0,1e-7,"é\n😀\u0001\u007f\u2028",true,null,{}]}`,
		`{"\ufb33":1,"😀":2,"\r":3,"€":4}`,
		`{"":5e-324}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o, err := Parse(b)
		if err != nil {
			return
		}
		got, err := JCS(o)
		want, err2 := jcs.Transform(b)
		if err != nil || err2 != nil || !bytes.Equal(got, want) {
			t.Fatalf("%q: %q %v here, %q %v there", b, got, err, want, err2)
		}
	})
}
