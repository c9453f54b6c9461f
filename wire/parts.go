package wire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Every chunk but the policy is one list in canonical JSON, as {"members":[…]}. Its parts are the elements of the list,
// and a part is known by its own hash: a credential by the SHA-256 of its bytes as they were issued, by which the
// roster names it; every other part by the SHA-256 of its canonical JSON. A machine that has most parts of a chunk
// fetches its Outline and the parts that it lacks, and joins them: the chunk's own hash, which the manifest signs, says
// whether it is whole.
//
// The outline of a badges chunk follows from the roster chunk of the same bucket: its credentials stand in the order in
// which the members of that roster chunk, one after the other, name them under badges.

// Parts is a chunk taken apart.
type Parts struct {
	List     string   // members, credentials or lists
	Elements [][]byte // canonical JSON each; they share the chunk's memory
	Hashes   []string // of the elements, in the same order
}

// Outline is a chunk by the hashes of its parts.
type Outline struct {
	List  string   `json:"list"`
	Parts []string `json:"parts"` // SHA-256 in hexadecimal, in order
}

// PartsAsk asks for parts of a chunk. The answer is {"parts":[…]} (JoinParts), in the order of the ask.
type PartsAsk struct {
	Parts []string `json:"parts"`
}

const (
	// MaxAskedParts bounds the parts of one PartsAsk.
	MaxAskedParts = 200
	// MaxPartsAsk bounds a PartsAsk, in bytes: MaxAskedParts hashes of 67 bytes each.
	MaxPartsAsk = 16 << 10
	// MaxParts bounds the parts of a chunk: those of 32 MB have 500 bytes and more each.
	MaxParts = 1 << 16
	// MaxOutline bounds an outline, in bytes: MaxParts hashes of 67 bytes each.
	MaxOutline = 5 << 20
	// AnsweredParts is the list of an answer to a PartsAsk.
	AnsweredParts = "parts"
)

var listNames = []string{"members", "credentials", "lists", AnsweredParts}

// errNoList is of a chunk that has no parts.
var errNoList = errors.New("chunk: not one list in canonical JSON, want {\"members\":[…]}")

// SplitChunk takes a chunk apart. A chunk that is no list is an error, and so is one with more than MaxParts elements.
// That the chunk is canonical is not checked: the hash of what is joined again is.
func SplitChunk(chunk []byte) (Parts, error) {
	var p Parts
	for _, name := range listNames {
		if rest, ok := bytes.CutPrefix(chunk, []byte(`{"`+name+`":[`)); ok {
			if rest, ok = bytes.CutSuffix(rest, []byte("]}")); !ok {
				return Parts{}, errNoList
			}
			elements, err := splitList(rest)
			p.List, p.Elements = name, elements
			if err != nil {
				return Parts{}, err
			}
			break
		}
	}
	if p.List == "" {
		return Parts{}, errNoList
	}
	p.Hashes = make([]string, len(p.Elements))
	for i, e := range p.Elements {
		var err error
		if p.Hashes[i], err = PartHash(e); err != nil {
			return Parts{}, err
		}
	}
	return p, nil
}

// splitList cuts the elements of a JSON array at the commas between them.
func splitList(b []byte) (out [][]byte, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	depth, from, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++ // the next byte is escaped
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',' && depth == 0:
			out, from = append(out, b[from:i]), i+1
			if len(out) >= MaxParts {
				return nil, fmt.Errorf("chunk: more than %d parts", MaxParts)
			}
		default:
			if depth += nesting(c); depth < 0 {
				return nil, errNoList
			}
		}
	}
	if quoted || depth != 0 {
		return nil, errNoList
	}
	return append(out, b[from:]), nil
}

// nesting is how a byte outside strings changes the depth of objects and arrays.
func nesting(c byte) int {
	switch c {
	case '{', '[':
		return 1
	case '}', ']':
		return -1
	}
	return 0
}

// PartHash is the hash by which an element of a chunk is known.
func PartHash(element []byte) (string, error) {
	if len(element) < 2 || element[0] != '"' {
		return Hash(element), nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(string(element[1 : len(element)-1]))
	if err != nil || element[len(element)-1] != '"' {
		return "", errors.New("chunk: a credential is no base64")
	}
	return Hash(b), nil
}

// Credential is the credential in an element of a badges chunk, as it was issued.
func Credential(element []byte) ([]byte, error) {
	var b []byte
	if err := json.Unmarshal(element, &b); err != nil {
		return nil, fmt.Errorf("chunk: no credential: %w", err)
	}
	return b, nil
}

// Outline is the outline of the chunk.
func (p Parts) Outline() Outline {
	if p.Hashes == nil {
		return Outline{p.List, []string{}}
	}
	return Outline{p.List, p.Hashes}
}

// JoinParts makes a chunk of its elements.
func JoinParts(list string, elements [][]byte) []byte {
	size := len(list) + 8
	for _, e := range elements {
		size += len(e) + 1
	}
	b := make([]byte, 0, size)
	b = append(b, `{"`...)
	b = append(b, list...)
	b = append(b, `":[`...)
	for i, e := range elements {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e...)
	}
	return append(b, "]}"...)
}

// OpenOutline reads an outline that a hub answered.
func OpenOutline(b []byte) (Outline, error) {
	var o Outline
	if err := Decode(b, &o); err != nil {
		return Outline{}, fmt.Errorf("outline: %w", err)
	}
	return o, o.check()
}

func (o Outline) check() error {
	switch {
	case o.List == AnsweredParts || !slices.Contains(listNames, o.List):
		return fmt.Errorf("outline: %.40q is no list of a chunk", o.List)
	case len(o.Parts) > MaxParts:
		return fmt.Errorf("outline: %d parts, want at most %d", len(o.Parts), MaxParts)
	}
	return checkHashes(o.Parts)
}

func checkHashes(all []string) error {
	for _, sha := range all {
		if !hexHash.MatchString(sha) {
			return fmt.Errorf("outline: %.70q is no hash of a part", sha)
		}
	}
	return nil
}

// OpenPartsAsk reads what a machine asks for.
func OpenPartsAsk(b []byte) ([]string, error) {
	var a PartsAsk
	if err := Decode(b, &a); err != nil {
		return nil, fmt.Errorf("parts: %w", err)
	}
	if len(a.Parts) == 0 || len(a.Parts) > MaxAskedParts {
		return nil, fmt.Errorf("parts: %d are asked for, want 1 to %d", len(a.Parts), MaxAskedParts)
	}
	return a.Parts, checkHashes(a.Parts)
}

// OpenParts reads a hub's answer to a PartsAsk: exactly the parts of these hashes, each with its own.
func OpenParts(b []byte, hashes []string) ([][]byte, error) {
	p, err := SplitChunk(b)
	if err != nil || p.List != AnsweredParts {
		return nil, errors.New("parts: the answer is no list of parts")
	}
	if !slices.Equal(p.Hashes, hashes) {
		return nil, fmt.Errorf("parts: the answer does not hold the %d parts that were asked for", len(hashes))
	}
	return p.Elements, nil
}

// BadgesOutline is the outline of the badges chunk that belongs to a roster chunk.
func BadgesOutline(roster []byte) (Outline, error) {
	var b RosterBucket
	if err := DecodeChunk(roster, &b); err != nil {
		return Outline{}, err
	}
	o := Outline{List: "credentials"}
	for _, m := range b.Members {
		o.Parts = append(o.Parts, m.Badges...)
	}
	return o, o.check()
}

// rosterOf is the name of the roster chunk of a badges chunk's bucket; empty: it is no badges chunk.
func rosterOf(name string) string {
	if bucket, ok := strings.CutPrefix(name, "badges/"); ok {
		return "roster/" + bucket
	}
	return ""
}
