// Package timezone loads time zones by their IANA names, also on computers without zone files. Opening hours need a
// time zone, and a minimal image may lack the files.
//
// Go's time/tzdata does the same with 400 KB of uncompressed data; zones.gz has 60 KB. It contains an index, an empty
// line, and the zones' data (RFC 9636) one after the other. Each line of the index has a name, an offset and a length
// in bytes. Zones with equal data share it. `go generate` writes the file from the zone files of the Go toolchain.
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

// maxSize bounds the unpacked content of zones.gz, in bytes.
const maxSize = 1 << 20

// Load returns a time zone: the computer's, or, if the computer has no zone with this name, the embedded one.
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

// unpack reads all of zones.gz. A program loads only one zone, at its start.
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

// find returns the data of the zone with this name.
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
