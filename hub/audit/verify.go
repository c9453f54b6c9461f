package audit

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"portillon/wire"
)

// Verified describes a verified export.
type Verified struct {
	Origin  string // portillon-audit/<site>
	Entries uint64
	Erased  uint64 // number of entries whose personal part was erased
	Last    time.Time
	Root    tlog.Hash
}

// Verify reads an export and checks that the export is exactly what the hub signed: every entry, in order, and nothing
// else. At the first fault, Verify returns an error and the result for the lines before. Verify also accepts an older
// export, which contains every entry up to its checkpoint. If the caller knows how many entries to expect, the caller
// should compare Entries with that number.
func Verify(r io.Reader, key note.Verifier) (Verified, error) {
	v := verifier{key: key, erased: map[uint64]bool{}}
	in := bufio.NewReaderSize(r, maxLine)
	for n := uint64(1); ; n++ {
		text, err := in.ReadSlice('\n')
		switch {
		case errors.Is(err, io.EOF) && len(text) == 0:
			return v.Verified, v.checkEnd(n)
		case errors.Is(err, io.EOF):
			return v.Verified, fmt.Errorf("line %d does not end with a line feed: the file was cut", n)
		case errors.Is(err, bufio.ErrBufferFull):
			return v.Verified, fmt.Errorf("line %d is longer than %d bytes", n, maxLine)
		case err != nil:
			return v.Verified, err
		}
		if v.closed {
			return v.Verified, fmt.Errorf("line %d: trailing data after the checkpoint", n)
		}
		if err := v.checkLine(bytes.TrimSuffix(text, []byte("\n"))); err != nil {
			return v.Verified, fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// verifier is the state of Verify between two lines.
type verifier struct {
	Verified
	key    note.Verifier
	tree   edge
	erased map[uint64]bool // numbers of the entries without a personal part that no later entry has listed as erased yet
	closed bool            // true after the checkpoint was read
}

// checkLine checks one line: an entry, or the checkpoint at the end of the file.
func (v *verifier) checkLine(text []byte) error {
	var l line
	if err := parseCanonical(text, &l); err != nil {
		return err
	}
	if l.Entry == nil {
		if l.Salt != nil || l.Personal != nil || l.Checkpoint == "" {
			return errors.New("line is neither an entry nor a checkpoint")
		}
		return v.checkCheckpoint([]byte(l.Checkpoint))
	}
	if l.Checkpoint != "" {
		return errors.New("line contains both an entry and a checkpoint")
	}
	return v.checkEntry(l)
}

// checkEntry checks an entry: its number follows the previous entry's number, its personal part matches the signed hash
// or is absent, and each entry that it lists as erased has no personal part.
func (v *verifier) checkEntry(l line) error {
	var s sealed
	if err := parseCanonical(l.Entry, &s); err != nil {
		return fmt.Errorf("entry cannot be parsed: %w", err)
	}
	if s.Seq != v.Entries+1 {
		return fmt.Errorf("entry %d follows entry %d, want consecutive numbers", s.Seq, v.Entries)
	}
	if err := v.checkPersonalPart(s, l); err != nil {
		return fmt.Errorf("entry %d: %w", s.Seq, err)
	}
	for _, seq := range s.Erases {
		if !v.erased[seq] {
			return fmt.Errorf("entry %d lists entry %d as erased, but it is not erased or is listed twice", s.Seq, seq)
		}
		delete(v.erased, seq)
	}
	v.tree.add(tlog.RecordHash(l.Entry))
	v.Entries, v.Last = s.Seq, s.At
	return nil
}

// checkPersonalPart checks an entry's personal part against the hash that the tree covers. If the personal part is
// absent, a later entry must list this entry.
func (v *verifier) checkPersonalPart(s sealed, l line) error {
	if l.Salt == nil && l.Personal == nil {
		v.Erased++
		v.erased[s.Seq] = true
		return nil
	}
	var p personal
	if l.Salt == nil || l.Personal == nil {
		return errors.New("entry has a salt but no personal part, or a personal part but no salt")
	}
	if err := parseCanonical(l.Personal, &p); err != nil {
		return fmt.Errorf("personal part cannot be parsed: %w", err)
	}
	if hashOf(*l.Salt, l.Personal) != s.Personal {
		return errors.New("personal part does not match the signed hash: it was changed")
	}
	return nil
}

// checkCheckpoint checks that the signed checkpoint covers exactly the entries that were read.
func (v *verifier) checkCheckpoint(signed []byte) error {
	origin, _, _ := strings.Cut(string(signed), "\n")
	if !strings.HasPrefix(origin, originPrefix) {
		return fmt.Errorf("checkpoint has origin %.100q, want %s followed by the site's id", origin, originPrefix)
	}
	c, err := wire.OpenCheckpoint(signed, origin, note.VerifierList(v.key))
	if err != nil {
		return err
	}
	if err := requireOneSignature(signed, v.key); err != nil {
		return err
	}
	root, err := v.tree.root()
	if err != nil {
		return err
	}
	if c.Size != v.Entries {
		return fmt.Errorf("checkpoint covers %d entries, the file has %d entries, want the same number", c.Size, v.Entries)
	}
	if c.Root != root {
		return errors.New("checkpoint does not match the entries: an entry was changed, left out or moved")
	}
	v.Origin, v.Root, v.closed = origin, root, true
	return nil
}

// requireOneSignature returns an error if the checkpoint has more than one signature, or a signature in another form
// than the hub writes. Without this check, two different files with the same content could both be accepted.
func requireOneSignature(signed []byte, key note.Verifier) error {
	text, sig, ok := strings.Cut(string(signed), "\n\n")
	if !ok {
		return errors.New("checkpoint has no signature")
	}
	name, b64, _ := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(sig, "— "), "\n"), " ")
	b, err := base64.StdEncoding.Strict().DecodeString(b64)
	if err != nil || name != key.Name() ||
		text+"\n\n— "+name+" "+base64.StdEncoding.EncodeToString(b)+"\n" != string(signed) {
		return errors.New("checkpoint has more than the hub's signature, or a signature in another form than the hub writes")
	}
	return nil
}

// checkEnd checks the state at the end of the file, before line n.
func (v *verifier) checkEnd(n uint64) error {
	if !v.closed {
		return fmt.Errorf("line %d: checkpoint is missing: the file was cut after entry %d", n, v.Entries)
	}
	if len(v.erased) > 0 {
		var first uint64
		for seq := range v.erased {
			if first == 0 || seq < first {
				first = seq
			}
		}
		return fmt.Errorf("entry %d has no personal part, and no later entry lists it as erased", first)
	}
	return nil
}

// sortUnique sorts numbers and removes duplicates.
func sortUnique(seqs []uint64) []uint64 {
	slices.Sort(seqs)
	return slices.Compact(seqs)
}
