package openbadge

import "errors"

// Resolver provides the documents that a verdict depends on and that the badge does not contain: keys of a did:web or
// of a web profile, documents of a hosted badge, status lists. Contexts are compiled in and never requested.
//
// Resolve returns the document at an https URL, as it was last read. It may block, for as long as the Resolver decides.
// ErrGone and ErrNotFound are the server's answers that there is no document. Any other error means that the document
// could not be read. The bytes are not trusted.
type Resolver interface {
	Resolve(url string) ([]byte, error)
}

// Errors of a Resolver for a document that does not exist.
var (
	ErrGone     = errors.New("the document is gone") // 410: a hosted badge was revoked
	ErrNotFound = errors.New("there is no document at this address")
)

// maxDocuments bounds the documents for one verdict. A hosted badge needs four or five.
const maxDocuments = 16

// inquiry is a verdict in progress.
type inquiry struct {
	Verdict
	o      Options
	proved bool // the proof holds
	list   bool // the document is a status list, which may be larger than a badge
	asked  map[string]answer
	unread error // why some of the issuer's pinned keys could not be read
}

type answer struct {
	data []byte
	err  error
}

// resolve requests each document once. The error is ErrGone, ErrNotFound, or another one: the document could not be
// read.
func (q *inquiry) resolve(r Resolver, url string) ([]byte, error) {
	if r == nil {
		return nil, errors.New("no resolver for documents")
	}
	if a, ok := q.asked[url]; ok {
		return a.data, a.err
	}
	if len(q.asked) >= maxDocuments {
		return nil, errors.New("badge needs too many documents")
	}
	if q.asked == nil {
		q.asked = map[string]answer{}
	}
	data, err := r.Resolve(url)
	q.asked[url] = answer{data, err}
	return data, err
}
