package wire

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"portillon/policy"
)

// Format is the number of the formats in which this program writes its messages. Programs whose State contains no
// number write format 1, and refuse fields that they do not know.
const Format = 2

// Generation distinguishes the journals that a machine has had one after another. A new journal, for instance on a new
// SD card, has a new generation. Journals that were created by releases without generations have the empty generation.
type Generation string

// generationBytes is the length of a generation in bytes, which are written as twice as many hexadecimal digits.
const generationBytes = 8

// NewGeneration returns a random generation. random is crypto/rand.Reader, except in tests.
func NewGeneration(random io.Reader) (Generation, error) {
	var b [generationBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("read random bytes for a generation: %w", err)
	}
	return Generation(hex.EncodeToString(b[:])), nil
}

// Check returns an error if the generation is malformed. The empty generation is valid.
func (g Generation) Check() error {
	if b, err := hex.DecodeString(string(g)); g != "" &&
		(err != nil || len(b) != generationBytes || string(g) != strings.ToLower(string(g))) {
		return fmt.Errorf(
			"malformed generation %.40q, want %d hexadecimal digits in lower case",
			string(g),
			2*generationBytes,
		)
	}
	return nil
}

// Origin returns the name of the machine's journal that has this generation.
func (g Generation) Origin(s policy.SiteID, m policy.MachineID) string {
	if g == "" {
		return Origin(s, m)
	}
	return Origin(s, m) + "/" + string(g)
}
