// Package timezone loads time zones by their IANA names, also on computers without zone files. Opening hours need a
// time zone, and a minimal image may lack the files.
//
// Go's package time/tzdata does the same with 400 KB of uncompressed data, but zones.gz has only 60 KB. zones.gz
// contains an index, an empty line, and the data of all zones (RFC 9636). Each line of the index has a name, an offset
// and a length in bytes. Zones with equal data have the same offset. `go generate` writes zones.gz from the zone files
// of the Go toolchain.
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

// Load returns the time zone with this name from the computer's zone files, or else from the embedded zones.
func Load(name string) (*time.Location, error) {
	zone, err := time.LoadLocation(name)
	if err == nil {
		return zone, nil
	}
	all, readErr := unpack()
	if readErr != nil {
		return nil, errors.Join(err, readErr)
	}
	// Use the embedded copy only for names that the computer's zone files do not have.
	data, known := find(all, name)
	if !known {
		return nil, err
	}
	return time.LoadLocationFromTZData(name, data)
}

// unpack reads all of zones.gz. This is fast enough, because a program loads only one zone, at its start.
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
		// Search for the name with a blank after it, so that the name does not match the beginning of a longer name.
		place, is := strings.CutPrefix(line, name+" ")
		if !is {
			continue
		}
		first, second, _ := strings.Cut(strings.TrimSpace(place), " ")
		offset, err := strconv.Atoi(first)
		length, lengthErr := strconv.Atoi(second)
		// Check the bounds, because a damaged index must not cause a read outside the data.
		if err == nil && lengthErr == nil && offset >= 0 && length > 0 && offset <= len(data)-length {
			return data[offset : offset+length], true
		}
	}
	return nil, false
}
