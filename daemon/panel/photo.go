package panel

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// MaxPhoto is the largest size of a picture, in bytes. The page on a phone reduces pictures before it sends them.
const MaxPhoto = 4 << 20

// Album stores pictures in a folder, each under the SHA-256 of its content. An Album accepts only JPEG files, and
// stores only the picture itself: it removes location and camera data (Exif), thumbnails and comments. The methods of
// an Album may be called concurrently.
type Album struct {
	Dir  string
	Max  int64 // limit of all pictures together, in bytes
	Most int   // limit of the number of pictures

	mu sync.Mutex
}

// These errors are the reasons why a picture is refused.
var (
	errTooBig = Refusal{FR: "La photo est trop grande : 4 Mo au plus", EN: "The photo is too big: 4 MB at most"}
	errNoJPEG = Refusal{FR: "Ce fichier n’est pas une photo JPEG", EN: "This file is not a JPEG photo"}
	errFull   = Refusal{
		FR: "La machine n’a plus de place pour des photos : envoyez sans photo",
		EN: "The machine has no room left for photos: send without one",
	}
)

// held is the prefix of the file names of pictures that no record uses yet.
const held = "held-"

// Save implements Photos. When Save returns without an error, the picture's file is on the disk.
func (a *Album) Save(r io.Reader) (Picture, error) {
	data, err := io.ReadAll(io.LimitReader(r, MaxPhoto+1))
	switch {
	case err != nil:
		return Picture{}, err
	case len(data) > MaxPhoto:
		return Picture{}, errTooBig
	}
	data, err = stripMetadata(data)
	if err != nil {
		return Picture{}, errNoJPEG
	}
	sum := sha256.Sum256(data)
	name := hex.EncodeToString(sum[:])
	a.mu.Lock()
	defer a.mu.Unlock()
	if err := a.requireRoom(int64(len(data))); err != nil {
		return Picture{}, err
	}
	file, err := a.write(data)
	if err != nil {
		return Picture{}, err
	}
	return a.picture(name, file), nil
}

// picture returns the Picture of a file that no record uses yet.
func (a *Album) picture(name, file string) Picture {
	kept, ours := false, true // true if only this form uses the picture, and no record does
	final := filepath.Join(a.Dir, name+".jpg")
	keep := func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		if kept {
			return nil
		}
		if _, err := os.Stat(final); err == nil {
			ours = false
			os.Remove(file)
		} else if err := os.Rename(file, final); err != nil {
			return err
		}
		kept = true
		return nil
	}
	drop := func() {
		a.mu.Lock()
		defer a.mu.Unlock()
		switch {
		case !kept:
			os.Remove(file)
		case ours:
			os.Remove(final)
		}
	}
	return Picture{Name: name, keep: keep, drop: drop}
}

// requireRoom returns an error if the album has no room for this many more bytes.
func (a *Album) requireRoom(more int64) error {
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return err
	}
	all, err := os.ReadDir(a.Dir)
	if err != nil {
		return err
	}
	for _, f := range all {
		if i, err := f.Info(); err == nil {
			more += i.Size()
		}
	}
	if more > a.Max || len(all) >= a.Most {
		return errFull
	}
	return nil
}

// write stores a picture that no record uses yet, and returns its file.
func (a *Album) write(data []byte) (string, error) {
	f, err := os.CreateTemp(a.Dir, held+"*")
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		os.Remove(f.Name())
	}
	return f.Name(), err
}

// Forget removes the files of interrupted calls of Save, and the pictures of forms that waited for a card when the
// daemon ended.
func (a *Album) Forget() {
	for _, begin := range []string{held, "new-"} { // an older version used the second prefix
		left, _ := filepath.Glob(filepath.Join(a.Dir, begin+"*"))
		for _, f := range left {
			os.Remove(f)
		}
	}
}

var errJPEG = errors.New("not a JPEG")

// These constants are markers of a JPEG (ITU-T T.81, table B.1).
const (
	soi, eoi, sos = 0xd8, 0xd9, 0xda
	rst0, rst7    = 0xd0, 0xd7
	app0, app14   = 0xe0, 0xee // APP0 is JFIF; APP14 is Adobe's segment, which defines the colours
	app15, com    = 0xef, 0xfe
)

// segment is the part of a JPEG from one marker to the next, which is b[from:end].
type segment struct {
	marker    byte
	from, end int
}

// nextSegment reads the segment at i and skips fill bytes before it (B.1.1.2). The marker EOI has no length field.
func nextSegment(b []byte, i int) (segment, error) {
	for i+1 < len(b) && b[i] == 0xff && b[i+1] == 0xff {
		i++
	}
	if i+1 >= len(b) || b[i] != 0xff {
		return segment{}, errJPEG
	}
	s := segment{marker: b[i+1], from: i, end: i + 2}
	if s.marker == eoi {
		return s, nil
	}
	if i+3 >= len(b) || s.marker < 0xc0 || s.marker == soi || s.marker >= rst0 && s.marker <= rst7 {
		return segment{}, errJPEG
	}
	s.end += int(b[i+2])<<8 + int(b[i+3]) // the length field counts its own two bytes (B.1.1.4)
	if s.end < i+4 || s.end > len(b) {
		return segment{}, errJPEG
	}
	return s, nil
}

// isPicture reports whether a segment is part of the picture, and not data added by an application or a camera.
func (s segment) isPicture(b []byte) bool {
	switch {
	case s.marker == com:
		return false
	case s.marker == app0:
		return jfif(b[s.from+4 : s.end])
	case s.marker == app14:
		return s.end-s.from == 16
	}
	return s.marker < app0 || s.marker > app15
}

// stripMetadata returns a JPEG's picture from SOI to EOI, without the segments added by applications and cameras.
func stripMetadata(b []byte) ([]byte, error) {
	if len(b) < 4 || b[0] != 0xff || b[1] != soi {
		return nil, errJPEG
	}
	// The output overwrites the input: the output is never longer than the input that was read so far.
	out, framed := b[:2], false
	for i := 2; ; {
		s, err := nextSegment(b, i)
		if err != nil {
			return nil, err
		}
		if s.marker == eoi {
			if !framed || len(out) < minJPEG {
				return nil, errJPEG
			}
			return append(out, 0xff, eoi), nil
		}
		if s.isPicture(b) {
			out = append(out, b[s.from:s.end]...)
		}
		i = s.end
		if s.marker == sos {
			framed = true
			i = scanEnd(b, s.end)
			out = append(out, b[s.end:i]...)
		}
	}
}

// minJPEG is a number of bytes that every picture exceeds, because a picture needs tables, a frame and a scan.
const minJPEG = 100

// jfif reports whether an APP0 segment is JFIF without a thumbnail (JFIF 1.02: identifier, version, units, densities,
// and a thumbnail of 0 × 0 pixels).
func jfif(b []byte) bool {
	return len(b) == 14 && string(b[:5]) == "JFIF\x00" && b[12] == 0 && b[13] == 0
}

// scanEnd returns the end of the coded picture that begins at i: the position of the next marker that is not part of
// the picture.
func scanEnd(b []byte, i int) int {
	for i < len(b) {
		n := bytes.IndexByte(b[i:], 0xff)
		if n < 0 || i+n+1 >= len(b) {
			return len(b)
		}
		i += n
		if m := b[i+1]; m != 0 && (m < rst0 || m > rst7) && m != 0xff {
			return i
		}
		i++
	}
	return i
}

// printable returns text typed by a person without its control characters, but with its line ends.
func printable(s string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' || r == 0x7f || r == '\ufeff' || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 {
			return -1
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(s, ""), "\r\n", "\n")))
}

// tooLong returns the refusal of a text with more than most characters.
func tooLong(most int) Refusal {
	return Refusal{
		FR: fmt.Sprintf("Le texte est trop long : %d caractères au plus", most),
		EN: fmt.Sprintf("The text is too long: %d characters at most", most),
	}
}
