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

// body is an answer in JSON, made and compressed once: after a change of one member all machines of a site ask for the
// same outline and the same parts.
type body struct {
	made sync.Once
	raw  []byte
	gzip []byte // nil: it is no smaller
	err  error
}

// fill makes the body unless it is made.
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

// write answers with the body, compressed if the client accepts gzip.
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

// maxAnswers bounds the answers with parts of one chunk that are kept. Machines that worked from the bundle before ask
// for the same parts; those that were away ask for others.
const maxAnswers = 4

// answers keeps the newest answers with parts of one chunk.
type answers struct {
	mu  sync.Mutex
	all []*answer // the most recently requested one is the last
}

// answer is the answer to one set of parts.
type answer struct {
	body  body
	asked [sha256.Size]byte // SHA-256 of the hashes that were asked for
}

// of is the answer to an ask, a new one where none is kept.
func (a *answers) of(hashes []string) *answer {
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

// drop forgets an answer.
func (a *answers) drop(x *answer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = slices.DeleteFunc(a.all, func(y *answer) bool { return y == x })
}

// outline is the answer with the chunk's outline.
func (e *entry) outline() (*body, error) {
	return &e.outlined, e.outlined.fill(func() ([]byte, error) {
		p, err := e.parts()
		if err != nil {
			return nil, err
		}
		return json.Marshal(p.Outline())
	})
}

// noPart is the hash of a part that a chunk does not have.
type noPart string

// Error names the part.
func (e noPart) Error() string { return "the chunk has no part " + string(e) }

// answer is the answer with parts of the chunk. The error is a noPart. One of more than a quarter of the chunk's bytes
// is not kept: so the answers that are kept have no more bytes than the chunk.
func (e *entry) answer(hashes []string) (*body, error) {
	x := e.answers.of(hashes)
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
