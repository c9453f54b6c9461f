package web_test

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/enrol"
	"portillon/hub/web/webtest"
)

type machineService = webtest.Machines

// noMachines is the machine service of a site without machines.
type noMachines struct{ machineService }

func (noMachines) List(context.Context, actor.Actor) ([]enrol.Machine, error) { return nil, nil }

// The test uses each permission alone, as the only scope of an owner's token. A page shows a form or a button only if
// the hub accepts the POST.
func TestFormsAreShownOnlyWithTheirPermission(t *testing.T) {
	owner, scopes := open(t, 0), ""
	owner.options.Who = func(r *http.Request) (actor.Actor, error) {
		a, err := owner.site.Who(r)
		for _, s := range strings.Fields(scopes) {
			a.Scopes = append(a.Scopes, actor.Act(s))
		}
		return a, err
	}
	owner.build()
	for _, c := range []struct {
		name   string
		who    string
		scopes string // scopes of the token; empty: no token
		path   string
		status int
		has    string // text that the page must contain; empty: the test does not check the text
		lacks  string
	}{
		{"a new member", "", "members.read", "/members/new", 403, "", ""},
		{"a new member", "", "members.write", "/members/new", 200, `name="emails"`, `name="note"`},
		{"a new member with notes", "", "members.write members.notes", "/members/new", 200, `name="note"`, ""},
		{"an import", "", "members.read", "/members/import", 403, "", ""},
		{"an import", "", "members.write", "/members/import", 200, `name="file"`, ""},
		{"a merge", "", "members.read", "/members/m-lea/merge", 403, "", ""},
		{"a merge", "", "members.read members.write", "/members/m-lea/merge?drop=m-tom", 200, `name="drop"`, ""},
		{"an erasure", "", "members.read members.write", "/members/m-lea/erase", 403, "", ""},
		{"an erasure", "", "members.read members.erase", "/members/m-lea/erase", 200, `action="/members/m-lea/erase"`, ""},
		{"an unknown card", "", "members.read taps.read", "/cards/unknown/u-1", 403, "", ""},
		{"an unknown card", "", "members.read taps.read cards.write", "/cards/unknown/u-1", 200, `name="member"`, ""},
		{"a member's buttons", "", "members.read", "/members/m-lea", 200, "Léa Morvan", `action="/members/m-lea`},
		{"a member's form", "", "members.read members.write", "/members/m-lea", 200, `action="/members/m-lea"`,
			`action="/members/m-lea/cards"`},
		{"a machine of one's own", webtest.MaintName, "", "/machines/laser", 200, `action="/machines/laser/tag"`, ""},
		{"another machine", webtest.MaintName, "", "/machines/vinyl", 200, "", `action="/machines/vinyl/tag"`},
		{"scopes of a token", webtest.MemberName, "", "/settings/tokens", 200, `value="machines.read"`,
			`value="accounts.write"`},
		{"scopes of an owner's token", "", "", "/settings/tokens", 200, `value="accounts.write"`, ""},
	} {
		h := owner
		if c.who != "" {
			h = h.as(c.who)
		}
		scopes = c.scopes
		w := h.get(c.path)
		body := w.Body.String()
		if w.Code != c.status || !strings.Contains(body, c.has) || c.lacks != "" && strings.Contains(body, c.lacks) {
			t.Errorf("%s as %q for %q: %d, want %d, with %q, without %q: %s", c.name, c.who, c.scopes, w.Code, c.status, c.has,
				c.lacks, head(body))
		}
	}
}

func TestFirstStepDependsOnTheRole(t *testing.T) {
	h := open(t, 0)
	h.options.Machines = noMachines{webtest.Machines{Site: h.site}}
	h.build()
	const first = `href="/machines"`
	owner, member := h.get("/today").Body.String(), h.as(webtest.MemberName).get("/today").Body.String()
	if a, b := strings.Count(owner, first), strings.Count(member, first); a != b+1 {
		t.Errorf("an owner is shown %d ways to the machines, a member %d", a, b)
	}
}
