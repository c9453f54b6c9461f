package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
	"portillon/policy"
)

// A change of opening hours takes five steps: the policy, the list, the grant, the effect, publish.
func TestHoursAreChangedWithTheEffectReadInFiveSteps(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/policy"), 200, `href="/policy/edit"`)
	expect(t, h.get("/policy/edit"), 200, `name="at" value="laser.0"`)
	expect(t, h.get("/policy/edit?at=laser.0"), 200, `name="d-mo" value="09:00-12:00, 14:00-21:00"`,
		`name="of" value="2"`)
	checked := expect(t, h.post("/policy/edit", url.Values{"at": {"laser.0"}, "do": {"save"}, "of": {"2"},
		"when": {"week"},
		"d-mo": {"10h-12h"}, "d-ph": {"="}, "badge": {"laser-user"}, "max": {"3 h"}}), 200,
		"Maud Pichon", "hours:Mo 10:00-12:00", "max:3h", `formaction="/policy/publish"`)
	_, text, _ := strings.Cut(checked, `aria-describedby="text-hint">`)
	text, _, _ = strings.Cut(text, "</textarea>")
	expect(t, h.post("/policy/publish", url.Values{"text": {text}, "of": {"2"}}), 303, "policy-published")
}

func TestPolicyFormShowsAPageForEachChange(t *testing.T) {
	h := open(t, 0)
	for at, want := range map[string]string{
		"": `value="vinyl.hours"`, "laser.1": "laser-mentor", "laser.2": "several badges", "laser.new": `name="role"`,
		"laser.hours": `name="grant" value="1"`, "machine": `name="id"`, "badge": `name="achievement"`,
	} {
		expect(t, h.get("/policy/edit?at="+at), 200, want)
	}
	for _, at := range []string{"laser.9", "laser.-1", "lathe.0", "laser", "laser.x", "x"} {
		expect(t, h.get("/policy/edit?at="+at), 404)
		expect(t, h.post("/policy/edit", url.Values{"at": {at}, "do": {"save"}, "of": {"2"}}), 404)
	}
	for _, who := range []string{webtest.MentorName, webtest.MemberName} {
		expect(t, h.as(who).get("/policy/edit"), 403)
		expect(t, h.as(who).post("/policy/edit", url.Values{"at": {"laser.0"}, "do": {"save"}, "of": {"2"}}), 403)
	}
}

func TestDurationsAreReadAsTyped(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"at": {"laser.1"}, "do": {"save"}, "of": {"2"}, "when": {"any"}, "within": {"730 j"},
		"max":  {"1 h 30 min"},
		"idle": {"Aucune"}, "badge": {"3d-jig"}, "day": {"2h"}}
	expect(t, h.post("/policy/edit", v), 200, "within:730d", "max:1h30m", "idle:none", "badge:3d-jig", "day:2h")
}

// The values of a refused form must stay in the form, and each fault must be next to its field.
func TestRefusedPolicyFormKeepsItsValues(t *testing.T) {
	h := open(t, 0)
	send := func(at string, pairs ...string) string {
		v := url.Values{"at": {at}, "do": {"save"}, "of": {"2"}}
		for i := 0; i < len(pairs); i += 2 {
			v.Set(pairs[i], pairs[i+1])
		}
		return expect(t, h.post("/policy/edit", v), 422)
	}
	for want, got := range map[string]string{
		`<a href="#edit-d-tu">`:             send("laser.0", "when", "week", "d-tu", "matin", "max", "7h"),
		`id="edit-d-tu-fault"`:              send("laser.0", "when", "week", "d-tu", "matin", "max", "7h"),
		`value="matin"`:                     send("laser.0", "when", "week", "d-tu", "matin", "max", "7h"),
		`name="max" type="text" value="7h"`: send("laser.0", "when", "week", "d-tu", "matin", "max", "7h"),
		`id="edit-idle-fault"`:              send("laser.0", "idle", "ten?", "when", "any"),
		`id="edit-when-fault"`:              send("laser.0", "when", "week"),
		"no day has a time":                 send("laser.1", "when", "text", "hours", " "),
		"choose at least one":               send("laser.hours", "when", "any"),
		`name="hours" value="Dec 24 off"`:   send("laser.0", "when", "text", "hours", "Dec 24 off", "max", "?"),
		`<option value="text" selected>`:    send("laser.0", "when", "text", "hours", "Dec 24 off", "max", "?"),
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, head(got))
		}
	}
}

func TestPolicyFormChangesADraft(t *testing.T) {
	h := open(t, 0)
	draft := "portillon: 1\n# mine\n"
	list := expect(t, h.post("/policy/edit", url.Values{"text": {draft}, "of": {"1"}}), 200,
		`method="post" action="/policy/edit"`, "# mine", `name="of" value="1"`)
	if strings.Contains(list, `method="get" action="/policy/edit"`) {
		t.Error("the list for a draft would lose the draft")
	}
	expect(t, h.post("/policy/edit", url.Values{"text": {draft}, "of": {"1"}, "at": {"vinyl.0"}}), 200, "# mine")
	expect(t, h.post("/policy/edit", url.Values{"text": {draft}, "of": {"1"}, "at": {"vinyl.0"}, "do": {"remove"}}), 200,
		"# mine\n# file.RemoveGrant", `name="of" value="1"`)
	expect(t, h.post("/policy/edit", url.Values{"text": {"a?\n"}, "of": {"1"}}), 422)
}

// If the policy has changed since the form was shown, the index of a grant may mean another grant.
func TestPolicyFormOfAnOlderPolicyIsShownAgain(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"at": {"laser.0"}, "do": {"save"}, "of": {"1"}, "when": {"any"}, "max": {"9h"}}
	expect(t, h.post("/policy/edit", v), 412, "another policy was published meanwhile", `name="of" value="2"`,
		`value="9h"`)
}

func TestTrialAnswersRuleByRule(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/policy"), 200, `href="/policy/try"`)
	expect(t, h.get("/members/m-lea"), 200, `href="/policy/try?member=m-lea"`)
	expect(t, h.get("/machines/laser"), 200, `href="/policy/try?machine=laser"`, `href="/policy/edit#m-laser"`)
	expect(t, h.get("/policy/try?member=m-lea"), 200, `value="m-lea"`)
	expect(t, h.get("/policy/try?member=m-lea&machine=laser&at=2026-11-23T10:00"), 200, "Léa Morvan", "Allowed",
		"Découpe laser - Mainteneur", "decides the answer", "Nothing is missing", "23\u00a0Nov")
	expect(t, h.get("/policy/try?member=haddad&machine=laser"), 200, `id="answer"`)
	expect(t, h.get("/policy/try?member=a&machine=laser"), 200, "Several members match",
		"/policy/try?at=&amp;machine=laser&amp;member=m-")
	expect(t, h.get("/policy/try?member=zzz&machine=laser"), 200, "No member")
	expect(t, h.get("/policy/try?member=m-lea&machine=lathe"), 422, `id="try-machine-fault"`)
	expect(t, h.get("/policy/try?member=m-lea&machine=laser&at=soon"), 422, `id="try-at-fault"`)
}

func TestTrialOfADraftKeepsTheDraft(t *testing.T) {
	h := open(t, 0)
	v := url.Values{"text": {"portillon: 1\n# mine\n"}, "of": {"2"}, "member": {"a"}, "machine": {"laser"}}
	expect(t, h.post("/policy/try", v), 200, "# mine", `method="post" action="/policy/try"`, `name="chosen" value="m-`)
	v.Set("chosen", "m-lea")
	expect(t, h.post("/policy/try", v), 200, "# mine", "Léa Morvan", `action="/policy/check"`)
}

// A mentor may read the policy, but not the members.
func TestMentorTriesOnlyOneself(t *testing.T) {
	h := open(t, 0).as(webtest.MentorName)
	got := expect(t, h.get("/policy/try?member=m-lea&machine=laser"), 200, "Karim")
	if strings.Contains(got, "Léa") || strings.Contains(got, `name="member"`) {
		t.Error("the mentor sees another member")
	}
	expect(t, h.as(webtest.MemberName).get("/policy/try"), 403)
}

// Two people change the policy: the second one sees what the first one has changed, line by line.
func TestStalePolicyShowsWhatHasChangedSince(t *testing.T) {
	h := open(t, 0)
	expect(t, h.post("/policy/publish", url.Values{"text": {"portillon: 1\nsite: biklab\n"}, "of": {"2"}}), 303)
	expect(t, h.post("/policy/publish", url.Values{"text": {"portillon: 1\n# mine\n"}, "of": {"2"}}), 412,
		"What has changed since version 2", "<del>    3 − language: fr</del>", "    2   site: biklab", "# mine",
		`name="of" value="3"`)
	expect(t, h.post("/policy/publish", url.Values{"text": {"portillon: 1\n# mine\n"}, "of": {"77"}}), 412, "# mine")
}

func TestMachineLinksToItsOpeningHours(t *testing.T) {
	h := open(t, 0)
	const link = `href="/policy/edit?at=laser.hours"`
	expect(t, h.get("/machines/laser"), 200, link)
	h.options.PolicyMachines = func() []policy.MachineID { return []policy.MachineID{"vinyl"} }
	h.build()
	if body := expect(t, h.get("/machines/laser"), 200, "/policy/edit#m-laser"); strings.Contains(body, link) {
		t.Error("a machine without rules links to its opening hours")
	}
	h.options.PolicyMachines = func() []policy.MachineID { return []policy.MachineID{"laser"} }
	h.build()
	expect(t, h.get("/machines/laser"), 200, link)
	h.who = webtest.MaintName
	if body := expect(t, h.get("/machines/laser"), 200); strings.Contains(body, link) {
		t.Error("a maintainer, who may not change the policy, sees the link")
	}
}
