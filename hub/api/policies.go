package api

import (
	"io"
	"net/http"
	"strconv"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/publish"
)

// draftInput is the body of a request to check a policy text.
type draftInput struct {
	Text string `json:"text"`
}

// publishInput is the body of a request to publish a policy. If the policy key is on another computer, Signature is the
// output of `portillon policy sign` in base64.
type publishInput struct {
	Text      string `json:"text"`
	Comment   string `json:"comment"`
	Signature []byte `json:"signature,omitempty"`
}

// backInput is the body of a request to return to the previous policy.
type backInput struct {
	Comment string `json:"comment"`
}

const yamlType = "application/yaml" // RFC 9512

// policyAPI serves the routes of the access policy and of the bundle.
type policyAPI struct {
	texts    *texts
	policies Policies
	drafts   Drafts
	bundles  Bundles
}

// routes returns the routes of the policy and of the bundle. A policy text may be larger than other bodies
// (policyBody).
func (s *policyAPI) routes() []Route {
	return []Route{
		{Method: "GET", Path: "/policy", Act: actor.ReadPolicy, Answer: publish.Policy{}, Produces: []string{yamlType},
			handle: s.getPolicy},
		{Method: "GET", Path: "/policy/versions", Act: actor.ReadPolicy, Query: []string{"cursor", "limit"},
			Answer: list[publish.Policy]{},
			handle: s.listPolicyVersions},
		{Method: "GET", Path: "/policy/versions/{number}", Act: actor.ReadPolicy, Answer: publish.Policy{},
			handle: s.getPolicyVersion},
		{Method: "POST", Path: "/policy/draft", Act: actor.ReadPolicy, Body: draftInput{},
			Types: []string{jsonType, yamlType}, MaxBody: policyBody,
			Answer: publish.Draft{}, handle: s.checkDraft},
		{Method: "POST", Path: "/policy", Act: actor.PublishPolicy, Body: publishInput{}, IfMatch: true,
			MaxBody: 2 * policyBody,
			Answer:  publish.Policy{}, handle: s.publishPolicy},
		{Method: "POST", Path: "/policy/back", Act: actor.PublishPolicy, Body: backInput{}, Answer: publish.Policy{},
			handle: s.restorePolicy},
		{Method: "GET", Path: "/bundle", Act: actor.ReadMachines, Answer: publish.Bundle{}, handle: s.getBundle},
	}
}

// getPolicy returns the current policy, or only the policy's text if the client prefers YAML.
func (s *policyAPI) getPolicy(c *call) (answer, error) {
	p, err := s.policies.Current(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	out := answer{body: p, version: p.Number}
	if prefers(c.r, yamlType) {
		out = answer{version: p.Number, mime: yamlType, file: "policy.yaml", stream: func(w io.Writer) error {
			_, err := io.WriteString(w, p.Text)
			return err
		}}
	}
	return out, nil
}

// listPolicyVersions returns one page of the policy's versions, the newest first, without the texts of the versions.
func (s *policyAPI) listPolicyVersions(c *call) (answer, error) {
	after, limit, err := c.page()
	if err != nil {
		return answer{}, err
	}
	found, next, err := s.policies.Versions(c.ctx(), c.actor, publish.Page{After: after, Limit: limit})
	if err != nil {
		return answer{}, err
	}
	return pageAnswer(c, found, next), nil
}

// getPolicyVersion returns one version of the policy with its text.
func (s *policyAPI) getPolicyVersion(c *call) (answer, error) {
	number, err := strconv.ParseInt(c.id("number"), 10, 64)
	if err != nil || number < 1 {
		return answer{}, &fault.NotFound{What: "policy", ID: clip(c.id("number"))}
	}
	p, err := s.policies.Version(c.ctx(), c.actor, number)
	if err != nil {
		return answer{}, err
	}
	return answer{body: p, version: p.Number}, nil
}

// checkDraft checks a policy text, and returns the text's faults and the permissions that members would gain or lose.
// checkDraft changes nothing.
func (s *policyAPI) checkDraft(c *call) (answer, error) {
	var in draftInput
	// Read the policy text from a JSON body, or use the whole body as the text if the body is YAML.
	if isJSON(c.r) {
		if err := c.decodeBody(&in); err != nil {
			return answer{}, err
		}
	} else {
		b, err := io.ReadAll(c.r.Body)
		if err != nil {
			return answer{}, err
		}
		in.Text = string(b)
	}
	d, err := s.drafts.Check(c.ctx(), c.actor, in.Text)
	if err != nil {
		return answer{}, err
	}
	// Translate the faults and warnings. The lists must not be nil, so that an empty list is [] in JSON.
	if d.Faults == nil {
		d.Faults = []publish.Fault{}
	}
	d.Faults, d.Warnings = s.texts.translateFaults(c.lang, d.Faults), s.texts.translateFaults(c.lang, d.Warnings)
	if d.Effect != nil {
		effect := *d.Effect
		effect.Faults, d.Effect = s.texts.translate(c.lang, effect.Faults), &effect
	}
	return answer{body: d}, nil
}

// publishPolicy publishes a policy text. If-Match must name the number of the policy that the text replaces.
func (s *policyAPI) publishPolicy(c *call) (answer, error) {
	of, err := c.version()
	if err != nil {
		return answer{}, err
	}
	var in publishInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	p, err := s.policies.Publish(c.ctx(), c.actor, in.Text, in.Comment, of, in.Signature)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: p, version: p.Number}, nil
}

// restorePolicy publishes the text of the previous policy again, as a new version.
func (s *policyAPI) restorePolicy(c *call) (answer, error) {
	var in backInput
	if err := c.decodeBody(&in); err != nil {
		return answer{}, err
	}
	p, err := s.policies.Back(c.ctx(), c.actor, in.Comment)
	if err != nil {
		return answer{}, err
	}
	return answer{status: http.StatusCreated, body: p, version: p.Number}, nil
}

// getBundle returns the state of the current bundle.
func (s *policyAPI) getBundle(c *call) (answer, error) {
	b, err := s.bundles.Current(c.ctx(), c.actor)
	if err != nil {
		return answer{}, err
	}
	return answer{body: s.texts.translateBundle(c.lang, b)}, nil
}
