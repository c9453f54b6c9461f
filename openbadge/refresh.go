package openbadge

import "portillon/openbadge/internal/ld"

// RefreshType is the type that a badge gives for 1EdTech's Credential Refresh Service 1.0.
const RefreshType = "1EdTechCredentialRefresh"

// nestedInquiry returns an inquiry for another document that this inquiry must verify. The nested inquiry does not
// check the other document's status, refresh service or recipient.
func (q *inquiry) nestedInquiry() *inquiry {
	if q.asked == nil {
		q.asked = map[string]answer{}
	}
	return &inquiry{Verdict: Verdict{State: Valid, Reasons: []Reason{}}, asked: q.asked,
		o: Options{Trust: q.o.Trust, At: q.o.At, Documents: q.o.Documents, Allow: q.o.Allow}}
}

// refresh requests the current version of the credential once, if the credential's proof is correct and the
// credential names a refresh service (Open Badges 3.0, section 8.3). The answer replaces the presented credential if
// it is the same credential from the same issuer and has a correct signature. After the replacement, the verdict
// depends on the answer's dates and status, whether valid or not. If the service does not answer, or its answer
// cannot be used, the presented credential is verified: a failed refresh does not make the credential invalid.
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
	n := q.nestedInquiry()
	if why := n.replacementError(q.Verdict, data); why != "" {
		q.note("refresh", "not used", url+": "+why)
		return
	}
	n.Baked = q.Baked
	q.Verdict = n.Verdict
	q.note("refresh", "ok", url)
}

// refreshService returns the address of the first refresh service that has a supported type.
func refreshService(doc object) string {
	for _, x := range ld.List(doc["refreshService"]) {
		if s, ok := x.(object); ok && hasText(s["type"], RefreshType) {
			return ld.Str(s, "id")
		}
	}
	return ""
}

// replacementError returns the reason why the answer of a refresh service cannot replace the credential old, or "" if
// there is no such reason. The answer must have the same issuer and the same id, and must not be older (Open Badges
// 3.0, section 7.4, Comparing Credentials).
func (q *inquiry) replacementError(old Verdict, data []byte) string {
	doc, token, err := q.unwrap(data)
	if !q.check("form", err) {
		return q.Why()
	}
	q.checkCredential(doc, token)
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
