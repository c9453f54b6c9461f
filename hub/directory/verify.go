package directory

import (
	"context"
	"errors"
	"strings"
	"time"

	"portillon/hub/store"
	"portillon/openbadge"
	"portillon/policy"
	"portillon/site"
)

// These are the standings that a badge has according to its status list when the hub last read the list.
const (
	standingVerified   = "verified"
	standingRevoked    = "revoked"    // the badge is revoked or suspended
	standingUnverified = "unverified" // the list is unreachable or cannot be trusted
)

// sources looks up the status lists and documents for one round of verdicts: first in the database, then on the web.
// Fetched documents are stored with the badges. Only one goroutine may use a sources.
type sources struct {
	lists, web map[string][]byte // stored documents by address; an empty document means that the issuer removed it
	fetch      openbadge.Resolver
	refresh    bool // true: fetch each document, and use the stored document only if fetching fails

	gotLists, gotWeb map[string][]byte
	asked            []string        // addresses that the verification in progress has requested
	accepted         map[string]bool // addresses that accepted verdicts requested; only their documents are stored
}

// accept marks the documents that the last verification requested as needed, so that they are stored.
func (s *sources) accept() {
	for _, u := range s.asked {
		s.accepted[u] = true
	}
}

// maxKept is the maximum number of documents and lists that one call stores.
const maxKept = 200

// errUnknown is the error for a document that the database does not contain and the hub does not fetch.
var errUnknown = errors.New("the hub has no copy of the document and does not fetch it")

// listSource resolves status lists for package openbadge.
type listSource struct{ of *sources }

// webSource resolves keys, profiles and hosted badges for package openbadge.
type webSource struct{ of *sources }

// Resolve implements openbadge.Resolver.
func (l listSource) Resolve(url string) ([]byte, error) {
	return l.of.get(url, l.of.lists, l.of.gotLists)
}

// Resolve implements openbadge.Resolver.
func (w webSource) Resolve(url string) ([]byte, error) { return w.of.get(url, w.of.web, w.of.gotWeb) }

// get returns the document at an address. get returns the document that was fetched in this round, or else the stored
// document, or else fetches the document. With refresh, get fetches the document before it uses the stored document.
// The error is openbadge.ErrGone if the issuer removed the document.
func (s *sources) get(url string, stored, got map[string][]byte) ([]byte, error) {
	s.asked = append(s.asked, url)
	if b, ok := got[url]; ok {
		return document(b)
	}
	old, ok := stored[url]
	if ok && !s.refresh {
		return document(old)
	}
	if s.fetch == nil || len(got) >= maxKept {
		if ok {
			return document(old)
		}
		return nil, errUnknown
	}
	b, err := s.fetch.Resolve(url)
	switch {
	case errors.Is(err, openbadge.ErrGone):
		b = nil
	case err != nil && ok:
		return document(old)
	case err != nil:
		return nil, err
	}
	got[url] = b
	return document(b)
}

// document returns a stored document. For an empty document, the error is openbadge.ErrGone: the issuer removed the
// document.
func document(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, openbadge.ErrGone
	}
	return b, nil
}

// verified is the result of verifying a badge: a Badge for people, and a held for decisions.
type verified struct {
	Badge
	held
	hostedAt string
	ob3      bool             // true: the badge is a credential of Open Badges 3.0
	badge    *openbadge.Badge // the parsed badge; nil: the badge could not be read
	why      string           // reasons why the badge is not valid; empty: the badge is valid
}

// verify verifies a badge twice. The first result covers only the proof, because a machine checks dates and status when
// it loads a bundle and at each tap. The second result, for people, includes dates and status.
func verify(data []byte, p *policy.Policy, src *sources, at time.Time) verified {
	src.asked = nil
	var trust []openbadge.Issuer
	if p != nil {
		trust = site.Trust(p)
	}
	proof := openbadge.Verify(data, openbadge.Options{Trust: trust, Documents: webSource{src}})
	all := openbadge.Verify(data, openbadge.Options{Trust: trust, Documents: webSource{src}, Status: listSource{src},
		At: at})
	out := verified{Badge: Badge{Verdict: all.State.String(), Verified: at.UTC().Truncate(time.Millisecond)},
		why: all.Why()}
	details := map[string]string{}
	for _, r := range all.Reasons {
		details[r.Code] = r.Detail
	}
	for _, c := range all.Checks {
		out.Checks = append(out.Checks, Check{Code: c.Name, OK: !isReason(c.Outcome), Outcome: c.Outcome,
			Detail: clip(c.Detail+details[c.Outcome], 500)})
	}
	// Describe the badge as far as it could be read.
	out.ob3 = strings.HasPrefix(proof.Form, "ob3 ")
	b := proof.Badge
	if b == nil {
		b = all.Badge
	}
	if b == nil {
		return out
	}
	out.badge = b
	out.Name, out.Issuer, out.Issued, out.Expires = clip(nameOf(b), 300), b.IssuerID, b.ValidFrom, b.ValidUntil
	out.held = held{issuer: b.IssuerID, achievement: b.AchievementID, proved: proof.State == openbadge.Valid,
		issued: b.ValidFrom, until: b.ValidUntil,
		to: recipient{b.Subject, b.Identifiers}}
	if proof.Assurance == openbadge.Hosted {
		out.hosted, out.hostedAt = true, b.ID
	}
	out.standing, out.checked = standingOf(b, trust, src, at)
	out.Local = localOf(p, b.IssuerID, b.AchievementID)
	return out
}

// nameOf returns the name that the issuer gave a badge: the achievement's name, the credential's name, or the
// achievement's id, whichever exists first.
func nameOf(b *openbadge.Badge) string {
	if b.AchievementName != "" {
		return b.AchievementName
	}
	if b.Name != "" {
		return b.Name
	}
	return b.AchievementID
}

// isReason reports whether the outcome of a check is a reason to reject a badge.
func isReason(outcome string) bool {
	switch outcome {
	case "ok", "none", "not judged", "not used", "out of reach":
		return false
	}
	return true
}

// standingOf reads the status lists of a badge, as machines read the lists of a bundle. standingOf returns the
// standing, and the time when the lists were read; zero: they could not be read. A badge without a status list has the
// standing verified, because it cannot be revoked.
func standingOf(b *openbadge.Badge, trust []openbadge.Issuer, src *sources, at time.Time) (string, time.Time) {
	if len(b.Status) == 0 {
		return standingVerified, time.Time{}
	}
	standing, checked := standingVerified, at
	for _, e := range b.Status {
		data, err := (listSource{src}).Resolve(e.List)
		var list *openbadge.StatusList
		if err == nil {
			list, _ = openbadge.ReadStatusList(data, openbadge.Options{Trust: trust, At: at, Documents: webSource{src}})
		}
		var f *openbadge.Fault
		switch err := list.Judge(b, e); {
		case err == nil:
		case errors.As(err, &f) && (f.Code == "revoked" || f.Code == "suspended"):
			return standingRevoked, at
		default:
			standing, checked = standingUnverified, time.Time{}
		}
	}
	return standing, checked
}

// asOf returns a badge with the verdict that pages show at time now: if the badge has expired since its verification,
// the verdict is invalid.
func asOf(b Badge, now time.Time) Badge {
	if b.Verdict != openbadge.Valid.String() || b.Expires.IsZero() || !now.After(b.Expires) {
		return b
	}
	b.Verdict = openbadge.Invalid.String()
	checks := make([]Check, len(b.Checks)) // copy, because the slice belongs to the index
	for i, c := range b.Checks {
		if c.Code == "dates" {
			c = Check{Code: "dates", Outcome: "expired", Detail: "valid until " + b.Expires.Format(time.RFC3339)}
		}
		checks[i] = c
	}
	b.Checks = checks
	return b
}

// documents reads the status lists and documents on which verdicts depend.
type documents struct {
	site  *store.Site
	fetch func(context.Context) openbadge.Resolver // fetches documents from the web; nil: nothing is fetched
}

// sources returns the sources for one round of verdicts, with the status lists and documents of the database. With
// refresh, the sources fetch each document again before its first use.
func (s *documents) sources(ctx context.Context, refresh bool) (*sources, error) {
	src := &sources{lists: map[string][]byte{}, web: map[string][]byte{}, gotLists: map[string][]byte{},
		gotWeb:   map[string][]byte{},
		accepted: map[string]bool{}, refresh: refresh}
	if s.fetch != nil {
		src.fetch = s.fetch(ctx)
	}
	rows, err := s.site.Query(ctx, `SELECT url, data FROM status_list WHERE site = $1`)
	if err := forEachRow(rows, err, storeInMap(src.lists)); err != nil {
		return nil, err
	}
	rows, err = s.site.Query(ctx, `SELECT url, data FROM document WHERE site = $1`)
	return src, forEachRow(rows, err, storeInMap(src.web))
}
