package panel

import (
	"fmt"
	"strings"

	"rsc.io/qr"
)

// QR is a code that a phone reads (ISO/IEC 18004), as a path in a square of Size units, its quiet zone of four units
// included.
type QR struct {
	Size int    `json:"size"`
	Path string `json:"path"`
}

// newQR writes text in the level that survives a scratch (M, 15 %). nil: the text is too long for one.
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
