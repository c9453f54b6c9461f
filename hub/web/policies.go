package web

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"portillon/hub/fault"
	"portillon/hub/publish"
)

// policyPages serves the pages of the access policy.
type policyPages struct {
	policies Policies
	drafts   Drafts
	bundles  Bundles
}

// routes returns the pages and forms.
func (p *policyPages) routes() []route {
	return []route{
		{"GET /policy", p.policy}, {"POST /policy/check", p.checkPolicy}, {"POST /policy/publish", p.publishPolicy},
		{"POST /policy/sign", p.signPolicy}, {"POST /policy/back", p.backPolicy},
		{"GET /policy/versions/{number}", p.policyVersion},
		{"GET /policy/versions/{number}/policy.yaml", p.policyText},
	}
}

// policyPage is the data of the policy's page: the current policy, the edited text with its effects, and the machines
// that have the bundle.
type policyPage struct {
	Current  publish.Policy
	Waiting  *publish.Policy // newest version, if it waits for a signature; nil: no version waits
	Text     string
	Comment  string
	Of       int64 // number of the version on which Text is based
	Draft    *publish.Draft
	Refused  []fault.Field
	Stale    *staleText // nil: no other user has published a version since the page was shown
	Versions []publish.Policy
	Next     string
	Bundle   *publish.Bundle
}

// policyPage reads the current policy, its versions and the bundle.
func (p *policyPages) policyPage(q *request) (policyPage, error) {
	var d policyPage
	c, err := p.policies.Current(ctxOf(q), q.actor)
	var none *fault.NotFound
	if err != nil && !errors.As(err, &none) { // without a policy, the page shows the form for the first policy
		return d, err
	}
	d.Current, d.Text, d.Of = c, c.Text, c.Number
	d.Versions, d.Next, err = p.policies.Versions(ctxOf(q), q.actor, publish.Page{After: q.r.URL.Query().Get("after"),
		Limit: 20})
	if err = ignoreDenied(err); err != nil {
		return d, err
	}
	for i, v := range d.Versions {
		if v.Unsigned && v.Number > c.Number && (d.Waiting == nil || v.Number > d.Waiting.Number) {
			d.Waiting = &d.Versions[i]
		}
	}
	if d.Waiting != nil { // read the text, because the list of versions has no texts
		w, err := p.policies.Version(ctxOf(q), q.actor, d.Waiting.Number)
		if err != nil {
			return d, err
		}
		d.Waiting = &w
	}
	b, err := p.bundles.Current(ctxOf(q), q.actor)
	if err != nil && !errors.As(err, &none) {
		return d, ignoreDenied(err)
	}
	if err == nil {
		d.Bundle = &b
	}
	return d, nil
}

// showPolicy renders the policy's page. change may modify the page's data.
func (p *policyPages) showPolicy(q *request, status int, change func(*policyPage)) error {
	d, err := p.policyPage(q)
	if err != nil {
		return err
	}
	if change != nil {
		change(&d)
	}
	return q.render(status, "policy", "policy", "policy.title", d)
}

// policy answers GET /policy.
func (p *policyPages) policy(q *request) error { return p.showPolicy(q, 200, nil) }

// checkPolicy answers POST /policy/check with the faults and effects of a text. The response to the POST is the page
// itself, without a redirect, because checkPolicy stores nothing.
func (p *policyPages) checkPolicy(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	draft, err := p.drafts.Check(ctxOf(q), q.actor, v.Get("text"))
	if err != nil && invalid(err) == nil {
		return err
	}
	return p.showPolicy(q, 200, func(d *policyPage) {
		d.Text, d.Comment, d.Of = v.Get("text"), v.Get("comment"), number(v.Get("of"))
		d.Refused = invalid(err)
		if err == nil {
			d.Draft = &draft
		}
	})
}

// number parses a version number. If the text is not a number, number returns 0.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// publishPolicy answers POST /policy/publish.
func (p *policyPages) publishPolicy(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	made, err := p.policies.Publish(ctxOf(q), q.actor, v.Get("text"), v.Get("comment"), number(v.Get("of")), nil)
	// Show the rejected text again, with the faults of the text or with the conflict.
	if faults := invalid(err); faults != nil || conflict(err) {
		draft, failed := p.drafts.Check(ctxOf(q), q.actor, v.Get("text"))
		status := 422
		if conflict(err) {
			status = 412
		}
		return p.showPolicy(q, status, func(d *policyPage) {
			d.Text, d.Comment, d.Of, d.Refused = v.Get("text"), v.Get("comment"), number(v.Get("of")), faults
			if conflict(err) {
				d.Stale = p.staleText(q, d.Of, d.Current.Text)
				d.Of = d.Current.Number
			}
			if failed == nil {
				d.Draft = &draft
			}
		})
	}
	if err != nil {
		return err
	}
	if made.Unsigned {
		return q.redirect("/policy", "policy-waits")
	}
	return q.redirect("/policy", "policy-published")
}

// signPolicy answers POST /policy/sign. The form contains the signature for the waiting version, which was made on
// another computer.
func (p *policyPages) signPolicy(q *request) error {
	name, data, err := q.file("signature")
	if err != nil {
		return err
	}
	d, err := p.policyPage(q)
	if err != nil {
		return err
	}
	if d.Waiting == nil {
		return errNoPage
	}
	if name == "" {
		err = &fault.Invalid{Faults: []fault.Field{{Field: "signature", Wrong: "no file was chosen"}}}
	} else {
		_, err = p.policies.Publish(ctxOf(q), q.actor, d.Waiting.Text, d.Waiting.Comment, d.Current.Number, data)
	}
	if faults := invalid(err); faults != nil {
		return p.showPolicy(q, 422, func(d *policyPage) { d.Refused = faults })
	}
	if err != nil {
		return err
	}
	return q.redirect("/policy", "policy-published")
}

// backPolicy answers POST /policy/back.
func (p *policyPages) backPolicy(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if _, err := p.policies.Back(ctxOf(q), q.actor, v.Get("comment")); err != nil {
		return err
	}
	return q.redirect("/policy", "policy-back")
}

// policyVersion answers GET /policy/versions/{number} with a page that shows one version.
func (p *policyPages) policyVersion(q *request) error {
	v, err := p.policies.Version(ctxOf(q), q.actor, number(q.r.PathValue("number")))
	if err != nil {
		return err
	}
	return q.render(200, "version", "policy", "policy.title", versionPage{v})
}

// policyText serves the text of one version as a file, so that it can be signed on another computer.
func (p *policyPages) policyText(q *request) error {
	v, err := p.policies.Version(ctxOf(q), q.actor, number(q.r.PathValue("number")))
	if err != nil {
		return err
	}
	return q.download("policy.yaml", "application/yaml", []byte(v.Text))
}

// versionPage is the data of the page that shows one version of the policy.
type versionPage struct{ publish.Policy }

// title returns the title of the page.
func (v versionPage) title(l tongue) string { return l.t("policy.version", fmt.Sprint(v.Number)) }

// Ready reports whether the text was checked and can be published.
func (p policyPage) Ready() bool {
	return p.Draft != nil && len(p.Draft.Faults) == 0 && !p.Draft.Same && p.Refused == nil
}

// Line returns at most 200 characters of line n of the text, counted from 1. The page shows the line next to a fault.
func (p policyPage) Line(n int) string {
	all := strings.Split(p.Text, "\n")
	if n < 1 || n > len(all) {
		return ""
	}
	line := []rune(strings.TrimRight(all[n-1], "\r"))
	return string(line[:min(len(line), 200)])
}

// maxChanges is the maximum number of changed permissions on a page.
const maxChanges = 100

// Some returns the changed rights that the page shows, at most maxChanges.
func (policyPage) Some(list []publish.Change) []publish.Change {
	return list[:min(len(list), maxChanges)]
}

// Rest returns the number of changed rights that the page does not show.
func (policyPage) Rest(list []publish.Change) int { return max(0, len(list)-maxChanges) }

// mostWarnings is the maximum number of a bundle's warnings on a page.
const mostWarnings = 50

// SomeWarnings returns the warnings that the page shows.
func (policyPage) SomeWarnings(list []string) []string { return list[:min(len(list), mostWarnings)] }

// RestWarnings returns the number of warnings that the page does not show.
func (policyPage) RestWarnings(list []string) int { return max(0, len(list)-mostWarnings) }

// NextPage returns the address of the page with older versions; empty: there are no older versions.
func (p policyPage) NextPage() string {
	if p.Next == "" {
		return ""
	}
	return "/policy?" + url.Values{"after": {p.Next}}.Encode()
}
