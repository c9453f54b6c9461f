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

// basis contains all data on which the verdict on a badge depends, except the badge's bytes and the time. As long as
// the basis is unchanged, the badge is not verified again.
type basis struct {
	trust     string            // the part of the policy's trust that matters for the badge (trustTexts.text)
	issuer    string            // id of the badge's issuer; empty: the verdict depends on all issuers
	documents map[string]string // state of each document (stateOf), by the document's address
	until     time.Time         // end of the basis if a document could not be fetched; zero: all documents were available
}

// retryAfter is the time after which the hub requests an unreachable document again.
const retryAfter = 10 * time.Minute

// bases stores the basis of each badge's stored verdict. The bases are stored only in memory, so the hub verifies
// each badge once after a start.
type bases struct {
	mu sync.Mutex
	of map[string]*basis // by badge id
}

// trustTexts contains, as texts, the trust of a policy in each issuer. If the texts are equal, two policies trust an
// issuer equally.
type trustTexts struct {
	all string
	of  map[string]string // text for each issuer, which includes the permitted signers of the issuer's status lists
}

// trustTextsOf returns the texts for a policy; nil: no issuer is trusted.
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

// text returns the part of the trust on which a verdict depends. For a proved badge of Open Badges 3.0, this is the
// trust in the badge's issuer and in the permitted signers of the issuer's status lists. For every other badge, text
// returns the whole trust.
func (t trustTexts) text(issuer string) string {
	if issuer == "" {
		return t.all
	}
	return t.of[issuer]
}

// stateOf returns the hashes of the documents that are stored for an address, including fetched documents that are not
// in the database yet. If there is no document for the address, the text contains a blank instead of a hash.
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

// basisOf returns the basis of the verdict v. If a document was unreachable, the basis is valid only for retryAfter.
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

// holds reports whether a new verification would give the same verdict as the basis. states caches the state of each
// address for later calls.
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

// get returns the basis of a badge's verdict, or nil if no basis is known.
func (x *bases) get(id string) *basis {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.of[id]
}

// remove removes the basis of a badge, so that the hub verifies the badge again.
func (x *bases) remove(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.of, id)
}

// put stores the bases of badges. If more than twice as many bases as badges are then stored, put removes the bases
// of badges that no longer exist.
func (x *bases) put(found map[string]*basis, all []*entry) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.of == nil {
		x.of = map[string]*basis{}
	}
	shared := map[string]*basis{} // share one basis among badges with the same issuer and status list
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
