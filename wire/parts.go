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

// Every chunk except the policy is one list in canonical JSON, such as {"members":[…]}. The parts of a chunk are the
// elements of its list. A part is identified by a hash. The hash of a credential is the SHA-256 of its issued bytes, as
// in the roster. The hash of every other part is the SHA-256 of its canonical JSON. A machine that already has most
// parts of a chunk fetches the chunk's Outline and the missing parts, and joins all parts. The manifest signs the hash
// of the whole chunk, and this hash verifies the result.
//
// The outline of a badges chunk can be computed from the roster chunk of the same bucket: the credentials have the
// order in which the members of the roster chunk list them under badges.

// Parts is a chunk that was split into its parts.
type Parts struct {
	List     string   // name of the list in the chunk: members, credentials or lists
	Elements [][]byte // the elements as canonical JSON, which share the chunk's memory
	Hashes   []string // the hashes of the elements, in the order of the elements
}

// Outline describes a chunk by the hashes of its parts.
type Outline struct {
	List  string   `json:"list"`
	Parts []string `json:"parts"` // the SHA-256 of each part in hexadecimal, in the order of the parts
}

// PartsAsk is a request for parts of a chunk. The answer is {"parts":[…]} (JoinParts), in the order of the request.
type PartsAsk struct {
	Parts []string `json:"parts"`
}

const (
	// MaxAskedParts is the largest number of parts in one PartsAsk.
	MaxAskedParts = 200
	// MaxPartsAsk is the largest size of a PartsAsk, in bytes: MaxAskedParts hashes of 67 bytes each.
	MaxPartsAsk = 16 << 10
	// MaxParts is the largest number of parts of a chunk. If a chunk of 32 MB has this many parts, each part has 500 bytes
	// on average.
	MaxParts = 1 << 16
	// MaxOutline is the largest size of an outline, in bytes: MaxParts hashes of 67 bytes each.
	MaxOutline = 5 << 20
	// AnsweredParts is the name of the list in an answer to a PartsAsk.
	AnsweredParts = "parts"
)

var listNames = []string{"members", "credentials", "lists", AnsweredParts}

// errNoList means that a chunk does not consist of one list.
var errNoList = errors.New("chunk is not one list in canonical JSON, want {\"members\":[…]}")

// SplitChunk splits a chunk into its parts. If a chunk is not a list, or has more than MaxParts elements, SplitChunk
// returns an error. SplitChunk does not check that the chunk is canonical JSON: the caller verifies the hash of the
// joined chunk.
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

// splitList splits a JSON array at the commas between its elements.
func splitList(b []byte) (out [][]byte, err error) {
	if len(b) == 0 {
		return nil, nil
	}
	depth, from, quoted := 0, 0, false
	for i := 0; i < len(b); i++ {
		switch c := b[i]; {
		case quoted && c == '\\':
			i++ // the backslash escapes the next byte, so skip that byte
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ',' && depth == 0:
			out, from = append(out, b[from:i]), i+1
			if len(out) >= MaxParts {
				return nil, fmt.Errorf("chunk has more than %d parts", MaxParts)
			}
		default:
			if depth += nestingChange(c); depth < 0 {
				return nil, errNoList
			}
		}
	}
	if quoted || depth != 0 {
		return nil, errNoList
	}
	return append(out, b[from:]), nil
}

// nestingChange returns by how much a byte outside strings changes the nesting depth.
func nestingChange(c byte) int {
	switch c {
	case '{', '[':
		return 1
	case '}', ']':
		return -1
	}
	return 0
}

// PartHash returns the hash that identifies an element of a chunk.
func PartHash(element []byte) (string, error) {
	if len(element) < 2 || element[0] != '"' {
		return Hash(element), nil
	}
	b, err := base64.StdEncoding.Strict().DecodeString(string(element[1 : len(element)-1]))
	if err != nil || element[len(element)-1] != '"' {
		return "", errors.New("chunk: credential is not base64")
	}
	return Hash(b), nil
}

// Credential decodes an element of a badges chunk into the credential as it was issued.
func Credential(element []byte) ([]byte, error) {
	var b []byte
	if err := json.Unmarshal(element, &b); err != nil {
		return nil, fmt.Errorf("chunk: decode a credential: %w", err)
	}
	return b, nil
}

// Outline returns the outline of the chunk.
func (p Parts) Outline() Outline {
	if p.Hashes == nil {
		return Outline{p.List, []string{}}
	}
	return Outline{p.List, p.Hashes}
}

// JoinParts builds a chunk from its elements. JoinParts is the inverse of SplitChunk.
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

// OpenOutline parses an outline from a hub and checks its format.
func OpenOutline(b []byte) (Outline, error) {
	var o Outline
	if err := Decode(b, &o); err != nil {
		return Outline{}, fmt.Errorf("outline: %w", err)
	}
	return o, o.check()
}

// check returns an error if the list's name, the number of parts or a hash is invalid.
func (o Outline) check() error {
	switch {
	case o.List == AnsweredParts || !slices.Contains(listNames, o.List):
		return fmt.Errorf("outline: %.40q is not the name of a list of chunks", o.List)
	case len(o.Parts) > MaxParts:
		return fmt.Errorf("outline has %d parts, want at most %d", len(o.Parts), MaxParts)
	}
	return checkHashes(o.Parts)
}

func checkHashes(all []string) error {
	for _, sha := range all {
		if !hexHash.MatchString(sha) {
			return fmt.Errorf("outline: invalid part hash %.70q, want 64 hex digits", sha)
		}
	}
	return nil
}

// OpenPartsAsk parses a machine's PartsAsk and returns the hashes in it.
func OpenPartsAsk(b []byte) ([]string, error) {
	var a PartsAsk
	if err := Decode(b, &a); err != nil {
		return nil, fmt.Errorf("parts: %w", err)
	}
	if len(a.Parts) == 0 || len(a.Parts) > MaxAskedParts {
		return nil, fmt.Errorf("parts: request lists %d parts, want 1 to %d", len(a.Parts), MaxAskedParts)
	}
	return a.Parts, checkHashes(a.Parts)
}

// OpenParts parses a hub's answer to a PartsAsk. The answer must contain exactly the parts with these hashes, in order.
func OpenParts(b []byte, hashes []string) ([][]byte, error) {
	p, err := SplitChunk(b)
	if err != nil || p.List != AnsweredParts {
		return nil, errors.New("parts: answer is not a list of parts")
	}
	if !slices.Equal(p.Hashes, hashes) {
		return nil, fmt.Errorf("parts: answer does not match the %d requested parts", len(hashes))
	}
	return p.Elements, nil
}

// BadgesOutline returns the outline of the badges chunk that belongs to a roster chunk.
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

// rosterChunkOf returns the name of the roster chunk in the same bucket as a badges chunk, or "" for other chunks.
func rosterChunkOf(name string) string {
	if bucket, ok := strings.CutPrefix(name, "badges/"); ok {
		return "roster/" + bucket
	}
	return ""
}
