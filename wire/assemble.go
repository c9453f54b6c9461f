package wire

import (
	"errors"
	"fmt"
)

// ErrNoParts means that the source can send only whole chunks, because it is a folder, or a hub of an earlier release.
// The machine then fetches the whole chunk.
var ErrNoParts = errors.New("source serves no parts of chunks")

// PartSource is the source from which a machine fetches chunks and parts of chunks. A PartSource verifies nothing, so
// the caller must verify the data that it receives. Errors other than ErrNoParts and ErrFetchWhole are transport
// errors.
type PartSource interface {
	// Whole returns the content of a chunk.
	Whole(c Chunk) ([]byte, error)
	// Outline returns the outline of a chunk, in JSON, of at most MaxOutline bytes.
	Outline(c Chunk) ([]byte, error)
	// Parts returns the answer to a PartsAsk for parts of a chunk. The answer has at most as many bytes as the chunk.
	Parts(c Chunk, hashes []string) ([]byte, error)
}

// Assembler builds the chunks of a new bundle from the parts that the current bundle already has and from the parts
// that a source sends. If the connection is lost, the parts that were received stay available for the next attempt. An
// Assembler is not safe for concurrent use.
type Assembler struct {
	Store  Store
	Source PartSource

	got map[string][]byte // parts that were received of the chunk that is being fetched, by hash
}

// Fetch returns the function that Store.Install calls to fetch the chunks of m.
func (a *Assembler) Fetch(m Manifest) Fetch {
	before, _ := a.Store.Current() // if the current bundle cannot be read, every chunk is fetched whole
	whole := len(before.Chunks) == 0
	return func(sha string) ([]byte, error) {
		c, ok := chunkOf(m, sha)
		if !ok {
			return nil, fmt.Errorf("chunk %.64s is not in the manifest of this bundle", sha)
		}
		if !whole {
			b, err := a.assemble(m, before, c)
			switch {
			case err == nil:
				a.got = nil
				return b, nil
			case errors.Is(err, ErrNoParts):
				whole = true // a source that sends no parts of this chunk sends no parts of other chunks either
			case !errors.Is(err, ErrFetchWhole):
				return nil, err
			}
		}
		a.got = nil
		return a.Source.Whole(c)
	}
}

func chunkOf(m Manifest, sha string) (Chunk, bool) {
	for _, c := range m.Chunks {
		if c.SHA256 == sha {
			return c, true
		}
	}
	return Chunk{}, false
}

// ErrFetchWhole means that a chunk cannot be assembled from parts and must be fetched whole.
var ErrFetchWhole = errors.New("chunk cannot be assembled from parts, fetch the whole chunk")

// assemble builds chunk c of m from the parts of the current bundle and from parts that it fetches, and verifies the
// chunk's size and hash.
func (a *Assembler) assemble(m, before Manifest, c Chunk) ([]byte, error) {
	old, err := a.Store.Chunk(before, c.Name)
	if err != nil || old == nil {
		return nil, ErrFetchWhole
	}
	have, err := SplitChunk(old)
	if err != nil {
		return nil, ErrFetchWhole
	}
	o, err := a.outline(m, c)
	if err != nil {
		return nil, err
	}
	parts := make(map[string][]byte, len(have.Elements))
	for i, sha := range have.Hashes {
		parts[sha] = have.Elements[i]
	}
	if err := a.fetchMissing(c, o, parts); err != nil {
		return nil, err
	}
	size, elements := int64(0), make([][]byte, len(o.Parts))
	for i, sha := range o.Parts {
		elements[i] = parts[sha]
		if size += int64(len(elements[i])); size > c.Size {
			return nil, ErrFetchWhole
		}
	}
	b := JoinParts(o.List, elements)
	if int64(len(b)) != c.Size || Hash(b) != c.SHA256 {
		return nil, ErrFetchWhole // the outline is wrong, or another program built the bundle
	}
	return b, nil
}

// outline returns a chunk's outline: it computes the outline of a badges chunk from the roster, and fetches every other
// outline from the source.
func (a *Assembler) outline(m Manifest, c Chunk) (Outline, error) {
	if name := rosterChunkOf(c.Name); name != "" {
		roster, err := a.Store.Chunk(m, name)
		// This bundle lists the roster chunk after the badges chunk, so the roster chunk is not available yet.
		if err != nil || roster == nil {
			return Outline{}, ErrFetchWhole
		}
		o, err := BadgesOutline(roster)
		if err != nil {
			return Outline{}, ErrFetchWhole
		}
		return o, nil
	}
	b, err := a.Source.Outline(c)
	if err != nil {
		return Outline{}, err
	}
	o, err := OpenOutline(b)
	if err != nil {
		return Outline{}, ErrFetchWhole
	}
	return o, nil
}

// fetchMissing fetches the parts that are missing, and adds them to parts. If more than half of the parts are missing,
// fetchMissing returns ErrFetchWhole, because fetching the whole chunk takes no longer.
func (a *Assembler) fetchMissing(c Chunk, o Outline, parts map[string][]byte) error {
	var missing []string
	seen := map[string]bool{}
	for _, sha := range o.Parts {
		if _, ok := parts[sha]; ok || seen[sha] {
			continue
		}
		seen[sha] = true
		if e, ok := a.got[sha]; ok {
			parts[sha] = e
			continue
		}
		missing = append(missing, sha)
	}
	if 2*len(missing) > len(o.Parts) {
		return ErrFetchWhole
	}
	for size := int64(0); len(missing) > 0; {
		now := missing[:min(len(missing), MaxAskedParts)]
		missing = missing[len(now):]
		b, err := a.Source.Parts(c, now)
		if err != nil {
			return err
		}
		elements, err := OpenParts(b, now)
		if err != nil {
			return ErrFetchWhole
		}
		if a.got == nil {
			a.got = map[string][]byte{}
		}
		for i, sha := range now {
			parts[sha], a.got[sha] = elements[i], elements[i]
		}
		if size += int64(len(b)); size > c.Size+int64(len(o.Parts)) { // the outline lists parts that belong to other chunks
			return ErrFetchWhole
		}
	}
	return nil
}
