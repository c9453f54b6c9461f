package api

import (
	"context"
	"encoding/json"
	"testing"

	"portillon/hub/actor"
	"portillon/hub/search"
	"portillon/policy"
)

// searchFake implements Search: it finds one member and one machine.
type searchFake struct{ *fakes }

func (f searchFake) Search(ctx context.Context, a actor.Actor, text string) ([]search.Group, error) {
	one := func(kind search.Kind, act actor.Act, h search.Hit) search.Source {
		return search.Source{Kind: kind, Act: act, Find: func(_ context.Context, a actor.Actor, _ string,
			_ int) ([]search.Hit, bool, error) {
			return []search.Hit{h}, true, a.May(act, actor.Target{})
		}}
	}
	return search.New(one(search.Members, actor.ReadMembers, filled[search.Hit]()),
		one(search.Machines, actor.ReadMachines, search.Hit{ID: "laser", Name: policy.Text{FR: "Découpe laser",
			EN: "Laser cutter"}})).Search(ctx, a, text)
}

func TestSearchAnswersInTheLanguageOfTheRequest(t *testing.T) {
	s := newSite(t)
	for lang, want := range map[string]string{"fr": "Découpe laser", "en": "Laser cutter"} {
		for as, groups := range map[string]int{"owner": 2, "member": 1} {
			resp, body := s.do(req{method: "GET", path: "/search?q=laser", as: as,
				header: map[string]string{"Accept-Language": lang}})
			var got list[hitGroup]
			if err := json.Unmarshal([]byte(body), &got); err != nil || resp.StatusCode != 200 || len(got.Items) != groups {
				t.Fatalf("%s for %s: %d %v %s", lang, as, resp.StatusCode, err, body)
			}
			if last := got.Items[groups-1]; last.Kind != search.Machines || last.Hits[0].Name != want || !last.More {
				t.Errorf("%s for %s: %+v, want %s", lang, as, last, want)
			}
		}
	}
	if _, body := s.do(req{method: "GET", path: "/search", as: "owner"}); body != "{\"items\":[]}\n" {
		t.Errorf("without words: %s", body)
	}
}
