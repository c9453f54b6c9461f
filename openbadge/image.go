package openbadge

import (
	"errors"

	"portillon/openbadge/bake"
)

// unbake extracts the document from a picture. A picture that contains another picture is an error.
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
	if payload, err = q.fetchBaked(string(payload)); err != nil {
		return nil, nil, err
	}
	return q.unwrap(payload)
}

// fetchBaked fetches the badge of an old picture, which contains only the badge's address (Open Badges 2.0, Baking
// Specification: a tEXt chunk, or the attribute verify of an SVG). The presenter of the picture chose this address,
// so it could be any address. Therefore fetchBaked makes a request only if an issuer is trusted whose hosted badges
// could be valid.
func (q *inquiry) fetchBaked(at string) ([]byte, error) {
	if q.o.Documents == nil {
		return nil, fault("hosted-unreachable",
			"the picture contains only the badge's address, %.200s, and there is no access to the web", at)
	}
	if err := q.requireHostingIssuer(); err != nil {
		return nil, err
	}
	data, err := q.requestDocument(at)
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

// pictureCode returns the reason code for a picture without a usable badge.
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
