package openbadge

import "portillon/openbadge/internal/ld"

// RefreshType is 1EdTech's Credential Refresh Service 1.0.
const RefreshType = "1EdTechCredentialRefresh"

// nested is an inquiry into another document for the sake of this one. It asks for no status, no refresh and no
// recipient.
func (q *inquiry) nested() *inquiry {
	if q.asked == nil {
		q.asked = map[string]answer{}
	}
	return &inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, asked: q.asked,
		o: Options{Trust: q.o.Trust, At: q.o.At, Documents: q.o.Documents, Allow: q.o.Allow}}
}

// refresh asks once what the credential says now, where it names a refresh service and its proof holds (Open Badges
// 3.0, section 8.3). The answer takes its place if it is the same credential by the same issuer, signed as well; its
// dates and status then count, good or bad. Any other answer, and none, leaves us with the credential that we hold:
// that is no reason against it.
func (q *inquiry) refresh(doc object) {
	url := refreshService(doc)
	switch {
	case url == "":
		return
	case q.o.Refresh == nil || !q.proved:
		q.note("refresh", "not judged", "")
		return
	}
	data, err := q.resolve(q.o.Refresh, url)
	if err != nil {
		q.note("refresh", "out of reach", url+": "+err.Error())
		return
	}
	n := q.nested()
	if why := n.replaces(q.Verdict, data); why != "" {
		q.note("refresh", "not used", url+": "+why)
		return
	}
	n.Baked = q.Baked
	q.Verdict = n.Verdict
	q.note("refresh", "ok", url)
}

// refreshService is the address of the first refresh service of the kind that is known.
func refreshService(doc object) string {
	for _, x := range ld.List(doc["refreshService"]) {
		if s, ok := x.(object); ok && has(s["type"], RefreshType) {
			return ld.Str(s, "id")
		}
	}
	return ""
}

// replaces judges what a refresh service gave, and says why it cannot stand for old; empty: it can. Who signed the same
// issuer and the same id may say anything new, but not anything older (Open Badges 3.0, section 7.4, Comparing
// Credentials).
func (q *inquiry) replaces(old Verdict, data []byte) string {
	doc, token, err := q.unwrap(data)
	if !q.check("form", err) {
		return q.Why()
	}
	q.judge(doc, token)
	switch {
	case !q.proved || q.Badge == nil:
		return q.Why()
	case q.Kind != old.Kind || q.Badge.IssuerID != old.Badge.IssuerID || q.Badge.ID != old.Badge.ID:
		return "it is another credential"
	case q.Badge.ValidFrom.Before(old.Badge.ValidFrom):
		return "it is an older one"
	}
	return ""
}
