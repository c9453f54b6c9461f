// Package bake takes a badge out of the picture that carries it, and puts it there. It knows pictures, and nothing of
// badges: what it takes out is believed by nobody until openbadge.Verify has read it.
//
// A PNG carries a badge in an iTXt chunk with the keyword «openbadges» (Open Badges 1 and 2) or «openbadgecredential»
// (Open Badges 3.0), uncompressed; old ones in a tEXt chunk, «openbadges». An SVG carries it in an element: «assertion»
// of http://openbadges.org or «credential» of https://purl.imsglobal.org/ob/v3p0, JSON in its text, a signed token in
// its attribute «verify».
//
// What it insists on:
//
//   - One badge, or the picture is refused: two readers of two badges would each see another.
//   - Every PNG chunk is whole, with the right CRC, and nothing follows the last. Compressed text is refused, as the
//     specifications forbid it: so nothing can grow.
//   - An SVG is one well-formed SVG in UTF-8. A DOCTYPE may name a DTD, which is never fetched; one that declares
//     anything, entities above all, is refused. Scripts are text like any other: nothing here runs or draws a picture.
//   - At most MaxBytes, or MaxSVG; 100 levels and 100,000 tokens of XML.
//
// Bake changes no other byte of a picture. What it writes, Extract reads.
package bake

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

const (
	MaxBytes = 8 << 20 // of a PNG: a badge is some 50 to 500 KB
	MaxSVG   = 1 << 20 // of an SVG, of some tens of KB: XML that an attacker writes takes 50 times its size to read
)

// Why a picture gives no badge. Any other error says what is broken in it.
var (
	ErrNone     = errors.New("image has no badge")
	ErrTwo      = errors.New("image has more than one badge")
	ErrTooLarge = errors.New("the picture is too large")
)

// Version is whose place in a picture a badge takes. The zero Version is none.
type Version uint8

const (
	OB2 Version = iota + 1 // Open Badges 1 and 2
	OB3                    // Open Badges 3.0
)

// The formats of pictures that carry badges.
const (
	PNG = "png"
	SVG = "svg"
)

// Format is the kind of picture that the bytes begin as: PNG, SVG (or any other XML), or none.
func Format(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG")):
		return PNG
	case bytes.HasPrefix(bytes.TrimLeft(withoutMark(b), " \t\r\n"), []byte("<")):
		return SVG
	}
	return ""
}

// withoutMark is an XML document without the byte order mark that it may begin with.
func withoutMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }

// Extract gives the one badge that is in a picture, without the white space around it, and the picture's format. The
// badge is JSON, a signed token, or, in old pictures, the URL where it stands: that is for the caller to find out.
func Extract(image []byte) (payload []byte, format string, err error) {
	switch format = Format(image); format {
	case PNG:
		payload, err = extractPNG(image)
	case SVG:
		payload, err = extractSVG(image)
	default:
		return nil, "", errors.New("image is neither a PNG nor an SVG")
	}
	if err != nil {
		return nil, format, err
	}
	return payload, format, nil
}

// Bake puts a badge, JSON or a signed token, into a picture. Badges that were there go, of either version.
func Bake(image, payload []byte, v Version) ([]byte, error) {
	if v != OB2 && v != OB3 {
		return nil, errors.New("no version of Open Badges is named")
	}
	payload = bytes.TrimSpace(payload)
	if err := check(payload); err != nil {
		return nil, err
	}
	switch Format(image) {
	case PNG:
		return bakePNG(image, payload, v)
	case SVG:
		return bakeSVG(image, payload, v)
	}
	return nil, errors.New("image is neither a PNG nor an SVG")
}

// check makes sure that a payload is what its place in a picture can hold.
func check(payload []byte) error {
	switch {
	case isJSON(payload):
		if !json.Valid(payload) || !utf8.Valid(payload) {
			return errors.New("the badge is no JSON")
		}
	case bytes.Count(payload, []byte(".")) != 2 || strings.Trim(string(payload), tokenChars) != "":
		return errors.New("the badge is neither JSON nor a signed token")
	}
	return nil
}

// tokenChars are what a JWS in its compact form is made of (RFC 7515, section 7.1).
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

func isJSON(payload []byte) bool { return bytes.HasPrefix(payload, []byte("{")) }

// fits bounds a picture before anything in it is read.
func fits(image []byte, most int) error {
	if len(image) > most {
		return fmt.Errorf("%w: %d bytes, at most %d are read", ErrTooLarge, len(image), most)
	}
	return nil
}

// one is the only badge, or why there is none.
func one(n int) error {
	switch n {
	case 0:
		return ErrNone
	case 1:
		return nil
	}
	return ErrTwo
}
