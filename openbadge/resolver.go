package openbadge

import "errors"

// Resolver returns documents outside the badge: the keys of a did:web or of a web profile, the documents of a hosted
// badge, status lists. Contexts are never requested, because they are compiled in.
//
// Resolve returns the document at an https URL, as it was last read. Resolve may block, but must limit the time itself.
// ErrGone and ErrNotFound mean that the server has no such document. Any other error means that the document is
// unreachable. Callers do not trust the returned bytes. Resolve may be called concurrently.
type Resolver interface {
	Resolve(url string) ([]byte, error)
}

// A Resolver returns these errors for a document that does not exist.
var (
	ErrGone     = errors.New("document was removed") // HTTP status 410: a hosted badge was revoked
	ErrNotFound = errors.New("no document at this address")
)

// maxDocuments is the maximum number of documents for one verdict. A hosted badge needs four or five documents.
const maxDocuments = 16

// inquiry is a verification in progress.
type inquiry struct {
	Verdict
	o      Options
	proved bool // the proof is correct
	list   bool // the document is a status list, which may be larger than a badge
	asked  map[string]answer
	unread error // why some of the issuer's pinned keys could not be read; nil if all were read
}

type answer struct {
	data []byte
	err  error
}

// resolve returns a document and requests each document only once. The error is ErrGone, ErrNotFound, or any other
// error for an unreachable document.
func (q *inquiry) resolve(r Resolver, url string) ([]byte, error) {
	if r == nil {
		return nil, errors.New("no Resolver is configured")
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
