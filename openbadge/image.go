package openbadge

import (
	"errors"

	"portillon/openbadge/bake"
)

// unbake takes the document out of a picture, once: a picture within a picture is no badge.
func (q *inquiry) unbake(image []byte) (object, *jwt, error) {
	if q.Baked != "" {
		return nil, nil, fault("malformed", "the picture contains another picture in place of a badge")
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

// baked is what stands at the address that an old picture holds in place of its badge (Open Badges 2.0, «Baking
// Specification»: a tEXt chunk, or an SVG's attribute verify). It is a hosted badge's address, chosen by whoever
// presents the picture: nobody is asked where no hosted badge could count.
func (q *inquiry) baked(at string) ([]byte, error) {
	if q.o.Documents == nil {
		return nil, fault("hosted-unreachable",
			"the picture contains only the badge's address, %.200s, and there is no access to the web", at)
	}
	if err := q.mayHost(); err != nil {
		return nil, err
	}
	data, err := q.onTheWeb(at)
	switch {
	case errors.Is(err, ErrGone):
		return nil, fault("revoked", "the picture contains only the badge's address, and the document at %s was removed", at)
	case errors.Is(err, ErrNotFound):
		return nil, fault("not-hosted", "the picture contains only the badge's address, and there is no document at %s", at)
	case err != nil:
		return nil, fault("hosted-unreachable", "the picture contains only the badge's address, %s: %v", at, err)
	}
	return data, nil
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
