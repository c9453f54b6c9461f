package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

func TestMembersAskForATrainingAndMentorsSeeThem(t *testing.T) {
	h := open(t, 0).as(webtest.OwnerName)
	what := url.Values{"what": {"laser laser-user"}}
	if body := h.get("/me/trainings?lang=en").Body.String(); strings.Count(body, "waiting since") != 1 {
		t.Errorf("before: %s", head(body))
	}
	if w := h.post("/me/trainings", what); w.Code != 303 {
		t.Fatalf("ask: %d", w.Code)
	}
	if body := h.get("/me/trainings?lang=en").Body.String(); strings.Count(body, "waiting since") != 2 {
		t.Errorf("after asking: %s", head(body))
	}
	if w := h.post("/me/trainings/withdraw", what); w.Code != 303 {
		t.Fatalf("withdraw: %d", w.Code)
	}
	if body := h.get("/me/trainings?lang=en").Body.String(); strings.Count(body, "waiting since") != 1 {
		t.Errorf("after withdrawing: %s", head(body))
	}
	if w := h.post("/me/trainings", url.Values{"what": {"saw"}}); w.Code != 422 {
		t.Errorf("a training that does not exist: %d, want 422", w.Code)
	}
	list := h.get("/trainings?lang=en").Body.String()
	if !strings.Contains(list, "Waiting for a training (2)") {
		t.Errorf("the list of trainings: %s", head(list))
	}
	// A mentor adds somebody who waits to an open training, in which the person is no longer shown as waiting.
	page := func() string { return h.get("/trainings/t-open?lang=en").Body.String() }
	_, add, found := strings.Cut(page(), "<h3>Waiting for a training")
	_, id, ok := strings.Cut(add, `name="member" value="`)
	if !found || !ok {
		t.Fatalf("nobody waits on the page of the training: %s", head(page()))
	}
	id, _, _ = strings.Cut(id, `"`)
	if w := h.post("/trainings/t-open/join", url.Values{"member": {id}}); w.Code != 303 {
		t.Fatalf("join: %d", w.Code)
	}
	if _, rest, _ := strings.Cut(page(), "<h3>Waiting for a training"); strings.Contains(rest, `value="`+id+`"`) {
		t.Error("a person on the list of the training is shown as waiting")
	}
}
