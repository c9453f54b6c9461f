package openbadge

import "errors"

// Resolver gives the documents that a verdict rests on and that a badge does not hold: the keys of a did:web or of a
// web profile, the documents of a hosted badge, status lists. Contexts are never asked for: they are compiled in.
//
// Resolve gives what stands at an https URL, as it was last read. It may block, and decides itself for how long.
// ErrGone and ErrNotFound are the answer of whoever keeps the document: there is none. Any other error means that it is
// out of reach. Nothing is believed of the bytes.
type Resolver interface {
	Resolve(url string) ([]byte, error)
}

// What a Resolver says where there is no document.
var (
	ErrGone     = errors.New("document was removed") // 410: a hosted badge was revoked
	ErrNotFound = errors.New("no document at this address")
)

// maxDocuments bounds what one verdict may ask for: a hosted badge needs four or five.
const maxDocuments = 16

// inquiry is a verdict that is being reached.
type inquiry struct {
	Verdict
	o      Options
	proved bool // the proof holds
	list   bool // it is a status list that is read, which may be larger than a badge
	asked  map[string]answer
	unread error // why some of the issuer's pinned keys could not be read
}

type answer struct {
	data []byte
	err  error
}

// resolve asks once for each document. The error is ErrGone, ErrNotFound, or something else: out of reach.
func (q *inquiry) resolve(r Resolver, url string) ([]byte, error) {
	if r == nil {
		return nil, errors.New("no resolver configured")
	}
	if a, ok := q.asked[url]; ok {
		return a.data, a.err
	}
	if len(q.asked) >= maxDocuments {
		return nil, errors.New("the badge refers to too many documents")
	}
	if q.asked == nil {
		q.asked = map[string]answer{}
	}
	data, err := r.Resolve(url)
	q.asked[url] = answer{data, err}
	return data, err
}
