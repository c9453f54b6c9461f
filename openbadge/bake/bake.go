// Package bake puts badges into images, and takes them out.
package bake

import "errors"

// Version is the version of Open Badges whose words are used.
type Version int

// The versions.
const (
	OB2 Version = 2
	OB3 Version = 3
)

// Extract takes the badge out of an image: its payload, and the image's format, png or svg.
func Extract(image []byte) (payload []byte, format string, err error) {
	return nil, "", errors.New("this version bakes nothing")
}

// Bake puts a payload into a PNG or an SVG.
func Bake(image, payload []byte, version Version) ([]byte, error) {
	return nil, errors.New("this version bakes nothing")
}
