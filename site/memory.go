package site

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"sync"

	"portillon/openbadge"
	"portillon/wire"
)

// Memory is what builds of one site need not do again: verdicts on credentials whose bytes, issuers and documents are
// the same, and chunks whose content is. A bundle that is built with a Memory has the bytes of a bundle that is built
// without. The zero Memory is empty; one serves one build at a time.
type Memory struct {
	mu       sync.Mutex // held by Site.Build
	trust    string     // the issuers that the verdicts rest on
	verdicts map[string]*remembered
	chunks   map[string]wire.Chunk // by the digest of their content
}

// remembered is a verdict with the documents that it rests on.
type remembered struct {
	verdict   openbadge.Verdict
	documents map[string]string // by URL: the SHA-256; empty: it was out of reach
}

// verifier verifies the credentials of one build.
type verifier struct {
	memory  *Memory // nil: none
	trust   []openbadge.Issuer
	from    openbadge.Resolver
	current map[string]*remembered
}

// verifier begins a build. A change of the issuers forgets every verdict.
func (m *Memory) verifier(trust []openbadge.Issuer, from openbadge.Resolver) *verifier {
	v := &verifier{memory: m, trust: trust, from: from, current: map[string]*remembered{}}
	if m == nil {
		return v
	}
	if key := fmt.Sprintf("%q", trust); key != m.trust {
		m.trust, m.verdicts = key, nil
	}
	return v
}

// verify judges the credential with this SHA-256.
func (v *verifier) verify(sha string, data []byte) openbadge.Verdict {
	if v.memory == nil {
		return openbadge.Verify(data, openbadge.Options{Trust: v.trust, Documents: v.from})
	}
	r := v.memory.verdicts[sha]
	if r == nil || !v.holds(r) {
		used := &recorder{from: v.from, found: map[string]string{}}
		r = &remembered{openbadge.Verify(data, openbadge.Options{Trust: v.trust, Documents: used}), used.found}
	}
	v.current[sha] = r
	return r.verdict
}

// holds reports whether every document is as it was. It asks for each, so that the build knows that it is used.
func (v *verifier) holds(r *remembered) bool {
	for url, sha := range r.documents {
		b, err := v.from.Resolve(url)
		if err != nil && sha != "" || err == nil && wire.Hash(b) != sha {
			return false
		}
	}
	return true
}

// done keeps the verdicts of this build, and forgets those of credentials that are gone.
func (v *verifier) done() {
	if v.memory != nil {
		v.memory.verdicts = v.current
	}
}

// recorder notes the documents that a verdict rests on.
type recorder struct {
	from  openbadge.Resolver
	found map[string]string
}

// Resolve implements openbadge.Resolver.
func (r *recorder) Resolve(url string) ([]byte, error) {
	b, err := r.from.Resolve(url)
	if r.found[url] = ""; err == nil {
		r.found[url] = wire.Hash(b)
	}
	return b, err
}

// encode is a chunk's content in canonical JSON, or the chunk alone where the memory knows that content: then its bytes
// are made when Built.Chunk asks for them.
func (b *Built) encode(name string, v any) error {
	if b.memory == nil {
		data, err := wire.EncodeChunk(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.chunk(name, data)
		return nil
	}
	key, err := digest(v)
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	c, known := b.memory.chunks[key]
	if !known {
		data, err := wire.EncodeChunk(v)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		b.chunk(name, data)
		c = b.Manifest.Chunks[len(b.Manifest.Chunks)-1]
	} else {
		c.Name = name
		b.Manifest.Chunks = append(b.Manifest.Chunks, c)
		b.later[c.SHA256] = v
	}
	b.encoded[key] = c
	return nil
}

// digest tells contents of chunks apart. Canonical JSON would too, and takes ten times as long.
func digest(v any) (string, error) {
	h := sha256.New()
	switch v := v.(type) {
	case wire.BadgesBucket:
		io.WriteString(h, "badges\n")
		for _, c := range v.Credentials {
			one := sha256.Sum256(c)
			h.Write(one[:])
		}
	case wire.StatusBucket:
		io.WriteString(h, "lists\n")
		for _, l := range v.Lists {
			one, body := sha256.Sum256([]byte(l.URL)), sha256.Sum256(l.Body)
			h.Write(one[:])
			h.Write(body[:])
		}
	default:
		fmt.Fprintf(h, "%T\n", v)
		if err := json.NewEncoder(h).Encode(v); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

// remember begins a build with a memory; forget ends it.
func (b *Built) remember(m *Memory) (forget func()) {
	if m == nil {
		return func() {}
	}
	m.mu.Lock()
	b.memory, b.later, b.encoded = m, map[string]any{}, map[string]wire.Chunk{}
	return func() {
		m.chunks = b.encoded
		m.mu.Unlock()
	}
}

// late makes the bytes of a chunk that the memory knew.
func (b *Built) late(sha string) ([]byte, error) {
	v, ok := b.later[sha]
	if !ok {
		return nil, fmt.Errorf("no chunk %s", sha)
	}
	data, err := wire.EncodeChunk(v)
	if err != nil {
		return nil, err
	}
	if wire.Hash(data) != sha {
		return nil, fmt.Errorf("chunk %s: its content was changed after the build", sha)
	}
	b.Chunks[sha] = data
	return data, nil
}
