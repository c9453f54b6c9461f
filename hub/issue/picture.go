package issue

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"sync"

	"portillon/policy"
)

// pictures caches the pictures of badge classes by their text and level.
type pictures struct {
	mu   sync.Mutex
	made map[string][]byte
}

// maxPictures is the maximum number of cached pictures.
const maxPictures = 500

// picture returns the picture of a badge class as a PNG. The error is *fault.NotFound if the hub does not issue the
// badge.
func (s *Service) picture(ctx context.Context, id policy.BadgeID) ([]byte, error) {
	c, _, err := s.classes.find(ctx, id)
	if err != nil {
		return nil, err
	}
	s.pictures.mu.Lock()
	defer s.pictures.mu.Unlock()
	key := string(rune('0'+c.role)) + c.label
	if data := s.pictures.made[key]; data != nil {
		return data, nil
	}
	data, err := draw(c.label, c.role)
	if s.pictures.made == nil || len(s.pictures.made) >= maxPictures {
		s.pictures.made = map[string][]byte{}
	}
	s.pictures.made[key] = data
	return data, err
}

// Measures of a picture, in pixels.
const (
	side      = 400
	outer     = 194.0 // distance of the hexagon's corners from the centre
	line      = 178.0 // distance of the corners of the line inside
	lineEnd   = 170.0
	textWidth = 250 // maximum width of a line of text
	dotRadius = 13.0
	dotStep   = 42.0 // distance between two dots of the level
	dotRow    = 284.0
)

// colours are the colours of the hexagon by level. The level is also the number of filled dots, for readers who do not
// distinguish the colours.
func colours() map[policy.Role]color.NRGBA {
	return map[policy.Role]color.NRGBA{
		policy.Learner:    {0x1f, 0x6f, 0x78, 0xff},
		policy.User:       {0x1d, 0x5f, 0xa8, 0xff},
		policy.Host:       {0x8a, 0x4b, 0x08, 0xff},
		policy.Mentor:     {0x5b, 0x3a, 0x8c, 0xff},
		policy.Maintainer: {0x8c, 0x2f, 0x39, 0xff},
	}
}

// draw draws a picture: a hexagon with a text, and one dot for each level, of which the reached levels are filled.
func draw(label string, level policy.Role) ([]byte, error) {
	img := image.NewNRGBA(image.Rect(0, 0, side, side))
	fill, ok := colours()[level]
	if !ok {
		fill = color.NRGBA{0x44, 0x4c, 0x56, 0xff}
	}
	white := color.NRGBA{0xff, 0xff, 0xff, 0xff}
	paint(img, img.Rect, fill, func(x, y float64) bool { return inHexagon(x, y, outer) })
	paint(img, img.Rect, white, func(x, y float64) bool { return inHexagon(x, y, line) && !inHexagon(x, y, lineEnd) })
	if level != 0 {
		for i := range int(policy.Maintainer) {
			at := side/2 + (float64(i)-float64(policy.Maintainer-1)/2)*dotStep
			box := image.Rect(int(at-dotRadius), int(dotRow-dotRadius), int(at+dotRadius)+1, int(dotRow+dotRadius)+1)
			paint(img, box, white, func(x, y float64) bool {
				d := math.Hypot(x-at, y-dotRow)
				return d < dotRadius && (i < int(level) || d > dotRadius-4)
			})
		}
	}
	drawText(img, white, label)
	var out bytes.Buffer
	err := (&png.Encoder{CompressionLevel: png.BestCompression}).Encode(&out, img)
	return out.Bytes(), err
}

// inHexagon reports whether a point is in the hexagon around the centre whose corners have this distance from it.
func inHexagon(x, y, corner float64) bool {
	x, y = math.Abs(x-side/2), math.Abs(y-side/2)
	return x <= corner*math.Sqrt(3)/2 && y <= corner-x/math.Sqrt(3)
}

// samples is the number of samples per pixel and direction, by which paint smooths edges.
const samples = 3

// paint paints the points of a box for which in returns true over the picture.
func paint(img *image.NRGBA, box image.Rectangle, c color.NRGBA, in func(x, y float64) bool) {
	for y := box.Min.Y; y < box.Max.Y; y++ {
		for x := box.Min.X; x < box.Max.X; x++ {
			n := 0
			for i := range samples * samples {
				if in(float64(x)+(float64(i%samples)+0.5)/samples, float64(y)+(float64(i/samples)+0.5)/samples) {
					n++
				}
			}
			if n > 0 {
				blend(img, x, y, c, n*255/(samples*samples))
			}
		}
	}
}

// blend paints a pixel with an opacity of 0 to 255.
func blend(img *image.NRGBA, x, y int, c color.NRGBA, opacity int) {
	below := img.NRGBAAt(x, y)
	if below.A == 0 { // the pixel is still transparent: keep the colour pure at the edge
		c.A = uint8(opacity)
		img.SetNRGBA(x, y, c)
		return
	}
	mix := func(a, b uint8) uint8 { return uint8((int(a)*(255-opacity) + int(b)*opacity) / 255) }
	img.SetNRGBA(x, y, color.NRGBA{mix(below.R, c.R), mix(below.G, c.G), mix(below.B, c.B), below.A})
}

// drawText draws a text in up to three lines, which are the parts between hyphens, as large as it fits.
func drawText(img *image.NRGBA, c color.NRGBA, text string) {
	lines := strings.SplitN(strings.ToUpper(text), "-", 3)
	longest := 1
	for _, l := range lines {
		longest = max(longest, len(l))
	}
	scale := max(1, min(textWidth/(longest*glyphStep), 150/(len(lines)*(glyphHeight+2))))
	top := side/2 - 20 - len(lines)*(glyphHeight+2)*scale/2
	for n, l := range lines {
		left := side/2 - (len(l)*glyphStep-1)*scale/2
		for i := range len(l) {
			drawGlyph(img, c, l[i], left+i*glyphStep*scale, top+n*(glyphHeight+2)*scale, scale)
		}
	}
}

// drawGlyph draws a character with its upper left corner at a point. drawGlyph draws nothing for a character that the
// font does not have.
func drawGlyph(img *image.NRGBA, c color.NRGBA, r byte, left, top, scale int) {
	for row, bits := range font()[r] {
		for column := range 5 {
			if bits>>(4-column)&1 == 0 {
				continue
			}
			for y := range scale {
				for x := range scale {
					if p := image.Pt(left+column*scale+x, top+row*scale+y); p.In(img.Rect) {
						img.SetNRGBA(p.X, p.Y, c)
					}
				}
			}
		}
	}
}

// Measures of the font, in dots.
const (
	glyphHeight = 7
	glyphStep   = 6
)

// font returns the dots of the characters of machine ids, in upper case: one number for each row of five dots.
func font() map[byte][glyphHeight]uint8 {
	return map[byte][glyphHeight]uint8{
		'A': {14, 17, 17, 31, 17, 17, 17}, 'B': {30, 17, 17, 30, 17, 17, 30}, 'C': {14, 17, 16, 16, 16, 17, 14},
		'D': {30, 17, 17, 17, 17, 17, 30}, 'E': {31, 16, 16, 30, 16, 16, 31}, 'F': {31, 16, 16, 30, 16, 16, 16},
		'G': {14, 17, 16, 23, 17, 17, 14}, 'H': {17, 17, 17, 31, 17, 17, 17}, 'I': {14, 4, 4, 4, 4, 4, 14},
		'J': {7, 2, 2, 2, 2, 18, 12}, 'K': {17, 18, 20, 24, 20, 18, 17}, 'L': {16, 16, 16, 16, 16, 16, 31},
		'M': {17, 27, 21, 21, 17, 17, 17}, 'N': {17, 25, 21, 19, 17, 17, 17}, 'O': {14, 17, 17, 17, 17, 17, 14},
		'P': {30, 17, 17, 30, 16, 16, 16}, 'Q': {14, 17, 17, 17, 21, 18, 13}, 'R': {30, 17, 17, 30, 20, 18, 17},
		'S': {15, 16, 16, 14, 1, 1, 30}, 'T': {31, 4, 4, 4, 4, 4, 4}, 'U': {17, 17, 17, 17, 17, 17, 14},
		'V': {17, 17, 17, 17, 17, 10, 4}, 'W': {17, 17, 17, 21, 21, 21, 10}, 'X': {17, 17, 10, 4, 10, 17, 17},
		'Y': {17, 17, 10, 4, 4, 4, 4}, 'Z': {31, 1, 2, 4, 8, 16, 31}, '0': {14, 17, 19, 21, 25, 17, 14},
		'1': {4, 12, 4, 4, 4, 4, 14}, '2': {14, 17, 1, 2, 4, 8, 31}, '3': {30, 1, 1, 14, 1, 1, 30},
		'4': {2, 6, 10, 18, 31, 2, 2}, '5': {31, 16, 30, 1, 1, 17, 14}, '6': {6, 8, 16, 30, 17, 17, 14},
		'7': {31, 1, 2, 4, 8, 8, 8}, '8': {14, 17, 17, 14, 17, 17, 14}, '9': {14, 17, 17, 15, 1, 2, 12},
	}
}
