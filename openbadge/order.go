package openbadge

import "portillon/openbadge/internal/ld"

// openCredential opens a credential and checks the order of the contexts, because no signature covers this order. If
// list is true, the document may be as large as a status list.
func openCredential(doc object, list bool) (*ld.Document, error) {
	open := ld.Open
	if list {
		open = ld.OpenList
	}
	d, err := open(doc)
	if err != nil {
		return nil, err
	}
	return d, requireCoreContextFirst(doc)
}

// requireCoreContextFirst checks that the first context is the context of the data model (Verifiable Credentials Data
// Model 2.0, section 4.3; 1.1, section 4.1).
func requireCoreContextFirst(doc object) error {
	switch first := ld.List(doc["@context"])[0]; first { // package ld has already checked that the document has a context
	case ld.VC, "https://www.w3.org/2018/credentials/v1":
		return nil
	default:
		return fault("unknown-context", "the first context is %.100q, want the context of the data model", first)
	}
}
