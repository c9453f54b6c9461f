package hublink

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"portillon/wire"
)

func zip(t *testing.T, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := z.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// counter counts the bytes that are read from a body.
type counter struct {
	io.Reader
	n int
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.Reader.Read(b)
	c.n += n
	return n, err
}

func (c *counter) Close() error { return nil }

func TestSizeOfResponsesIsLimitedAfterDecompression(t *testing.T) {
	text := bytes.Repeat([]byte("portillon "), 100)
	bomb := zip(t, make([]byte, 8<<20))
	for name, c := range map[string]struct {
		encoding string
		body     []byte
		limit    int64
		want     int // expected length of the result in bytes; -1: an error
	}{
		"plain":                      {"", text, 1000, 1000},
		"identity":                   {"identity", text, 1000, 1000},
		"compressed":                 {"gzip", zip(t, text), 1000, 1000},
		"longer than the limit":      {"gzip", zip(t, text), 999, 1000}, // one byte above the limit, which the caller rejects
		"a bomb":                     {"gzip", bomb, 5000, 5001},
		"a bomb for nothing":         {"gzip", bomb, 0, 1},
		"cut":                        {"gzip", zip(t, text)[:20], 1000, -1},
		"no gzip":                    {"gzip", text, 1000, -1},
		"another encoding":           {"br", text, 1000, -1},
		"two encodings":              {"gzip, gzip", zip(t, zip(t, text)), 1000, -1},
		"incompressible, compressed": {"gzip", zip(t, []byte("x")), 1, 1},
	} {
		body := &counter{Reader: bytes.NewReader(c.body)}
		b, err := readBody(&http.Response{Header: http.Header{"Content-Encoding": {c.encoding}}, Body: body}, c.limit)
		if c.want < 0 && err == nil || c.want >= 0 && (err != nil || len(b) != c.want) {
			t.Errorf("%s: %d bytes, %v; want %d", name, len(b), err, c.want)
		}
		if int64(body.n) > c.limit+c.limit/100+1024 && c.encoding != "" {
			t.Errorf("%s: %d bytes of the body were read", name, body.n)
		}
	}
}

func TestHubThatDoesNotServePartsIsDistinguishedFromAnUnreachableHub(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		code   string
		want   error // nil: neither error
	}{
		"no such route":      {http.StatusNotFound, "", wire.ErrNoParts},
		"another method":     {http.StatusMethodNotAllowed, "", wire.ErrNoParts},
		"no such part":       {http.StatusBadRequest, "", wire.ErrFetchWhole},
		"revoked meanwhile":  {http.StatusForbidden, "not-a-machine", nil},
		"a damaged chunk":    {http.StatusServiceUnavailable, "", nil},
		"a refusal by code":  {http.StatusNotFound, "expired", nil},
		"an error of itself": {http.StatusInternalServerError, "", nil},
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Portillon-Refused", c.code)
			http.Error(w, "no", c.status)
		}))
		_, err := do(t.Context(), s.Client(), http.MethodGet, s.URL, nil, 100)
		s.Close()
		if err == nil || !strings.Contains(err.Error(), "no") {
			t.Errorf("%s: %v", name, err)
		}
		got := noParts(err)
		for _, e := range []error{wire.ErrNoParts, wire.ErrFetchWhole} {
			if errors.Is(got, e) != (c.want == e) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}
