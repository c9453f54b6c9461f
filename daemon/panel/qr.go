package panel

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// QR is a QR code (ISO/IEC 18004), as a path in a square of Size units that includes the quiet zone of four units.
type QR struct {
	Size int    `json:"size"`
	Path string `json:"path"`
}

// newQR encodes text with the error correction level M (15 %), and returns nil if the text is too long.
func newQR(text string) *QR {
	c, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil
	}
	var b strings.Builder
	for y := range c.Size {
		for x := 0; x < c.Size; x++ {
			if from := x; c.Black(x, y) {
				for x++; x < c.Size && c.Black(x, y); x++ {
				}
				fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+4, y+4, x-from, x-from)
			}
		}
	}
	return &QR{Size: c.Size + 8, Path: b.String()}
}
