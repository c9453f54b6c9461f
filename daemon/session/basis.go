package session

import (
	"encoding/json"

	"portillon/policy"
	"portillon/wire"
)

// envelopeMax is the largest size of a record without its body, in bytes: six names of at most 64 bytes each, two
// numbers, a time and the names of the fields.
const envelopeMax = 1 << 10

// fitBasis returns the basis if the record with this body has room for it. fitBasis returns nil if there is no basis,
// or if the record has no room for it.
func fitBasis(basis *policy.Basis, body any) *policy.Basis {
	if basis == nil {
		return nil
	}
	text, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	room := wire.MaxRecord - envelopeMax - len(text) - len(`,"basis":`)
	out := basis.Fit(room)
	if text, err = json.Marshal(out); err != nil || len(text) > room {
		return nil
	}
	return &out
}

// acceptedMax is the largest size of the accepted badges in a record, in bytes: half of the size limit of a record.
const acceptedMax = wire.MaxRecord / 2

// fitAccepted returns the first accepted badges, as many as a record has room for. A badge's achievement is an address
// that its issuer has chosen, which may be of any length. If the badges made the record too long, the start of the
// session would be refused.
func fitAccepted(all []policy.Accepted) []policy.Accepted {
	for n := len(all); n > 0; n-- {
		if text, err := json.Marshal(all[:n]); err == nil && len(text) <= acceptedMax {
			return all[:n]
		}
	}
	return nil
}
