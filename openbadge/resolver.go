package openbadge

import "errors"

// Resolver returns documents that a verification needs besides the badge: the keys of a did:web or of a web profile,
// the documents of a hosted badge, status lists. The package never requests contexts, because they are compiled into
// it.
//
// Resolve returns the document at an https URL, as it was last read. Resolve may block, but must itself limit how
// long it blocks. ErrGone and ErrNotFound mean that the server has no such document. Any other error means that the
// Resolver could not reach the document. Callers must not trust the returned bytes, but verify them. Resolve may be
// called concurrently.
type Resolver interface {
	Resolve(url string) ([]byte, error)
}

// A Resolver returns one of these errors for a document that does not exist.
var (
	// HTTP status 410: for a hosted badge it means that the badge was revoked
	ErrGone     = errors.New("document was removed by its server (HTTP status 410)")
	ErrNotFound = errors.New("no document at this address")
)

// maxDocuments is the largest number of documents that the package requests for one verdict. A hosted badge of Open
// Badges 2.0 needs four or five documents.
const maxDocuments = 16

// inquiry is one verification while it is in progress.
type inquiry struct {
	Verdict
	o      Options
	proved bool // the proof has been verified and is correct
	list   bool // the document is a status list, so it may be larger than a badge
	asked  map[string]answer
	unread error // why some of the issuer's pinned keys could not be read; nil if all were read
}

type answer struct {
	data []byte
	err  error
}

// resolve returns a document, and requests each document only once for a verdict. The error is ErrGone or
// ErrNotFound, or any other error if the document is unreachable.
func (q *inquiry) resolve(r Resolver, url string) ([]byte, error) {
	if r == nil {
		return nil, errors.New("no Resolver is configured, so no document can be read")
	}
	if a, ok := q.asked[url]; ok {
		return a.data, a.err
	}
	if len(q.asked) >= maxDocuments {
		return nil, errors.New("badge refers to too many documents")
	}
	if q.asked == nil {
		q.asked = map[string]answer{}
	}
	data, err := r.Resolve(url)
	q.asked[url] = answer{data, err}
	return data, err
}
