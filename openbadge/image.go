package openbadge

import (
	"errors"

	"portillon/openbadge/bake"
)

// unbake takes the document out of a picture, once: a picture within a picture is no badge.
func (q *inquiry) unbake(image []byte) (object, *jwt, error) {
	if q.Baked != "" {
		return nil, nil, fault("malformed", "a picture stands within a picture, where its badge belongs")
	}
	payload, format, err := bake.Extract(image)
	if err != nil {
		return nil, nil, fault(pictureCode(err), "%v", err)
	}
	q.Baked = format
	return q.unwrap(payload)
}

// pictureCode is the reason why a picture gives no badge.
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
