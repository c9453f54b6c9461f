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

// A bundle file is a tar archive, so that standard tools can list it. The archive contains the entry «manifest», and
// then the entries «chunks/<sha256>» in the manifest's order.

// WriteBundle writes a bundle file. The function chunk returns the content of the chunk with a given hash.
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

// ReadBundle reads a bundle file from its start. ReadBundle first opens the manifest and calls opened. Then it verifies
// the hash of each chunk and calls take with the chunk. If a chunk is missing, ReadBundle returns an error. At any
// time, at most one chunk is in memory. If the format of the file is wrong, the error is a *Refusal.
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
		return refuse("not-a-bundle", "first entry is %.60q, want the manifest", name)
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
			return refuse("not-a-bundle", "entry %.90q is not listed in the manifest", name)
		}
		if Hash(b) != sha || int64(len(b)) != c.Size {
			return refuse("wrong-hash", "chunk %s does not match the size and hash in the manifest", c.Name)
		}
		if err := take(sha, b); err != nil {
			return err
		}
		delete(missing, sha)
	}
	return nil
}

// entry reads the next file of the archive, of at most limit bytes. At the end of the archive, entry returns io.EOF.
func entry(t *tar.Reader, limit int64) ([]byte, string, error) {
	h, err := t.Next()
	switch {
	case errors.Is(err, io.EOF):
		return nil, "", io.EOF
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, "", refuse("truncated", "file ends inside an entry")
	case err != nil:
		return nil, "", refuse("not-a-bundle", "not a tar archive: %v", err)
	case h.Typeflag != tar.TypeReg || h.Size > limit:
		return nil, "", refuse("not-a-bundle", "entry %.60q is not a file of at most %d bytes", h.Name, limit)
	}
	var b bytes.Buffer
	if _, err := io.Copy(&b, t); err != nil {
		return nil, "", refuse("truncated", "file ends inside %s", h.Name)
	}
	return b.Bytes(), h.Name, nil
}

// Member is what a bundle contains about a member of the site. The panel shows the names, and the machine finds a
// member's badges by the addresses. The machine never sends names and addresses to another program.
type Member struct {
	ID       string   `json:"id"`
	Name     string   `json:"name"`
	Language string   `json:"language,omitempty"` // language of the member, fr or en; empty: the language of the site
	Emails   []string `json:"emails,omitempty"`
	Subjects []string `json:"subjects,omitempty"` // other ids by which credentials may name this member
	// Cards are the member's cards. Each entry is the HMAC-SHA-256 of the card's number under the site's card key, in
	// hexadecimal, or a CardFormHash.
	Cards   []string `json:"cards,omitempty"`
	Blocked bool     `json:"blocked,omitempty"`
	// SHA-256 of each of the member's credentials, which are in the badges chunk of the same bucket.
	Badges []string `json:"badges,omitempty"`
	// Critical lists those fields of this member that restrict what the member may do. A machine that does not know such a
	// field would permit too much, so the machine denies this member. The machine continues to admit the other members.
	Critical []string `json:"critical,omitempty"`
	MemberTerms
}

// Unknown returns the first critical field of m that this program does not know; nil: the program knows all of them.
func (m Member) Unknown() *UnknownField {
	if name := firstUnknown(m.Critical, reflect.TypeFor[Member]()); name != "" {
		return &UnknownField{name}
	}
	return nil
}

// RosterBucket is the content of a roster chunk.
type RosterBucket struct {
	Members []Member `json:"members"`
}

// BadgesBucket is the content of a badges chunk: credentials, each as the bytes that its issuer has issued.
type BadgesBucket struct {
	Credentials [][]byte `json:"credentials"`
}

// StatusBucket is the content of the status chunk (the issuers' status lists) and of the documents chunk.
type StatusBucket struct {
	Lists []StatusList `json:"lists"`
}

// StatusList is a document as it was downloaded from a URL.
type StatusList struct {
	URL  string `json:"url"`
	Body []byte `json:"body"`
}

// EncodeChunk writes one of the buckets above as canonical JSON, so that equal content has equal bytes.
func EncodeChunk(v any) ([]byte, error) { return Canonical(v) }

// DecodeChunk parses one of the buckets above, with the rules of Decode.
func DecodeChunk(b []byte, v any) error {
	if err := Decode(b, v); err != nil {
		return fmt.Errorf("chunk: %w", err)
	}
	return nil
}

// Peek reads a bundle file's manifest without checking the signature. The result may be shown to people, but nothing
// may rely on it.
func Peek(r io.Reader) (text string, m Manifest, err error) {
	data, name, err := entry(tar.NewReader(r), MaxSigned)
	if err != nil || name != "manifest" {
		return "", Manifest{}, refuse("not-a-bundle", "first entry is not a manifest")
	}
	lines := strings.SplitN(string(data), "\n", 3)
	if len(lines) < 3 || decodeHint([]byte(lines[1]), &m) != nil {
		return "", Manifest{}, refuse("not-a-bundle", "manifest is malformed")
	}
	for _, c := range m.Chunks {
		if !hexHash.MatchString(c.SHA256) {
			return "", Manifest{}, refuse("not-a-bundle", "manifest lists chunk %.60q without a SHA-256 hash", c.Name)
		}
	}
	m.CardCheck = cardCheck(data, m.Site)
	return string(data), m, nil
}
