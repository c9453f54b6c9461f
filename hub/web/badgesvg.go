package web

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"unicode/utf8"

	"portillon/hub/display"
)

// maxBadgeText is the maximum number of characters of each text of a badge picture.
const maxBadgeText = 48

// The measures of a badge picture, in pixels. The attribute textLength fits each text into its width, so that the
// widths need no font.
const (
	badgeHeight = 20
	badgePad    = 8
	badgeChar   = 7 // mean width of a character of 12 px
)

// stateMarks returns the shape and the colour of a state. The shape and the word make the colour redundant. Each colour
// has a contrast of at least 4.5 to white text.
func stateMarks(s display.State) (shape, colour string) {
	switch s {
	case display.Free:
		return "○", "#2e6b34"
	case display.InUse:
		return "●", "#0b5cad"
	case display.OutOfService:
		return "▲", "#8f5200"
	}
	return "◔", "#55585e"
}

// badgeSVG returns a picture with a machine's name and state, which other sites can include. The picture contains no
// script, no style sheet and no reference.
func badgeSVG(lang, name string, state display.State, word string) []byte {
	shape, colour := stateMarks(state)
	left, right := escapeXML(cutRunes(name)), escapeXML(shape+" "+cutRunes(word))
	l := badgeChar*utf8.RuneCountInString(cutRunes(name)) + 2*badgePad
	r := badgeChar*utf8.RuneCountInString(shape+" "+cutRunes(word)) + 2*badgePad
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" role="img" xml:lang="%s">`,
		l+r, badgeHeight, lang)
	fmt.Fprintf(&b, `<title>%s – %s</title>`, left, escapeXML(cutRunes(word)))
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#1b1c1e"/><rect x="%d" width="%d" height="%d" fill="%s"/>`,
		l, badgeHeight, l, r, badgeHeight, colour)
	b.WriteString(`<g fill="#fff" font-family="system-ui,Verdana,DejaVu Sans,sans-serif" font-size="12" ` +
		`aria-hidden="true">`)
	fmt.Fprintf(&b, `<text x="%d" y="14" textLength="%d">%s</text>`, badgePad, l-2*badgePad, left)
	fmt.Fprintf(&b, `<text x="%d" y="14" textLength="%d">%s</text></g></svg>`, l+badgePad, r-2*badgePad, right)
	return b.Bytes()
}

// escapeXML escapes a text for an element of XML, and replaces characters that XML forbids.
func escapeXML(s string) string {
	var b bytes.Buffer
	_ = xml.EscapeText(&b, []byte(s)) // a Buffer returns no error
	return b.String()
}

// cutRunes shortens a text to maxBadgeText characters.
func cutRunes(s string) string {
	if r := []rune(s); len(r) > maxBadgeText {
		return string(r[:maxBadgeText-1]) + "…"
	}
	return s
}
