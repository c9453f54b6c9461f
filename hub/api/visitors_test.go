package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/fault"
	"portillon/hub/visitor"
	"portillon/policy"
)

// visitsFake implements VisitorDesk: one person waits, and one is in.
type visitsFake struct{ *fakes }

// waitingVisit returns the visit of a person who waits.
func waitingVisit() visitor.Visit {
	v := filled[visitor.Visit]()
	v.ID, v.Version, v.Stay = "v-1", 7, visitor.Stay{}
	v.Report.Machines = []visitor.Machine{{ID: "laser", Verdict: "allow", Role: policy.User},
		{ID: "fdm", Verdict: "deny", Fact: policy.Text{FR: "Il manque un badge", EN: "A badge is missing"},
			Next: policy.Text{FR: "Voir un mentor", EN: "See a mentor"}}}
	return v
}

// insideVisit returns the visit of a person who is in.
func insideVisit() visitor.Visit {
	v := filled[visitor.Visit]()
	v.ID, v.Version, v.Report, v.Name, v.Address = "v-2", 8, visitor.Report{}, "", ""
	return v
}

func (f visitsFake) may(a actor.Actor, what string) error {
	if err := a.May(actor.WriteMembers, actor.Target{}); err != nil {
		return err
	}
	f.note("%s", what)
	return nil
}

func (f visitsFake) List(_ context.Context, a actor.Actor) (visitor.Overview, error) {
	return visitor.Overview{Waiting: []visitor.Visit{waitingVisit()}, Inside: []visitor.Visit{insideVisit()},
		Past: []visitor.Visit{insideVisit()}}, f.may(a, "list")
}

func (f visitsFake) Get(_ context.Context, a actor.Actor, id string) (visitor.Visit, error) {
	if err := f.may(a, "get "+id); err != nil {
		return visitor.Visit{}, err
	}
	return waitingVisit(), nil
}

func (f visitsFake) Bring(_ context.Context, a actor.Actor, b visitor.Brought, p visitor.Person) (visitor.Visit,
	error) {
	if err := f.may(a, "bring "+b.Text+" "+p.Name+" "+p.Language+" "+p.Address); err != nil {
		return visitor.Visit{}, err
	}
	if b.Text == "expired" {
		return visitor.Visit{}, &visitor.Refused{Reason: visitor.NotValid}
	}
	return waitingVisit(), nil
}

func (f visitsFake) MailCode(_ context.Context, a actor.Actor, id string) error {
	return f.may(a, "mail "+id)
}
func (f visitsFake) Dismiss(_ context.Context, a actor.Actor, id string) error {
	return f.may(a, "dismiss "+id)
}
func (f visitsFake) End(_ context.Context, a actor.Actor, id string) error {
	return f.may(a, "end "+id)
}

func (f visitsFake) LetIn(_ context.Context, a actor.Actor, id string, version int64,
	e visitor.Entry) (visitor.Visit, error) {
	if err := f.may(a, fmt.Sprintf("let in %s %+v", id, e)); err != nil {
		return visitor.Visit{}, err
	}
	if version != 7 {
		return visitor.Visit{}, &fault.Conflict{What: "visit", ID: id, Have: 7, Got: version}
	}
	return insideVisit(), nil
}

func TestVisitIsAnsweredInTheLanguageOfTheRequestAndWithoutNamesOnceInside(t *testing.T) {
	s := newSite(t)
	for lang, want := range map[string]string{"fr": "Il manque un badge", "en": "A badge is missing"} {
		resp, body := s.do(req{method: "GET", path: "/visits", as: "owner",
			header: map[string]string{"Accept-Language": lang}})
		var got list[visit]
		if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 || len(got.Items) != 3 {
			t.Fatalf("%d %v %s", resp.StatusCode, err, body)
		}
		waiting, inside := got.Items[0], got.Items[1]
		m := waiting.Badge.Machines
		if len(m) != 2 || m[0].Role != "user" || m[0].Why != "" || m[1].Role != "" || m[1].Why != want || m[1].Next == "" ||
			waiting.Member != "" || waiting.Name == "" {
			t.Errorf("%s: %+v", lang, waiting)
		}
		if inside.Badge != nil || inside.Member == "" || inside.Until != "2026-09-28" || inside.Finished.Ended.IsZero() ||
			inside.Finished.Erase != "2026-09-28" {
			t.Errorf("%+v", inside)
		}
	}
}

func TestVisitorIsLetInByAProgram(t *testing.T) {
	s := newSite(t)
	resp, body := s.do(req{method: "POST", path: "/visits", as: "owner",
		body: `{"badge": "https://x.example/b", "name": "Léa", "language": "fr", "address": "lea@x.example"}`})
	if resp.StatusCode != 201 || resp.Header.Get("Location") != Prefix+"/visits/v-1" || resp.Header.Get("ETag") != `"7"` {
		t.Errorf("%d %v %s", resp.StatusCode, resp.Header, body)
	}
	resp, body = s.do(req{method: "POST", path: "/visits", as: "owner", body: `{"badge": "expired"}`})
	if resp.StatusCode != 422 || !strings.Contains(body, "the badge is not valid") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
	in := `{"code": "K7QF2-M9X", "consent": true, "tap": "t-1", "until": "2026-11-30"}`
	for match, want := range map[string]int{`"7"`: 200, `"6"`: 412, "": 428} {
		if resp, body := s.do(req{method: "POST", path: "/visits/v-1/admission", as: "owner", body: in,
			match: match}); resp.StatusCode != want {
			t.Errorf("%s: %d %s", match, resp.StatusCode, body)
		}
	}
	for _, call := range []req{{method: "POST", path: "/visits/v-1/code"}, {method: "POST", path: "/visits/v-2/end"},
		{method: "DELETE", path: "/visits/v-1"}} {
		call.as = "owner"
		if resp, body := s.do(call); resp.StatusCode != 204 {
			t.Errorf("%s: %d %s", call.path, resp.StatusCode, body)
		}
	}
	got := strings.Join(s.got, "; ")
	for _, want := range []string{"bring https://x.example/b Léa fr lea@x.example", "mail v-1", "end v-2", "dismiss v-1",
		"let in v-1 {Name: Code:K7QF2-M9X Identity:false Consent:true Tap:t-1 Number: Until:2026-11-30}"} {
		if !strings.Contains(got, want) {
			t.Errorf("no call %q in %s", want, got)
		}
	}
}
