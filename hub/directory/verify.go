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

// What a badge's status list said when it was last read.
const (
	standingVerified   = "verified"
	standingRevoked    = "revoked"    // or suspended
	standingUnverified = "unverified" // the list is out of reach, or says nothing that can be believed
)

// sources are the status lists and documents that one round of verdicts rests on: those of the database first, then
// the web. What was fetched is kept with the badges. One goroutine uses a sources.
type sources struct {
	lists, web map[string][]byte // an empty document is gone
	fetch      openbadge.Resolver
	refresh    bool // fetch first, and what is stored only where that fails

	gotLists, gotWeb map[string][]byte
	asked            []string        // by the verdict that is being reached
	accepted         map[string]bool // what verdicts on badges that are kept asked for: nothing else is written
}

// accept has the documents that the last verdict asked for kept.
func (s *sources) accept() {
	for _, u := range s.asked {
		s.accepted[u] = true
	}
}

// maxKept bounds the documents and lists that one call keeps.
const maxKept = 200

// errUnknown is the answer for a document that is neither in the database nor fetched.
var errUnknown = errors.New("the hub has no copy, and fetches none")

// listSource gives package openbadge the status lists; it implements openbadge.Resolver.
type listSource struct{ of *sources }

// webSource gives package openbadge keys, profiles and hosted badges; it implements openbadge.Resolver.
type webSource struct{ of *sources }

// Resolve implements openbadge.Resolver.
func (l listSource) Resolve(url string) ([]byte, error) {
	return l.of.get(url, l.of.lists, l.of.gotLists)
}

// Resolve implements openbadge.Resolver.
func (w webSource) Resolve(url string) ([]byte, error) { return w.of.get(url, w.of.web, w.of.gotWeb) }

// get is the document at an address: fetched in this round, else stored, else fetched now. With refresh it is fetched
// first, and the stored one counts where that fails. openbadge.ErrGone: the issuer removed it.
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

// document is a stored document; an empty one was removed by its issuer (openbadge.ErrGone).
func document(b []byte) ([]byte, error) {
	if len(b) == 0 {
		return nil, openbadge.ErrGone
	}
	return b, nil
}

// verified is what the hub found out about the bytes of a badge: the badge as people see it, and held, which decisions
// need.
type verified struct {
	Badge
	held
	hostedAt string
	ob3      bool             // a credential of Open Badges 3.0
	badge    *openbadge.Badge // nil: it could not be read
	why      string           // the reasons, where it is not valid
}

// verify judges the bytes of a badge twice. The first verdict is on the proof alone, without dates and status: a
// machine judges those itself, when it loads a bundle and at each tap. The second one is with dates and status, for
// people to read.
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
	// From here on the badge is described, as far as it could be read.
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

// nameOf is the name of a badge as issued: of the achievement, of the credential, or the achievement's id.
func nameOf(b *openbadge.Badge) string {
	if b.AchievementName != "" {
		return b.AchievementName
	}
	if b.Name != "" {
		return b.Name
	}
	return b.AchievementID
}

// isReason reports whether the outcome of a check is a reason against a badge.
func isReason(outcome string) bool {
	switch outcome {
	case "ok", "none", "not judged", "not used", "out of reach":
		return false
	}
	return true
}

// standingOf reads the status lists of a badge, as machines do with the lists of a bundle. It returns the standing and
// when the lists were read; the zero time where they could not be. A badge without a status list is verified: it
// cannot be revoked.
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

// lapsed is a badge as it is shown at a moment: one that has ended since it was verified is shown as invalid.
func lapsed(b Badge, now time.Time) Badge {
	if b.Verdict != openbadge.Valid.String() || b.Expires.IsZero() || !now.After(b.Expires) {
		return b
	}
	b.Verdict = openbadge.Invalid.String()
	checks := make([]Check, len(b.Checks)) // a copy: the index has the same slice
	for i, c := range b.Checks {
		if c.Code == "dates" {
			c = Check{Code: "dates", Outcome: "expired", Detail: "valid until " + b.Expires.Format(time.RFC3339)}
		}
		checks[i] = c
	}
	b.Checks = checks
	return b
}

// documents gives the status lists and documents that verdicts rest on.
type documents struct {
	site  *store.Site
	fetch func(context.Context) openbadge.Resolver // nil: nothing is fetched
}

// sources reads the status lists and documents of the database, for one round of verdicts. With refresh, each is
// fetched again first.
func (s *documents) sources(ctx context.Context, refresh bool) (*sources, error) {
	src := &sources{lists: map[string][]byte{}, web: map[string][]byte{}, gotLists: map[string][]byte{},
		gotWeb:   map[string][]byte{},
		accepted: map[string]bool{}, refresh: refresh}
	if s.fetch != nil {
		src.fetch = s.fetch(ctx)
	}
	rows, err := s.site.Query(ctx, `SELECT url, data FROM status_list WHERE site = $1`)
	if err := each(rows, err, intoMap(src.lists)); err != nil {
		return nil, err
	}
	rows, err = s.site.Query(ctx, `SELECT url, data FROM document WHERE site = $1`)
	return src, each(rows, err, intoMap(src.web))
}
