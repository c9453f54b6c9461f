// Package timezone loads time zones by their IANA names, on computers without zone files too: a minimal image may come
// without them, and opening hours cannot be judged without.
//
// Go's own time/tzdata does the same with 400 KB that are not compressed; zones.gz has 60 KB. It holds an index, an
// empty line, and the zones' data (RFC 9636) one after the other. Each line of the index is a name, an offset and a
// length in bytes; zones with other names for the same data share it. `go generate` writes it from the Go toolchain's
// zone files.
package timezone

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

//go:generate go run generate.go

//go:embed zones.gz
var zones []byte

// maxSize bounds the index and all zones, in bytes, as zones.gz holds them.
const maxSize = 1 << 20

// Load finds a time zone: the computer's, or, where that has none of this name, the one of this package.
func Load(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err == nil {
		return zone, nil
	}
	all, readErr := unpack()
	if readErr != nil {
		return nil, errors.Join(err, readErr)
	}
	data, known := find(all, name)
	if !known {
		return nil, err
	}
	return time.LoadLocationFromTZData(name, data)
}

// unpack reads all of zones.gz: a program looks up one zone, at its start.
func unpack() ([]byte, error) {
	r, err := gzip.NewReader(bytes.NewReader(zones))
	if err != nil {
		return nil, fmt.Errorf("zones.gz: %w", err)
	}
	all, err := io.ReadAll(io.LimitReader(r, maxSize))
	if err != nil {
		return nil, fmt.Errorf("zones.gz: %w", err)
	}
	return all, nil
}

// find returns the data of the zone of this name.
func find(all []byte, name string) (zone []byte, known bool) {
	index, data, _ := bytes.Cut(all, []byte("\n\n"))
	for line := range strings.Lines(string(index)) {
		place, is := strings.CutPrefix(line, name+" ")
		if !is {
			continue
		}
		first, second, _ := strings.Cut(strings.TrimSpace(place), " ")
		offset, err := strconv.Atoi(first)
		length, lengthErr := strconv.Atoi(second)
		if err == nil && lengthErr == nil && offset >= 0 && length > 0 && offset <= len(data)-length {
			return data[offset : offset+length], true
		}
	}
	return nil, false
}
