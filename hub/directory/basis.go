package directory

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"portillon/policy"
	"portillon/site"
	"portillon/wire"
)

// basis is what the verdict on a badge rests on besides its bytes and the time. While it holds, the badge is not
// judged again.
type basis struct {
	trust     string            // trustTexts.of it
	issuer    string            // empty: all issuers matter
	documents map[string]string // by address: stateOf it
	until     time.Time         // something was out of reach: it is asked for again from then; zero: nothing was
}

// retryAfter is how long a document that was out of reach is not asked for again.
const retryAfter = 10 * time.Minute

// bases are the bases of the badges whose stored verdict is the one that they lead to. They are in memory only: after
// a start, each badge is judged once.
type bases struct {
	mu sync.Mutex
	of map[string]*basis // by the badge's id
}

// trustTexts are the issuers that a policy trusts, as text: two policies trust an issuer alike where the texts are
// equal.
type trustTexts struct {
	all string
	of  map[string]string // by issuer: with the issuers of its status lists
}

// trustTextsOf are the texts of a policy; without a policy nobody is trusted.
func trustTextsOf(p *policy.Policy) trustTexts {
	t := trustTexts{of: map[string]string{}}
	if p == nil {
		return t
	}
	trust, own := site.Trust(p), map[string]string{}
	t.all = fmt.Sprintf("%q", trust)
	for _, i := range trust {
		own[i.ID] += fmt.Sprintf("%q", i)
	}
	for _, i := range trust {
		t.of[i.ID] += own[i.ID]
		for _, other := range i.StatusIssuers {
			t.of[i.ID] += fmt.Sprintf("%q", own[other])
		}
	}
	return t
}

// text is the part of the trust that a verdict rests on. For a proved badge of Open Badges 3.0 that is its issuer and
// those who may sign the issuer's status lists; for every other badge all of it.
func (t trustTexts) text(issuer string) string {
	if issuer == "" {
		return t.all
	}
	return t.of[issuer]
}

// stateOf is the SHA-256 of the documents at an address, once what was fetched is written; blanks where there is none.
func (s *sources) stateOf(url string) string {
	var b strings.Builder
	for _, from := range [][2]map[string][]byte{{s.gotLists, s.lists}, {s.gotWeb, s.web}} {
		data, ok := from[0][url]
		if !ok {
			data, ok = from[1][url]
		}
		if ok {
			b.WriteString(wire.Hash(data))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

// basisOf is the basis of the verdict that was reached last. Where a document was out of reach, the basis holds for
// retryAfter only.
func (s *sources) basisOf(v *verified, t trustTexts, at time.Time) *basis {
	b := &basis{documents: map[string]string{}}
	if v.ob3 && v.proved {
		b.issuer = v.Issuer
	}
	b.trust = t.text(b.issuer)
	for _, url := range s.asked {
		if b.documents[url] = s.stateOf(url); strings.TrimSpace(b.documents[url]) == "" {
			b.until = at.Add(retryAfter)
		}
	}
	return b
}

// holds reports whether a verdict would be the same now. states remembers the state of each address for the next
// badges.
func (b *basis) holds(t trustTexts, src *sources, states map[string]string, at time.Time) bool {
	if b.trust != t.text(b.issuer) || !b.until.IsZero() && !at.Before(b.until) {
		return false
	}
	for url, was := range b.documents {
		now, ok := states[url]
		if !ok {
			now = src.stateOf(url)
			states[url] = now
		}
		if now != was {
			return false
		}
	}
	return true
}

// get is the basis of a badge's verdict; nil: none is known.
func (x *bases) get(id string) *basis {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.of[id]
}

// drop has a badge judged again.
func (x *bases) drop(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.of, id)
}

// put notes the bases of badges. Once there are twice as many as badges, it forgets those of badges that are not among
// all.
func (x *bases) put(found map[string]*basis, all []*entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of = map[string]*basis{}
	}
	shared := map[string]*basis{} // badges of one issuer and list have the same basis
	for id, b := range found {
		key := fmt.Sprintf("%q %q %q %v", b.trust, b.issuer, b.documents, b.until)
		if one, ok := shared[key]; ok {
			b = one
		}
		shared[key], x.of[id] = b, b
	}
	n := 0
	for _, e := range all {
		n += len(e.Badges)
	}
	if len(x.of) <= 2*n+100 {
		return
	}
	kept := make(map[string]*basis, n)
	for _, e := range all {
		for i := range e.Badges {
			if b, ok := x.of[e.Badges[i].ID]; ok {
				kept[e.Badges[i].ID] = b
			}
		}
	}
	x.of = kept
}
