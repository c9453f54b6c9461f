package wire

import (
	"errors"
	"fmt"
)

// ErrNoParts says that a source cannot send parts of a chunk, such as a folder or an older hub. The chunk is fetched
// whole then.
var ErrNoParts = errors.New("parts are not to be had")

// PartSource is where a machine fetches chunks and parts of them. It checks nothing: whoever asked does. Its errors are
// of the way there, but for ErrNoParts and ErrFetchWhole.
type PartSource interface {
	// Whole gives a chunk.
	Whole(c Chunk) ([]byte, error)
	// Outline gives the outline of a chunk, in JSON, of at most MaxOutline bytes.
	Outline(c Chunk) ([]byte, error)
	// Parts gives the answer to a PartsAsk for parts of a chunk, of no more bytes than the chunk has.
	Parts(c Chunk, hashes []string) ([]byte, error)
}

// Assembler makes the chunks of a new bundle of the parts that the bundle in force has and of those that a source
// sends. Parts that arrived before a connection was lost are kept for the next try. It is not for concurrent use.
type Assembler struct {
	Store  Store
	Source PartSource

	got map[string][]byte // parts of the chunk that is being fetched, by their hashes
}

// Fetch gives the chunks of m, as Store.Install asks for them.
func (a *Assembler) Fetch(m Manifest) Fetch {
	before, _ := a.Store.Current() // none, or a damaged one: every chunk is fetched whole
	whole := len(before.Chunks) == 0
	return func(sha string) ([]byte, error) {
		c, ok := chunkOf(m, sha)
		if !ok {
			return nil, fmt.Errorf("chunk %.64s is not part of this bundle", sha)
		}
		if !whole {
			b, err := a.assemble(m, before, c)
			switch {
			case err == nil:
				a.got = nil
				return b, nil
			case errors.Is(err, ErrNoParts):
				whole = true // nor has it parts of the chunks to come
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

// ErrFetchWhole says that one chunk cannot be made of its parts.
var ErrFetchWhole = errors.New("fetch the whole chunk")

// assemble makes a chunk of its parts.
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
		return nil, ErrFetchWhole // the outline lied, or another program built this bundle
	}
	return b, nil
}

// outline is a chunk's outline: of a badges chunk the one that its roster tells, else the source's.
func (a *Assembler) outline(m Manifest, c Chunk) (Outline, error) {
	if name := rosterOf(c.Name); name != "" {
		roster, err := a.Store.Chunk(m, name)
		if err != nil || roster == nil { // the roster chunk comes later in this bundle
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

// fetchMissing completes parts, unless so many are missing that the whole chunk takes no longer.
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
		if size += int64(len(b)); size > c.Size+int64(len(o.Parts)) { // an outline of parts that are in no chunk
			return ErrFetchWhole
		}
	}
	return nil
}
