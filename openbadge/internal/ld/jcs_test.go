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

// The vectors of RFC 8785's author (cyberphone/json-canonicalization).
func TestJCSVectors(t *testing.T) {
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

func TestJCSRefusesWhatIsNoJSON(t *testing.T) {
	deep := any("x")
	for range maxDepth + 1 {
		deep = []any{deep}
	}
	for _, v := range []any{deep, "\xff", Object{"\xff": nil}, json.Number("1e400"), json.Number("x"), math.NaN(), 5, []any{struct{}{}}} {
		if got, err := JCS(v); err == nil {
			t.Errorf("%v is %s", v, got)
		}
	}
}

// Whatever we write, another writer of RFC 8785 writes alike.
func FuzzJCS(f *testing.F) {
	for _, s := range []string{`{"a":[1,2.5e3,-0,1e21,1e-7,"é\n😀\u0001\u007f\u2028",true,null,{}]}`, `{"\ufb33":1,"😀":2,"\r":3,"€":4}`, `{"":5e-324}`} {
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
