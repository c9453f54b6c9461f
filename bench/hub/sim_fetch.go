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

// library holds the chunks and outlines that simulated machines hold, each once for all of them, by its hash: 1,000
// copies of a roster of 10,000 members would measure this program's memory. Each machine makes its own requests over
// its own connection, and compares the hash of what it receives. Taking apart what all have is done once.
type library struct {
	mu       sync.Mutex
	chunks   map[string]*shelved
	outlines map[string]*heldOutline // by the hash of the answer
}

// shelved is a chunk, and what is made of it once.
type shelved struct {
	bytes []byte

	split sync.Once
	parts wire.Parts
	has   map[string]bool // hashes of its parts; nil: it has none

	outlined sync.Once
	outline  wire.Outline // of the badges chunk that belongs to this roster chunk
	err      error
}

// heldOutline is an outline that all machines share, parsed once.
type heldOutline struct {
	read    sync.Once
	outline wire.Outline
	err     error
}

// newLibrary is an empty library of chunks that all machines share.
func newLibrary() *library {
	return &library{chunks: map[string]*shelved{}, outlines: map[string]*heldOutline{}}
}

// chunk is a chunk that some machine holds; nil: none does.
func (l *library) chunk(sha string) *shelved {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.chunks[sha]
}

// add keeps a chunk whose hash was compared.
func (l *library) add(sha string, b []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.chunks[sha] == nil {
		l.chunks[sha] = &shelved{bytes: b}
	}
}

// outline reads an outline that a hub answered.
func (l *library) outline(b []byte) (wire.Outline, error) {
	sha := wire.Hash(b)
	l.mu.Lock()
	o := l.outlines[sha]
	if o == nil {
		o = &heldOutline{}
		l.outlines[sha] = o
	}
	l.mu.Unlock()
	o.read.Do(func() { o.outline, o.err = wire.OpenOutline(b) })
	return o.outline, o.err
}

// partsOf are the hashes of a chunk's parts; nil: it has none.
func (s *shelved) partsOf() map[string]bool {
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

// badges is the outline of the badges chunk that belongs to this roster chunk.
func (s *shelved) badges() (wire.Outline, error) {
	s.outlined.Do(func() { s.outline, s.err = wire.BadgesOutline(s.bytes) })
	return s.outline, s.err
}

// join makes a chunk of the parts of the one before and of those that came, and compares its hash: once for all
// machines.
func (l *library) join(c wire.Chunk, o wire.Outline, before *shelved, came map[string][]byte) error {
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
		return fmt.Errorf("%s of its parts is not what was signed", c.Name)
	}
	l.add(c.SHA256, b)
	return nil
}

// take brings a bundle into force: what the machine lacks is fetched and its hashes are compared, as wire.Assembler and
// cmd/internal/hublink do it.
func (m *simulated) take(ctx context.Context, manifest []byte) error {
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
		if err := m.want(ctx, b, was, c); err != nil {
			return err
		}
	}
	m.inForce = b
	m.version.Store(b.Version)
	m.fleet.inForce(m, b.Version)
	return nil
}

// want fetches a chunk: the parts that the chunk before lacks, or all of it.
func (m *simulated) want(ctx context.Context, b *wire.Manifest, was, c wire.Chunk) error {
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
		elements, err := wire.OpenParts(answer, now) // it compares the hash of each
		if err != nil {
			return err
		}
		for i, sha := range now {
			came[sha] = elements[i]
		}
	}
	return m.fleet.library.join(c, o, before, came)
}

// outline is a chunk's outline. It is not known of a badges chunk whose roster chunk is not there yet.
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

// whole fetches a chunk and checks its hash.
func (m *simulated) whole(ctx context.Context, c wire.Chunk) error {
	b, err := m.ask(ctx, http.MethodGet, "chunks/"+c.SHA256, nil)
	if err != nil {
		return err
	}
	if wire.Hash(b) != c.SHA256 {
		return fmt.Errorf("the chunk %s is not what was signed", c.Name)
	}
	m.fleet.library.add(c.SHA256, b)
	return nil
}

// ask asks the hub over the machine's own connection, and reads gzip, as a machine does.
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

// unpack reads an answer. Readers of gzip are used again: each has 40 KB of memory.
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

// counted is a connection whose incoming bytes are counted, those of TLS among them.
type counted struct {
	net.Conn
	n *atomic.Int64
}

// Read counts the bytes that were received.
func (c counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.n.Add(int64(n))
	return n, err
}
