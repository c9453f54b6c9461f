package web

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// qrCode is a QR code (ISO/IEC 18004) as an SVG path in a square of Size units. The square includes a quiet zone of
// four units on each side.
type qrCode struct {
	Size int
	Path string
}

// newSquare returns a QR code with error correction level M (15 % may be unreadable); nil: the text is too long.
func newSquare(text string) *qrCode {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil
	}
	const quiet = 4
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			if from := x; c.Black(x, y) {
				for x++; x < c.Size && c.Black(x, y); x++ {
				}
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from, x-from)
			}
		}
	}
	return &qrCode{Size: c.Size + 2*quiet, Path: b.String()}
}
