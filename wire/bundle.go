package wire

import (
	"archive/tar"
	"bytes"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// A bundle file is a tar archive, so that anyone can look into it: «manifest», then «chunks/<sha256>» in the manifest's
// order.

// WriteBundle writes a bundle file. chunk gives the bytes of a hash.
func WriteBundle(w io.Writer, manifest []byte, m Manifest, chunk func(sha string) ([]byte, error)) error {
	t := tar.NewWriter(w)
	put := func(name string, b []byte) error {
		if err := t.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(b)), ModTime: m.Issued}); err != nil {
			return err
		}
		_, err := t.Write(b)
		return err
	}
	if err := put("manifest", manifest); err != nil {
		return err
	}
	written := map[string]bool{}
	for _, c := range m.Chunks {
		if written[c.SHA256] {
			continue
		}
		written[c.SHA256] = true
		b, err := chunk(c.SHA256)
		if err != nil {
			return err
		}
		if err := put("chunks/"+c.SHA256, b); err != nil {
			return err
		}
	}
	return t.Close()
}

// ReadBundle reads a bundle file from its start: it opens the manifest, then gives each chunk to take, once its hash is
// known to be right, and says at the end whether all were there. No more than one chunk is in memory. Errors of form
// are *Refusals.
func ReadBundle(
	r io.Reader,
	keys note.Verifiers,
	opened func(manifest []byte, m Manifest) error,
	take func(sha string, b []byte) error,
) error {
	t := tar.NewReader(r)
	data, name, err := entry(t, MaxSigned)
	if err != nil {
		return err
	}
	if name != "manifest" {
		return refuse("not-a-bundle", "the first entry is %.60q, want the manifest", name)
	}
	m, err := OpenManifest(data, keys)
	if err != nil {
		return err
	}
	if err := opened(data, m); err != nil {
		return err
	}
	missing := map[string]Chunk{}
	for _, c := range m.Chunks {
		missing[c.SHA256] = c
	}
	for len(missing) > 0 {
		b, name, err := entry(t, MaxChunk)
		if errors.Is(err, io.EOF) {
			for _, c := range missing {
				return refuse("missing-chunk", "%d chunks are missing, %s among them", len(missing), c.Name)
			}
		}
		if err != nil {
			return err
		}
		sha, _ := strings.CutPrefix(name, "chunks/")
		c, wanted := missing[sha]
		if !wanted {
			return refuse("not-a-bundle", "the entry %.90q is not in the manifest", name)
		}
		if Hash(b) != sha || int64(len(b)) != c.Size {
			return refuse("wrong-hash", "the chunk %s does not match its signed hash", c.Name)
		}
		if err := take(sha, b); err != nil {
			return err
		}
		delete(missing, sha)
	}
	return nil
}

func entry(t *tar.Reader, limit int64) ([]byte, string, error) {
	h, err := t.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, "", io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, "", refuse("truncated", "unexpected end of the file")
	case err != nil:
		return nil, "", refuse("not-a-bundle", "not a tar archive: %v", err)
	case h.Typeflag != tar.TypeReg || h.Size > limit:
		return nil, "", refuse("not-a-bundle", "the entry %.60q is not a file of at most %d bytes", h.Name, limit)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, t); err != nil {
		return nil, "", refuse("truncated", "the file ends within %s", h.Name)
	}
	return b.Bytes(), h.Name, nil
}

// Member is a member as a bundle carries them. Names and addresses are for the panel and for matching badges; they
// leave the machine no more.
type Member struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Language string   `json:"language,omitempty"` // fr, en; empty: the site's
	Emails   []string `json:"emails,omitempty"`
	Subjects []string `json:"subjects,omitempty"` // ids by which credentials may name them
	// HMAC-SHA-256 of the card's number under the site's card key, in hexadecimal; and forms of it (CardFormHash)
	Cards   []string `json:"cards,omitempty"`
	Blocked bool     `json:"blocked,omitempty"`
	Badges  []string `json:"badges,omitempty"` // SHA-256 of credentials in the badges chunk of the same bucket
	// Critical names fields of this member without which a machine would let them do more than they may. A machine that
	// does not know one of them denies this member only.
	Critical []string `json:"critical,omitempty"`
	MemberTerms
}

// Unknown is the first critical field of m that this program does not know; nil: it knows all of them.
func (m Member) Unknown() *UnknownField {
	if name := firstUnknown(m.Critical, reflect.TypeFor[Member]()); name != "" {
		return &UnknownField{name}
	}
	return nil
}

// RosterBucket is a roster chunk.
type RosterBucket struct {
	Members []Member `json:"members"`
}

// BadgesBucket is a badges chunk: credentials as they were issued.
type BadgesBucket struct {
	Credentials [][]byte `json:"credentials"`
}

// StatusBucket is the status chunk, the issuers' lists as they were read, and the documents chunk, likewise.
type StatusBucket struct {
	Lists []StatusList `json:"lists"`
}

// StatusList is what stood at a URL.
type StatusList struct {
	URL  string `json:"url"`
	Body []byte `json:"body"`
}

// EncodeChunk writes one of the buckets above as canonical JSON: the same content is the same chunk.
func EncodeChunk(v any) ([]byte, error) { return Canonical(v) }

// DecodeChunk reads one as Decode does.
func DecodeChunk(b []byte, v any) error {
	if err := Decode(b, v); err != nil {
		return fmt.Errorf("chunk: %w", err)
	}
	return nil
}

// Peek reads a bundle file's manifest without checking who signed it: for showing, never for trusting.
func Peek(r io.Reader) (text string, m Manifest, err error) {
	data, name, err := entry(tar.NewReader(r), MaxSigned)
	if err != nil || name != "manifest" {
		return "", Manifest{}, refuse("not-a-bundle", "the file does not begin with a manifest")
	}
	lines := strings.SplitN(string(data), "\n", 3)
	if len(lines) < 3 || decodeHint([]byte(lines[1]), &m) != nil {
		return "", Manifest{}, refuse("not-a-bundle", "the manifest cannot be read")
	}
	for _, c := range m.Chunks {
		if !hexHash.MatchString(c.SHA256) {
			return "", Manifest{}, refuse("not-a-bundle", "the manifest has no valid hash for the chunk %.60q", c.Name)
		}
	}
	m.CardCheck = cardCheck(data, m.Site)
	return string(data), m, nil
}
