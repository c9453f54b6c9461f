package chunks_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"portillon/hub/chunks"
	"portillon/wire"
)

// shelf is an in-memory store of chunks.
type shelf struct {
	mu     sync.Mutex
	chunks map[string][]byte
	hidden map[string]bool
	fails  atomic.Bool
	reads  atomic.Int64
}

func (s *shelf) put(b []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.chunks[wire.Hash(b)] = b
	return wire.Hash(b)
}

func (s *shelf) served(sha string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.chunks[sha]
	return ok && !s.hidden[sha]
}

func (s *shelf) read(sha string) ([]byte, error) {
	s.reads.Add(1)
	if s.fails.Load() {
		return nil, errors.New("damaged")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b, ok := s.chunks[sha]
	if !ok {
		return nil, fs.ErrNotExist
	}
	return b, nil
}

func newShelf() (*shelf, *chunks.Server, http.Handler) {
	s := &shelf{chunks: map[string][]byte{}, hidden: map[string]bool{}}
	server := chunks.New(chunks.Options{Served: s.served, Read: s.read})
	mux := http.NewServeMux()
	mux.HandleFunc("GET /chunks/{sha}", server.GetChunk)
	mux.HandleFunc("GET /chunks/{sha}/parts", server.GetOutline)
	mux.HandleFunc("POST /chunks/{sha}/parts", server.PostParts)
	return s, server, mux
}

func ask(h http.Handler, method, path, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func rosterOf(t *testing.T, n int) ([]byte, []string) {
	t.Helper()
	var b wire.RosterBucket
	for i := range n {
		b.Members = append(b.Members, wire.Member{ID: fmt.Sprintf("m-%d", i), Name: "somebody"})
	}
	chunk, err := wire.EncodeChunk(b)
	if err != nil {
		t.Fatal(err)
	}
	p, err := wire.SplitChunk(chunk)
	if err != nil {
		t.Fatal(err)
	}
	return chunk, p.Hashes
}

func unzip(t *testing.T, w *httptest.ResponseRecorder) []byte {
	t.Helper()
	if w.Header().Get("Content-Encoding") != "gzip" {
		return w.Body.Bytes()
	}
	z, err := gzip.NewReader(w.Body)
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestChunksAreCompressedForClientsThatAcceptGzip(t *testing.T) {
	s, _, h := newShelf()
	roster, _ := rosterOf(t, 50)
	at := "/chunks/" + s.put(roster)
	for accept, zipped := range map[string]bool{"": false, "gzip": true, "deflate, gzip;q=0.5": true, "gzip;q=0": false,
		"br": false, "GZIP": true,
		"gzip;q=x": false} {
		w := ask(h, "GET", at, "", "Accept-Encoding", accept)
		if got := w.Header().Get("Content-Encoding") == "gzip"; got != zipped || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: compressed %v", accept, got)
		}
		if zipped && w.Body.Len() > len(roster)/3 {
			t.Errorf("%q: %d of %d bytes", accept, w.Body.Len(), len(roster))
		}
		if got := unzip(t, w); !bytes.Equal(got, roster) {
			t.Errorf("%q: %d bytes", accept, len(got))
		}
	}
	w := ask(h, "GET", at, "", "Accept-Encoding", "gzip", "Range", "bytes=10-19")
	if w.Code != http.StatusPartialContent || !bytes.Equal(w.Body.Bytes(), roster[10:20]) {
		t.Errorf("a range: %d, %q", w.Code, w.Body)
	}
	random := bytes.Repeat([]byte{0}, 10)
	if w := ask(h, "GET", "/chunks/"+s.put(random), "", "Accept-Encoding", "gzip"); w.Header().
		Get("Content-Encoding") !=
		"" {
		t.Error("what does not get smaller was compressed")
	}
}

func TestPartsAreServedByHash(t *testing.T) {
	s, _, h := newShelf()
	roster, hashes := rosterOf(t, 50)
	at := "/chunks/" + s.put(roster) + "/parts"
	w := ask(h, "GET", at, "", "Accept-Encoding", "gzip")
	o, err := wire.OpenOutline(unzip(t, w))
	if err != nil || !slices.Equal(o.Parts, hashes) || w.Code != http.StatusOK {
		t.Fatalf("%d, %v, %d parts", w.Code, err, len(o.Parts))
	}
	want := []string{hashes[7], hashes[3]}
	body, err := json.Marshal(wire.PartsAsk{Parts: want})
	if err != nil {
		t.Fatal(err)
	}
	w = ask(h, "POST", at, string(body), "Accept-Encoding", "gzip")
	got, err := wire.OpenParts(unzip(t, w), want)
	if err != nil || len(got) != 2 || !bytes.Contains(got[0], []byte(`"m-7"`)) {
		t.Errorf("%d, %v, %q", w.Code, err, got)
	}
}

func TestRequestsForChunksThatAreNotServedAreRejected(t *testing.T) {
	s, _, h := newShelf()
	roster, hashes := rosterOf(t, 5)
	_, others := rosterOf(t, 6)
	sha, text, gone := s.put(roster), s.put([]byte("policy")), s.put([]byte("x"))
	s.hidden[gone] = true
	parts := func(all ...string) string {
		b, _ := json.Marshal(wire.PartsAsk{Parts: all})
		return string(b)
	}
	at := "/chunks/" + sha + "/parts"
	for name, c := range map[string]struct {
		method, path, body string
		want               int
	}{
		"no hash":               {"GET", "/chunks/x", "", 404},
		"upper case":            {"GET", "/chunks/" + strings.ToUpper(sha), "", 404},
		"an unknown chunk":      {"GET", "/chunks/" + wire.Hash([]byte("?")), "", 404},
		"not served any more":   {"GET", "/chunks/" + gone, "", 404},
		"its outline":           {"GET", "/chunks/" + gone + "/parts", "", 404},
		"its parts":             {"POST", "/chunks/" + gone + "/parts", parts(hashes[0]), 404},
		"a chunk without parts": {"GET", "/chunks/" + text + "/parts", "", 404},
		"another chunk's part":  {"POST", at, parts(hashes[0], others[5]), 400},
		"a part of the policy":  {"POST", "/chunks/" + text + "/parts", parts(hashes[0]), 400},
		"no part":               {"POST", at, parts(), 400},
		"too many":              {"POST", at, parts(slices.Repeat(hashes[:1], wire.MaxAskedParts+1)...), 400},
		"too many bytes":        {"POST", at, `{"parts":["` + strings.Repeat("0", wire.MaxPartsAsk) + `"]}`, 400},
		"no JSON":               {"POST", at, "x", 400},
		"a path":                {"POST", at, parts("../../etc/passwd"), 400},
	} {
		if w := ask(h, c.method, c.path, c.body); w.Code != c.want {
			t.Errorf("%s: %d, want %d: %s", name, w.Code, c.want, w.Body)
		}
	}
	s.hidden[sha] = true
	if w := ask(h, "GET", "/chunks/"+sha, ""); w.Code != 404 {
		t.Error("a chunk that is remembered was handed out after its bundle was gone")
	}
}

func TestConcurrentRequestsReadAChunkOnce(t *testing.T) {
	s, _, h := newShelf()
	roster, hashes := rosterOf(t, 100)
	at := "/chunks/" + s.put(roster)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			for range 5 {
				b, _ := json.Marshal(wire.PartsAsk{Parts: hashes[:3]})
				codes := []int{ask(h, "GET", at, "", "Accept-Encoding", "gzip").Code, ask(h, "GET", at+"/parts", "").Code,
					ask(h, "POST", at+"/parts", string(b)).Code}
				if !slices.Equal(codes, []int{200, 200, 200}) {
					t.Error(codes)
				}
			}
		})
	}
	all.Wait()
	if n := s.reads.Load(); n != 1 {
		t.Errorf("read %d times", n)
	}
}

func TestDamagedChunkIsReadAgainAtTheNextRequest(t *testing.T) {
	s, _, h := newShelf()
	at := "/chunks/" + s.put([]byte("chunk"))
	s.fails.Store(true)
	if w := ask(h, "GET", at, ""); w.Code != http.StatusServiceUnavailable {
		t.Errorf("damaged: %d", w.Code)
	}
	s.fails.Store(false)
	if w := ask(h, "GET", at, ""); w.Code != http.StatusOK {
		t.Errorf("repaired: %d", w.Code)
	}
}

func TestCachedChunksAreBounded(t *testing.T) {
	if testing.Short() {
		t.Skip("short: fills the cache of chunks")
	}
	s, _, h := newShelf()
	var paths []string
	for i := range 20 {
		paths = append(paths, "/chunks/"+s.put(bytes.Repeat([]byte{byte(i)}, 1<<20)))
	}
	for range 2 {
		for _, p := range paths {
			ask(h, "GET", p, "")
		}
	}
	if n := s.reads.Load(); n != 40 {
		t.Errorf("20 chunks of 1 MB were read %d times in two rounds, want 40", n)
	}
	for range 3 {
		ask(h, "GET", paths[19], "")
	}
	if n := s.reads.Load(); n != 40 {
		t.Errorf("the last chunk was read again")
	}
	big := "/chunks/" + s.put(bytes.Repeat([]byte{1}, 9<<20))
	for range 2 {
		if w := ask(h, "GET", big, ""); w.Code != 200 || w.Body.Len() != 9<<20 {
			t.Error("a chunk larger than what is remembered was not served")
		}
	}
}

func TestCredentialsAreFoundByTheirOwnHash(t *testing.T) {
	s, server, _ := newShelf()
	var buckets []chunks.Bucket
	for i := range 3 {
		credential := []byte(fmt.Sprintf("credential %d", i))
		roster, err1 := wire.EncodeChunk(
			wire.RosterBucket{Members: []wire.Member{{ID: "m", Badges: []string{wire.Hash(credential)}}}},
		)
		badges, err2 := wire.EncodeChunk(wire.BadgesBucket{Credentials: [][]byte{credential, []byte("of nobody")}})
		if err := errors.Join(err1, err2); err != nil {
			t.Fatal(err)
		}
		buckets = append(buckets, chunks.Bucket{Roster: s.put(roster), Badges: s.put(badges)})
	}
	if b, err := server.Credential(wire.Hash([]byte("credential 2")), buckets); err != nil || string(b) != "credential 2" {
		t.Errorf("%q, %v", b, err)
	}
	for _, text := range []string{"credential 3", "of nobody"} {
		if _, err := server.Credential(wire.Hash([]byte(text)), buckets); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := server.Credential(wire.Hash([]byte("credential 2")), buckets[:2]); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("of a bundle without it: %v", err)
	}
}
