package openbadge

import "portillon/openbadge/internal/ld"

// openCredential opens a credential whose contexts stand in the order that its standard asks for. Nothing signs their
// order. A status list may be longer than a badge.
func openCredential(doc object, list bool) (*ld.Document, error) {
	open := ld.Open
	if list {
		open = ld.OpenList
	}
	d, err := open(doc)
	if err != nil {
		return nil, err
	}
	return d, coreFirst(doc)
}

// coreFirst: the data model's own context stands before all others (Verifiable Credentials Data Model 2.0, section 4.3;
// 1.1, section 4.1).
func coreFirst(doc object) error {
	switch first := ld.List(doc["@context"])[0]; first { // ld has read it: there is one
	case ld.VC, "https://www.w3.org/2018/credentials/v1":
		return nil
	default:
		return fault("unknown-context", "the first context is %.100q, want the context of the data model", first)
	}
}
