package openbadge

import (
	"errors"

	"portillon/openbadge/bake"
)

// unbake extracts the document from an image, once: an image inside an image is not a badge.
func (q *inquiry) unbake(image []byte) (object, *jwt, error) {
	if q.Baked != "" {
		return nil, nil, fault("malformed", "a picture stands within a picture, where its badge belongs")
	}
	payload, format, err := bake.Extract(image)
	if err != nil {
		return nil, nil, fault(pictureCode(err), "%v", err)
	}
	q.Baked = format
	if !isAddress(payload) {
		return q.unwrap(payload)
	}
	if payload, err = q.baked(string(payload)); err != nil {
		return nil, nil, err
	}
	return q.unwrap(payload)
}

// baked fetches the document at the address that an old image has instead of a badge (Open Badges 2.0, «Baking
// Specification»: a tEXt chunk, or the attribute verify of an SVG). The presenter chose the address, so it is fetched
// only if a hosted badge could count.
func (q *inquiry) baked(at string) ([]byte, error) {
	if q.o.Documents == nil {
		return nil, fault("hosted-unreachable",
			"the picture holds no badge but its address, %.200s, and nobody is there to ask", at)
	}
	if err := q.mayHost(); err != nil {
		return nil, err
	}
	data, err := q.onTheWeb(at)
	switch {
	case errors.Is(err, ErrGone):
		return nil, fault("revoked", "the picture holds no badge but its address, and %s is gone", at)
	case errors.Is(err, ErrNotFound):
		return nil, fault("not-hosted", "the picture holds no badge but its address, and there is nothing at %s", at)
	case err != nil:
		return nil, fault("hosted-unreachable", "the picture holds no badge but its address, %s: %v", at, err)
	}
	return data, nil
}

// pictureCode is the reason why an image has no usable badge.
func pictureCode(err error) string {
	switch {
	case errors.Is(err, bake.ErrNone):
		return "not-an-open-badge"
	case errors.Is(err, bake.ErrTwo):
		return "ambiguous"
	case errors.Is(err, bake.ErrTooLarge):
		return "too-complex"
	}
	return "malformed"
}
