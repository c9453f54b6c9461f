// Package chunks serves the chunks of a bundle to machines: whole, compressed where the machine can read that, and by
// their parts (wire.Parts).
//
//	GET  /chunks/HASH          a chunk
//	GET  /chunks/HASH/parts    its outline (wire.Outline)
//	POST /chunks/HASH/parts    parts of it (wire.PartsAsk)
//
// A chunk that many machines ask for is read, checked, compressed and taken apart once, and so is an answer. It refuses
// what is no chunk of the bundles that Options.Served names, parts that the chunk does not have, and more than
// wire.MaxAskedParts parts at once.
package chunks

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"portillon/wire"
)

// Options are what a Server works with. Both are required.
type Options struct {
	// Served reports whether a chunk may be handed out now.
	Served func(sha string) bool
	// Read gives the bytes of a chunk, whose hash it has checked; fs.ErrNotExist: there is none. It may be called by many
	// goroutines.
	Read func(sha string) ([]byte, error)
}

// Server serves chunks. Its methods may be called by many goroutines.
type Server struct {
	o     Options
	cache cache
}

// New returns a Server.
func New(o Options) *Server { return &Server{o: o} }

var chunkHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// chunk is the chunk that a request names, or nil once the request is answered.
func (s *Server) chunk(w http.ResponseWriter, r *http.Request) *entry {
	sha := r.PathValue("sha")
	if !chunkHash.MatchString(sha) || !s.o.Served(sha) {
		http.NotFound(w, r)
		return nil
	}
	e, err := s.cache.get(sha, s.o.Read)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		http.NotFound(w, r)
	case err != nil:
		http.Error(w, "the chunk is damaged on the hub's disk", http.StatusServiceUnavailable)
	default:
		return e
	}
	return nil
}

// GetChunk answers GET /chunks/{sha}. The client may keep the answer for good, because the content of a hash never
// changes.
func (s *Server) GetChunk(w http.ResponseWriter, r *http.Request) {
	e := s.chunk(w, r)
	if e == nil {
		return
	}
	forGood(w)
	w.Header().Set("Vary", "Accept-Encoding")
	w.Header().Set("Content-Type", "application/octet-stream")
	if acceptsGzip(r) && r.Header.Get("Range") == "" {
		if b := e.compressed(); b != nil {
			w.Header().Set("Content-Encoding", "gzip")
			write(w, r, b)
			return
		}
	}
	w.Header().Set("ETag", `"`+e.sha+`"`)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(e.raw))
}

// GetOutline answers GET /chunks/{sha}/parts.
func (s *Server) GetOutline(w http.ResponseWriter, r *http.Request) {
	e := s.chunk(w, r)
	if e == nil {
		return
	}
	b, err := e.outline()
	if err != nil { // the policy has no parts
		http.NotFound(w, r)
		return
	}
	forGood(w)
	b.write(w, r)
}

// PostParts answers POST /chunks/{sha}/parts.
func (s *Server) PostParts(w http.ResponseWriter, r *http.Request) {
	e := s.chunk(w, r)
	if e == nil {
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, wire.MaxPartsAsk))
	var asked []string
	if err == nil {
		asked, err = wire.OpenPartsAsk(body)
	}
	if err != nil {
		http.Error(w, wire.OneLine(err.Error(), 300), http.StatusBadRequest)
		return
	}
	b, err := e.answer(asked)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest) // 404 would say that there is no such route
		return
	}
	b.write(w, r)
}

// Credential gives a credential by its own hash, where one of these buckets has it; fs.ErrNotExist: none has.
func (s *Server) Credential(sha string, buckets []Bucket) ([]byte, error) {
	for _, b := range buckets {
		roster, err := s.o.Read(b.Roster) // all of them would fill the cache
		if err != nil {
			return nil, err
		}
		if !bytes.Contains(roster, []byte(`"`+sha+`"`)) {
			continue
		}
		badges, err := s.cache.get(b.Badges, s.o.Read)
		if err != nil {
			return nil, err
		}
		if x, ok := badges.part(sha); ok {
			return wire.Credential(x)
		}
	}
	return nil, fs.ErrNotExist
}

// Bucket names the two chunks of a bucket by their hashes.
type Bucket struct{ Roster, Badges string }

// forGood lets a client keep the answer for good: a chunk is named by the hash of its content.
func forGood(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
}

// write answers with b, or with its length alone for HEAD.
func write(w http.ResponseWriter, r *http.Request, b []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		w.Write(b) // the client may have closed the connection
	}
}

// acceptsGzip reports whether the client accepts gzip (RFC 9110, section 12.5.3): it is named, and not with q=0.
func acceptsGzip(r *http.Request) bool {
	for _, field := range r.Header.Values("Accept-Encoding") {
		for one := range strings.SplitSeq(field, ",") {
			name, weight, _ := strings.Cut(strings.ReplaceAll(one, " ", ""), ";")
			if strings.EqualFold(name, "gzip") {
				q, err := strconv.ParseFloat(strings.TrimPrefix(weight, "q="), 64)
				return weight == "" || err == nil && q > 0
			}
		}
	}
	return false
}

// smallChunk is up to how many bytes a chunk is compressed as well as possible; larger ones, of badges, as fast as
// possible: they hold signatures, of which little can be saved.
const smallChunk = 256 << 10

// compress is b in gzip.
func compress(b []byte) []byte {
	level := gzip.BestSpeed
	if len(b) <= smallChunk {
		level = gzip.DefaultCompression
	}
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, level)
	if err == nil {
		_, err = w.Write(b)
	}
	if err = errors.Join(err, w.Close()); err != nil { // a buffer takes everything
		return b
	}
	return out.Bytes()
}
