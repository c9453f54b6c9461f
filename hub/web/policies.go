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

// policyPages are the pages of the access policy.
type policyPages struct {
	policies Policies
	drafts   Drafts
	bundles  Bundles
}

// routes lists the pages of the policy.
func (p *policyPages) routes() []route {
	return []route{
		{"GET /policy", p.policy}, {"POST /policy/check", p.checkPolicy}, {"POST /policy/publish", p.publishPolicy},
		{"POST /policy/sign", p.signPolicy}, {"POST /policy/back", p.backPolicy},
		{"GET /policy/versions/{number}", p.policyVersion},
		{"GET /policy/versions/{number}/policy.yaml", p.policyText},
	}
}

// policyPage is the policy in force, the text being changed, what it would do, and who has taken it.
type policyPage struct {
	Current  publish.Policy
	Waiting  *publish.Policy // the newest version, while it waits for a signature
	Text     string
	Comment  string
	Of       int64 // the number that Text began from
	Draft    *publish.Draft
	Refused  []fault.Field
	Stale    bool // somebody published meanwhile
	Versions []publish.Policy
	Next     string
	Bundle   *publish.Bundle
}

// policyPage reads the policy in force, its versions and the bundle. A site without a policy gets an empty page.
func (p *policyPages) policyPage(q *request) (policyPage, error) {
	var d policyPage
	c, err := p.policies.Current(ctxOf(q), q.actor)
	var none *fault.NotFound
	if err != nil && !errors.As(err, &none) { // a site without a policy yet writes its first
		return d, err
	}
	d.Current, d.Text, d.Of = c, c.Text, c.Number
	d.Versions, d.Next, err = p.policies.Versions(ctxOf(q), q.actor, publish.Page{After: q.r.URL.Query().Get("after"),
		Limit: 20})
	if err = optional(err); err != nil {
		return d, err
	}
	for i, v := range d.Versions {
		if v.Unsigned && v.Number > c.Number && (d.Waiting == nil || v.Number > d.Waiting.Number) {
			d.Waiting = &d.Versions[i]
		}
	}
	if d.Waiting != nil { // a list has no texts
		w, err := p.policies.Version(ctxOf(q), q.actor, d.Waiting.Number)
		if err != nil {
			return d, err
		}
		d.Waiting = &w
	}
	b, err := p.bundles.Current(ctxOf(q), q.actor)
	if err != nil && !errors.As(err, &none) {
		return d, optional(err)
	}
	if err == nil {
		d.Bundle = &b
	}
	return d, nil
}

// showPolicy shows the policy; change, unless it is nil, adds what a form has led to.
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

// policy shows the policy in force.
func (p *policyPages) policy(q *request) error { return p.showPolicy(q, 200, nil) }

// checkPolicy shows the faults and the effect of a text. It changes nothing, so its page is the answer to the POST.
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

// number reads a policy's number; 0 for any text that is none.
func number(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// publishPolicy publishes the text. On a fault or a conflict it shows the text again with what is wrong, so that
// nothing typed is lost.
func (p *policyPages) publishPolicy(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	made, err := p.policies.Publish(ctxOf(q), q.actor, v.Get("text"), v.Get("comment"), number(v.Get("of")), nil)
	if faults := invalid(err); faults != nil || conflict(err) {
		draft, failed := p.drafts.Check(ctxOf(q), q.actor, v.Get("text"))
		status := 422
		if conflict(err) {
			status = 412
		}
		return p.showPolicy(q, status, func(d *policyPage) {
			d.Text, d.Comment, d.Of, d.Refused = v.Get("text"), v.Get("comment"), number(v.Get("of")), faults
			if d.Stale = conflict(err); d.Stale {
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
		return q.to("/policy", "policy-waits")
	}
	return q.to("/policy", "policy-published")
}

// signPolicy takes the signature that was made on a laptop for the version that waits for it.
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
	return q.to("/policy", "policy-published")
}

// backPolicy publishes the text of the previous policy again, as a new version.
func (p *policyPages) backPolicy(q *request) error {
	v, err := q.values()
	if err != nil {
		return err
	}
	if _, err := p.policies.Back(ctxOf(q), q.actor, v.Get("comment")); err != nil {
		return err
	}
	return q.to("/policy", "policy-back")
}

// policyVersion shows the text of one version.
func (p *policyPages) policyVersion(q *request) error {
	v, err := p.policies.Version(ctxOf(q), q.actor, number(q.r.PathValue("number")))
	if err != nil {
		return err
	}
	return q.render(200, "version", "policy", "policy.title", versionPage{v})
}

// policyText is the text of one version as a file, to sign it on another computer.
func (p *policyPages) policyText(q *request) error {
	v, err := p.policies.Version(ctxOf(q), q.actor, number(q.r.PathValue("number")))
	if err != nil {
		return err
	}
	return q.download("policy.yaml", "application/yaml", []byte(v.Text))
}

// versionPage is what version.html shows.
type versionPage struct{ publish.Policy }

// title names the version's number.
func (v versionPage) title(l tongue) string { return l.t("policy.version", fmt.Sprint(v.Number)) }

// Ready reports whether the text was checked and can be published.
func (p policyPage) Ready() bool {
	return p.Draft != nil && len(p.Draft.Faults) == 0 && !p.Draft.Same && p.Refused == nil
}

// Line is a line of the text, from 1, for a fault of that line; at most 200 characters of it.
func (p policyPage) Line(n int) string {
	all := strings.Split(p.Text, "\n")
	if n < 1 || n > len(all) {
		return ""
	}
	line := []rune(strings.TrimRight(all[n-1], "\r"))
	return string(line[:min(len(line), 200)])
}

// most is how many changes of rights a page shows.
const most = 100

// Some are the changes that the page shows, and Rest how many it does not.
func (policyPage) Some(list []publish.Change) []publish.Change { return list[:min(len(list), most)] }

// Rest is how many changes the page does not show.
func (policyPage) Rest(list []publish.Change) int { return max(0, len(list)-most) }

// mostWarnings is how many things that a bundle leaves out a page shows.
const mostWarnings = 50

// SomeWarnings are those that the page shows, and RestWarnings how many it does not.
func (policyPage) SomeWarnings(list []string) []string { return list[:min(len(list), mostWarnings)] }

// RestWarnings is how many warnings the page does not show.
func (policyPage) RestWarnings(list []string) int { return max(0, len(list)-mostWarnings) }

// NextPage is the address of the versions before those shown.
func (p policyPage) NextPage() string {
	if p.Next == "" {
		return ""
	}
	return "/policy?" + url.Values{"after": {p.Next}}.Encode()
}
