package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"

	"portillon/wire"
)

// library stores the chunks and outlines of all simulated machines once, by hash. Otherwise 1,000 copies of a roster
// of 10,000 members would not fit in this program's memory. Each machine sends requests over its own connection, and
// verifies the hash of each answer. If several machines have the same chunk, the library splits this chunk into parts
// only once.
type library struct {
	mu       sync.Mutex
	chunks   map[string]*storedChunk
	outlines map[string]*storedOutline // chunks and outlines, by their hash
}

// storedChunk is a chunk in the library, together with results that are computed only once for all machines.
type storedChunk struct {
	bytes []byte

	split sync.Once
	parts wire.Parts
	has   map[string]bool // hashes of the parts of the chunk; nil if the chunk has no parts

	outlined sync.Once
	outline  wire.Outline // outline of the badges chunk that belongs to this chunk of the roster
	err      error
}

// storedOutline is an outline in the library; it is parsed only once for all machines.
type storedOutline struct {
	read    sync.Once
	outline wire.Outline
	err     error
}

// newLibrary returns an empty library.
func newLibrary() *library {
	return &library{chunks: map[string]*storedChunk{}, outlines: map[string]*storedOutline{}}
}

// chunk returns a chunk of the library, or nil if no machine has fetched it.
func (l *library) chunk(sha string) *storedChunk {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chunks[sha]
}

// add stores a chunk whose hash has been verified.
func (l *library) add(sha string, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chunks[sha] == nil {
		l.chunks[sha] = &storedChunk{bytes: b}
	}
}

// outline parses an outline that the hub has sent, once for all machines.
func (l *library) outline(b []byte) (wire.Outline, error) {
	sha := wire.Hash(b)
	l.mu.Lock()
	o := l.outlines[sha]
	if o == nil {
		o = &storedOutline{}
		l.outlines[sha] = o
	}
	l.mu.Unlock()
	o.read.Do(func() { o.outline, o.err = wire.OpenOutline(b) })
	return o.outline, o.err
}

// partsOf returns the hashes of the parts of a chunk, or nil if the chunk has no parts.
func (s *storedChunk) partsOf() map[string]bool {
	s.split.Do(func() {
		var err error
		if s.parts, err = wire.SplitChunk(s.bytes); err != nil {
			return
		}
		s.has = make(map[string]bool, len(s.parts.Hashes))
		for _, sha := range s.parts.Hashes {
			s.has[sha] = true
		}
	})
	return s.has
}

// badges returns the outline of the badges chunk that belongs to this chunk of the roster.
func (s *storedChunk) badges() (wire.Outline, error) {
	s.outlined.Do(func() { s.outline, s.err = wire.BadgesOutline(s.bytes) })
	return s.outline, s.err
}

// join builds a chunk from the parts of the previous chunk and the received parts. It verifies the hash of the
// result, once for all machines.
func (l *library) join(c wire.Chunk, o wire.Outline, before *storedChunk, came map[string][]byte) error {
	if l.chunk(c.SHA256) != nil {
		return nil
	}
	before.partsOf()
	for i, sha := range before.parts.Hashes {
		came[sha] = before.parts.Elements[i]
	}
	elements := make([][]byte, len(o.Parts))
	for i, sha := range o.Parts {
		elements[i] = came[sha]
	}
	b := wire.JoinParts(o.List, elements)
	if wire.Hash(b) != c.SHA256 {
		return fmt.Errorf("chunk %s, joined from its parts, does not match the hash in the signed manifest", c.Name)
	}
	l.add(c.SHA256, b)
	return nil
}

// fetchBundle brings a bundle into force: it fetches the missing parts and verifies their hashes, as wire.Assembler
// and cmd/internal/hublink do.
func (m *simulated) fetchBundle(ctx context.Context, manifest []byte) error {
	b, err := m.fleet.open(manifest)
	if err != nil {
		return err
	}
	if b.Version <= m.version.Load() {
		return nil
	}
	for _, c := range b.Chunks {
		was, _ := m.inForce.Chunk(c.Name)
		if was.SHA256 == c.SHA256 {
			continue
		}
		if err := m.fetchChunk(ctx, b, was, c); err != nil {
			return err
		}
	}
	m.inForce = b
	m.version.Store(b.Version)
	m.fleet.inForce(m, b.Version)
	return nil
}

// fetchChunk fetches only those parts of a chunk that the previous chunk does not have, or the whole chunk.
func (m *simulated) fetchChunk(ctx context.Context, b *wire.Manifest, was, c wire.Chunk) error {
	before := m.fleet.library.chunk(was.SHA256)
	if before == nil || before.partsOf() == nil {
		return m.whole(ctx, c)
	}
	o, known, err := m.outline(ctx, b, c)
	if err != nil {
		return err
	}
	if !known {
		return m.whole(ctx, c)
	}
	// If more than half of the parts are missing, fetch the whole chunk, as wire.Assembler does.
	var missing []string
	has, seen := before.partsOf(), map[string]bool{}
	for _, sha := range o.Parts {
		if !has[sha] && !seen[sha] {
			seen[sha], missing = true, append(missing, sha)
		}
	}
	if 2*len(missing) > len(o.Parts) {
		return m.whole(ctx, c)
	}
	came := map[string][]byte{}
	for len(missing) > 0 {
		now := missing[:min(len(missing), wire.MaxAskedParts)]
		missing = missing[len(now):]
		ask, err := json.Marshal(wire.PartsAsk{Parts: now})
		if err != nil {
			return err
		}
		answer, err := m.ask(ctx, http.MethodPost, "chunks/"+c.SHA256+"/parts", ask)
		if err != nil {
			return err
		}
		elements, err := wire.OpenParts(answer, now) // verifies the hash of each part
		if err != nil {
			return err
		}
		for i, sha := range now {
			came[sha] = elements[i]
		}
	}
	return m.fleet.library.join(c, o, before, came)
}

// outline returns the outline of a chunk. The result known is false for a badges chunk if the roster chunk to which
// it belongs is not fetched yet.
func (m *simulated) outline(ctx context.Context, b *wire.Manifest, c wire.Chunk) (o wire.Outline, known bool,
	err error) {
	if bucket, is := bytes.CutPrefix([]byte(c.Name), []byte("badges/")); is {
		r, _ := b.Chunk("roster/" + string(bucket))
		roster := m.fleet.library.chunk(r.SHA256)
		if roster == nil {
			return o, false, nil
		}
		o, err = roster.badges()
		return o, true, err
	}
	answer, err := m.ask(ctx, http.MethodGet, "chunks/"+c.SHA256+"/parts", nil)
	if err != nil {
		return o, false, err
	}
	o, err = m.fleet.library.outline(answer)
	return o, true, err
}

// whole fetches a whole chunk and verifies the hash of the chunk.
func (m *simulated) whole(ctx context.Context, c wire.Chunk) error {
	b, err := m.ask(ctx, http.MethodGet, "chunks/"+c.SHA256, nil)
	if err != nil {
		return err
	}
	if wire.Hash(b) != c.SHA256 {
		return fmt.Errorf("chunk %s does not match the size and hash in the manifest", c.Name)
	}
	m.fleet.library.add(c.SHA256, b)
	return nil
}

// ask sends a request over the machine's own connection, and accepts a gzip answer, as a real machine does.
func (m *simulated) ask(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, "https://hub"+wire.JoinPath+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Accept-Encoding", "gzip")
	resp, err := m.http.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := m.fleet.unpack(resp)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("%s %s: %s: %.200s", method, path, resp.Status, b)
	}
	return b, err
}

// unpack reads the body of an answer and decompresses it. gzip readers are used again, because each reader needs 40
// KB of memory.
func (f *fleet) unpack(resp *http.Response) ([]byte, error) {
	body := io.LimitReader(resp.Body, wire.MaxChunk)
	if resp.Header.Get("Content-Encoding") != "gzip" {
		return io.ReadAll(body)
	}
	z, _ := f.unpackers.Get().(*gzip.Reader)
	if z == nil {
		z = new(gzip.Reader)
	}
	defer f.unpackers.Put(z)
	if err := z.Reset(body); err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(z, wire.MaxChunk))
}

// countedConn is a connection that counts all bytes received on it, including those of TLS.
type countedConn struct {
	net.Conn
	n *atomic.Int64
}

// Read implements net.Conn.
func (c countedConn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}
