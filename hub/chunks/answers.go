package chunks

import (
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"

	"portillon/wire"
)

// body is a JSON response that the server generates and compresses only once: after a change of one member, all
// machines of a site request the same outline and the same parts.
type body struct {
	made sync.Once
	raw  []byte
	gzip []byte // compressed body; nil: compression does not make the body smaller
	err  error
}

// fill generates the body at the first call. Concurrent callers wait for the first call and return the same error.
func (b *body) fill(make func() ([]byte, error)) error {
	b.made.Do(func() {
		if b.raw, b.err = make(); b.err != nil {
			return
		}
		if z := compress(b.raw); len(z) < len(b.raw) {
			b.gzip = z
		}
	})
	return b.err
}

// write sends the body, compressed if the client accepts gzip.
func (b *body) write(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Vary", "Accept-Encoding")
	if b.gzip != nil && acceptsGzip(r) {
		w.Header().Set("Content-Encoding", "gzip")
		write(w, r, b.gzip)
		return
	}
	write(w, r, b.raw)
}

// maxAnswers limits how many responses with parts of a chunk the hub caches for each chunk. All machines with the
// previous bundle request the same parts. Machines that were offline request other parts.
const maxAnswers = 4

// answers caches the most recently used responses with parts of one chunk.
type answers struct {
	mu  sync.Mutex
	all []*answer // sorted, the most recently used last
}

// answer is the cached response to a request for one set of parts.
type answer struct {
	body  body
	asked [sha256.Size]byte // SHA-256 of the requested list of hashes
}

// responseFor returns the cached response for a list of hashes. If the cache has no response for the list, responseFor
// adds an empty response.
func (a *answers) responseFor(hashes []string) *answer {
	asked := sha256.Sum256([]byte(strings.Join(hashes, "\n")))
	a.mu.Lock()
	defer a.mu.Unlock()
	i := slices.IndexFunc(a.all, func(x *answer) bool { return x.asked == asked })
	x := &answer{asked: asked}
	if i >= 0 {
		x = a.all[i]
		a.all = slices.Delete(a.all, i, i+1)
	} else if len(a.all) >= maxAnswers {
		a.all = slices.Delete(a.all, 0, 1)
	}
	a.all = append(a.all, x)
	return x
}

// drop removes a response from the cache.
func (a *answers) drop(x *answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, func(y *answer) bool { return y == x })
}

// outline returns the response with the chunk's outline.
func (e *entry) outline() (*body, error) {
	return &e.outlined, e.outlined.fill(func() ([]byte, error) {
		p, err := e.parts()
		if err != nil {
			return nil, err
		}
		return json.Marshal(p.Outline())
	})
}

// noPart is the error for a requested part that the chunk does not have. The value is the hash of the part.
type noPart string

// Error returns a text with the hash of the part.
func (e noPart) Error() string { return "chunk has no part " + string(e) }

// answer returns the response with the given parts of the chunk. If the chunk lacks a part, the error is a noPart.
// answer does not cache a response larger than a quarter of the chunk, so that all cached responses together are not
// larger than the chunk.
func (e *entry) answer(hashes []string) (*body, error) {
	x := e.answers.responseFor(hashes)
	err := x.body.fill(func() ([]byte, error) {
		elements := make([][]byte, 0, len(hashes))
		for _, sha := range hashes {
			part, ok := e.part(sha)
			if !ok {
				return nil, noPart(sha)
			}
			elements = append(elements, part)
		}
		return wire.JoinParts(wire.AnsweredParts, elements), nil
	})
	if err != nil || len(x.body.raw)+len(x.body.gzip) > len(e.raw)/maxAnswers {
		e.answers.drop(x)
	}
	return &x.body, err
}
