package chunks

import (
	"slices"
	"sync"

	"portillon/wire"
)

// maxCached is the maximum number of bytes of cached chunks. With the compressed and divided forms of these chunks, the
// cache uses at most three times as much memory. After a change of one member, machines request two or three chunks. In
// a site with 10,000 members, a chunk has 0.1 to 1 MB.
const maxCached = 6 << 20

// cache stores the most recently used chunks.
type cache struct {
	mu      sync.Mutex
	entries []*entry // sorted, the most recently used last
}

// entry is a cached chunk. The first request for a form of the chunk (compressed, divided, outline) adds this form.
type entry struct {
	sha  string
	read sync.Once
	err  error
	raw  []byte
	size int // length of raw after raw was read; guarded by cache.mu

	zipped   zipped
	split    split
	outlined body
	answers  answers
}

// zipped is a chunk in gzip format. The first request compresses the chunk.
type zipped struct {
	once sync.Once
	gzip []byte // compressed chunk; nil: compression does not make the chunk smaller
}

// split is a chunk divided into its parts. The first request divides the chunk.
type split struct {
	once  sync.Once
	err   error
	parts wire.Parts
	at    map[string]int // index of each part in parts.Elements, by hash
}

// get returns a chunk from the cache, or reads it. Concurrent callers wait until the chunk has been read once.
func (c *cache) get(sha string, read func(sha string) ([]byte, error)) (*entry, error) {
	e := c.entry(sha)
	e.read.Do(func() { e.raw, e.err = read(sha) })
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.err != nil { // do not cache an error, because the file may be repaired before the next request
		c.entries = slices.DeleteFunc(c.entries, func(x *entry) bool { return x == e })
		return nil, e.err
	}
	e.size = len(e.raw)
	c.trim()
	return e, nil
}

// entry returns the cache's entry of a chunk, and creates the entry if the cache has none.
func (c *cache) entry(sha string) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.IndexFunc(c.entries, func(x *entry) bool { return x.sha == sha })
	e := &entry{sha: sha}
	if i >= 0 {
		e = c.entries[i]
		c.entries = slices.Delete(c.entries, i, i+1)
	}
	c.entries = append(c.entries, e)
	return e
}

// trim removes the least recently used chunks until the cache has at most maxCached bytes. trim never removes the most
// recently used chunk.
func (c *cache) trim() {
	total := 0
	for i := len(c.entries) - 1; i >= 0; i-- {
		total += c.entries[i].size
		if total > maxCached && i < len(c.entries)-1 {
			c.entries = slices.Delete(c.entries, 0, i+1)
			return
		}
	}
}

// compressed returns the chunk in gzip format, or nil if compression does not make the chunk smaller.
func (e *entry) compressed() []byte {
	e.zipped.once.Do(func() {
		if z := compress(e.raw); len(z) < len(e.raw) {
			e.zipped.gzip = z
		}
	})
	return e.zipped.gzip
}

// parts returns the chunk divided into its parts.
func (e *entry) parts() (wire.Parts, error) {
	s := &e.split
	s.once.Do(func() {
		s.parts, s.err = wire.SplitChunk(e.raw)
		s.at = make(map[string]int, len(s.parts.Hashes))
		for i, sha := range s.parts.Hashes {
			s.at[sha] = i
		}
	})
	return s.parts, s.err
}

// part returns the part with a given hash, and whether the chunk contains that part.
func (e *entry) part(sha string) ([]byte, bool) {
	p, err := e.parts()
	if err != nil {
		return nil, false
	}
	i, ok := e.split.at[sha]
	if !ok {
		return nil, false
	}
	return p.Elements[i], true
}
