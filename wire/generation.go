package wire

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"

	"portillon/policy"
)

// Format is the number of the formats that this program writes. Programs that say no number in their State write format
// 1, and refuse fields that they do not know.
const Format = 2

// Generation tells a machine's journals apart: a journal that begins anew, on a new SD card say, has another one.
// Journals made before there were generations have the empty one.
type Generation string

// generationBytes is the length of a generation before it is written in hexadecimal.
const generationBytes = 8

// NewGeneration is a random generation. random is crypto/rand.Reader, but for tests.
func NewGeneration(random io.Reader) (Generation, error) {
	var b [generationBytes]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("no random generation: %w", err)
	}
	return Generation(hex.EncodeToString(b[:])), nil
}

// Check reports what is wrong with a generation; the empty one is right.
func (g Generation) Check() error {
	if b, err := hex.DecodeString(string(g)); g != "" &&
		(err != nil || len(b) != generationBytes || string(g) != strings.ToLower(string(g))) {
		return fmt.Errorf("generation %.40q, want %d hexadecimal digits in lower case", string(g), 2*generationBytes)
	}
	return nil
}

// Origin is the name of a machine's journal of this generation.
func (g Generation) Origin(s policy.SiteID, m policy.MachineID) string {
	if g == "" {
		return Origin(s, m)
	}
	return Origin(s, m) + "/" + string(g)
}
