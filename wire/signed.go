package wire

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// MaxSigned is the largest size in bytes of a signed text, whatever its kind is. The largest manifest has 4,096 chunks
// and about 600 KB.
const MaxSigned = 1 << 20

// ErrBadSignature means that no trusted key signed the text.
var ErrBadSignature = errors.New("no trusted key has signed this")

// sign returns a signed note whose text is v as canonical JSON. kind is the first line of the note. It prevents the use
// of a signed text as one of another kind.
func sign(kind string, v any, s ...note.Signer) ([]byte, error) {
	b, err := Canonical(v)
	if err != nil {
		return nil, err
	}
	return note.Sign(&note.Note{Text: kind + "\n" + string(b) + "\n"}, s...)
}

// open verifies the signature and the kind, and then decodes the JSON into v with Decode.
func open(kind string, data []byte, keys note.Verifiers, v any) error {
	text, err := openText(data, keys)
	if err != nil {
		return err
	}
	first, body, ok := strings.Cut(text, "\n")
	if !ok || first != kind {
		return fmt.Errorf("signed text is of the kind %.60q, want %q", first, kind)
	}
	return Decode([]byte(body), v)
}

// openText verifies the signature of a note, and returns the signed text.
func openText(data []byte, keys note.Verifiers) (string, error) {
	if len(data) > MaxSigned {
		return "", fmt.Errorf("signed text has %d bytes, want at most %d", len(data), MaxSigned)
	}
	n, err := note.Open(data, keys)
	var unverified *note.UnverifiedNoteError
	var invalid *note.InvalidSignatureError
	switch {
	case errors.As(err, &unverified), errors.As(err, &invalid):
		return "", ErrBadSignature
	case err != nil:
		return "", fmt.Errorf("%w: text is not a signed note", ErrBadSignature)
	}
	return n.Text, nil
}
