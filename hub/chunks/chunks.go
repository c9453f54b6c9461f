// Package chunks serves the chunks of a bundle to machines: whole, compressed if the machine accepts that, and in parts
// (wire.Parts).
//
//	GET  /chunks/HASH          a chunk
//	GET  /chunks/HASH/parts    the outline of a chunk (wire.Outline)
//	POST /chunks/HASH/parts    some parts of a chunk (wire.PartsAsk)
//
// The server reads, checks, compresses and divides a chunk only once, even if many machines request it. The server also
// generates each response only once. The server rejects requests for chunks that Options.Served does not allow, for
// parts that the chunk does not have, and for more than wire.MaxAskedParts parts.
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

// Options contains the functions that a Server calls. Served and Read are required.
type Options struct {
	// Served reports whether the server may send a chunk now.
	Served func(sha string) bool
	// Read reads a chunk and checks its hash. The error is fs.ErrNotExist if the chunk does not exist. Read may be called
	// concurrently.
	Read func(sha string) ([]byte, error)
}

// Server serves chunks. The methods of a Server may be called concurrently.
type Server struct {
	o     Options
	cache cache
}

// New returns a Server.
func New(o Options) *Server { return &Server{o: o} }

// chunkHash is the form of a SHA-256 hash in hexadecimal.
var chunkHash = regexp.MustCompile(`^[0-9a-f]{64}$`)

// chunk returns the chunk that a request names. If chunk returns nil, chunk has already sent an error response.
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

// GetChunk answers GET /chunks/{sha}. Clients may cache the response for ever, because the URL contains the hash of the
// content.
func (s *Server) GetChunk(w http.ResponseWriter, r *http.Request) {
	e := s.chunk(w, r)
	if e == nil {
		return
	}
	allowCachingForever(w)
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
	if err != nil { // a chunk such as the policy has no parts
		http.NotFound(w, r)
		return
	}
	allowCachingForever(w)
	b.write(w, r)
}

// PostParts answers POST /chunks/{sha}/parts. The body lists the hashes of the parts.
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
		// the status is not 404, because a machine takes 404 for a missing route
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	b.write(w, r)
}

// Credential finds a credential by its hash in one of the given buckets. The error is fs.ErrNotExist if no bucket
// contains the credential.
func (s *Server) Credential(sha string, buckets []Bucket) ([]byte, error) {
	for _, b := range buckets {
		// read the roster without the cache, because the rosters of all buckets would fill the cache
		roster, err := s.o.Read(b.Roster)
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

// Bucket contains the hashes of the two chunks of a bucket: the roster and the credentials.
type Bucket struct{ Roster, Badges string }

// allowCachingForever allows the client to cache the response for ever.
func allowCachingForever(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "private, max-age=31536000, immutable")
}

// write sends the body of a response, except to a HEAD request.
func write(w http.ResponseWriter, r *http.Request, b []byte) {
	w.Header().Set("Content-Length", strconv.Itoa(len(b)))
	if r.Method != http.MethodHead {
		w.Write(b) // ignore the error of a client that has disconnected
	}
}

// acceptsGzip reports whether the client accepts gzip (RFC 9110, section 12.5.3): the header names gzip, without q=0.
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

// smallChunk is the maximum size, in bytes, of chunks that are compressed well. Larger chunks contain badges, whose
// signatures can hardly be compressed, so that fast compression is enough.
const smallChunk = 256 << 10

// compress returns b in gzip format.
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
	if err = errors.Join(err, w.Close()); err != nil { // cannot happen, because a buffer accepts all bytes
		return b
	}
	return out.Bytes()
}
