// Package bake extracts a badge from a picture, and stores a badge in a picture. The package does not check the badge:
// callers must not trust the extracted data before openbadge.Verify has accepted it.
//
// A PNG contains a badge in an uncompressed iTXt chunk with the keyword "openbadges" (Open Badges 1 and 2) or
// "openbadgecredential" (Open Badges 3.0); old pictures use a tEXt chunk with "openbadges". An SVG contains a badge in
// an element: "assertion" of http://openbadges.org or "credential" of https://purl.imsglobal.org/ob/v3p0, with JSON as
// its text, or a signed token in its attribute "verify".
//
// Strict rules:
//
//   - A picture with more than one badge is rejected, because two programs could read different badges.
//   - Every PNG chunk must be complete, with the right CRC, and no data may follow the last chunk. Compressed text is
//     rejected, as the specifications require, so that decompression bombs are impossible.
//   - An SVG must be well-formed UTF-8. A DOCTYPE may name a DTD, which the package never fetches. A DOCTYPE with
//     declarations, such as entities, is rejected. The package treats scripts as text, because it neither runs nor
//     draws a picture.
//   - The limits are MaxBytes or MaxSVG, 100 levels and 100,000 tokens of XML.
//
// Bake changes no other byte of a picture. Extract can read everything that Bake writes.
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
	MaxBytes = 8 << 20 // maximum size of a PNG in bytes; a badge has about 50 to 500 KB
	// maximum size of an SVG in bytes (usually some tens of KB), because hostile XML takes 50 times its size in memory
	MaxSVG = 1 << 20
)

// These errors mean that a picture contains no badge that can be used. Other errors describe a defect of the picture.
var (
	ErrNone     = errors.New("no badge in the picture")
	ErrTwo      = errors.New("more than one badge in the picture")
	ErrTooLarge = errors.New("picture is too large")
)

// Version is the version of Open Badges, which determines where a picture stores the badge. The zero Version is
// invalid.
type Version uint8

const (
	OB2 Version = iota + 1 // Open Badges 1 and 2
	OB3                    // Open Badges 3.0
)

// These are the formats of pictures with badges.
const (
	PNG = "png"
	SVG = "svg"
)

// Format returns the format that the first bytes of the data indicate: PNG, or SVG for any XML. Other data has the
// format "".
func Format(b []byte) string {
	switch {
	case bytes.HasPrefix(b, []byte("\x89PNG")):
		return PNG
	case bytes.HasPrefix(bytes.TrimLeft(withoutMark(b), " \t\r\n"), []byte("<")):
		return SVG
	}
	return ""
}

// withoutMark returns an XML document without its byte order mark.
func withoutMark(b []byte) []byte { return bytes.TrimPrefix(b, []byte("\ufeff")) }

// Extract returns the only badge in a picture, without surrounding white space, and the picture's format. The badge
// is JSON, a signed token or, in old pictures, the URL of the badge; the caller must find out which.
func Extract(image []byte) (payload []byte, format string, err error) {
	switch format = Format(image); format {
	case PNG:
		payload, err = extractPNG(image)
	case SVG:
		payload, err = extractSVG(image)
	default:
		return nil, "", errors.New("picture is neither a PNG nor an SVG")
	}
	if err != nil {
		return nil, format, err
	}
	return payload, format, nil
}

// Bake stores a badge (JSON or a signed token) in a picture. Bake removes badges of both versions that the picture
// already contains.
func Bake(image, payload []byte, v Version) ([]byte, error) {
	if v != OB2 && v != OB3 {
		return nil, errors.New("version of Open Badges is missing, want OB2 or OB3")
	}
	payload = bytes.TrimSpace(payload)
	if err := checkPayload(payload); err != nil {
		return nil, err
	}
	switch Format(image) {
	case PNG:
		return bakePNG(image, payload, v)
	case SVG:
		return bakeSVG(image, payload, v)
	}
	return nil, errors.New("picture is neither a PNG nor an SVG")
}

// checkPayload checks that a payload is valid JSON or has the form of a signed token.
func checkPayload(payload []byte) error {
	switch {
	case isJSON(payload):
		if !json.Valid(payload) || !utf8.Valid(payload) {
			return errors.New("badge is not valid JSON")
		}
	case bytes.Count(payload, []byte(".")) != 2 || strings.Trim(string(payload), tokenChars) != "":
		return errors.New("badge is neither valid JSON nor a signed token")
	}
	return nil
}

// tokenChars are the characters of a JWS in its compact form (RFC 7515, section 7.1).
const tokenChars = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."

// isJSON reports whether a payload is JSON; otherwise it is a token.
func isJSON(payload []byte) bool { return bytes.HasPrefix(payload, []byte("{")) }

// checkSize checks the size of a picture before the package reads its content.
func checkSize(image []byte, most int) error {
	if len(image) > most {
		return fmt.Errorf("%w: %d bytes, want at most %d", ErrTooLarge, len(image), most)
	}
	return nil
}

// requireOne returns an error unless n, the number of badges in a picture, is 1.
func requireOne(n int) error {
	switch n {
	case 0:
		return ErrNone
	case 1:
		return nil
	}
	return ErrTwo
}
