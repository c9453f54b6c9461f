package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web"
	"portillon/hub/web/webtest"
)

func TestTrainingIsOpenedFilledAndAwarded(t *testing.T) {
	h := open(t, 0)
	h.who = webtest.MentorName
	expect(t, h.get("/trainings"), 200, `value="laser laser-user"`, "/trainings/t-open", "badges issued",
		"badges not issued")
	expect(t, h.post("/trainings", url.Values{"what": {"laser vinyl-user"}}), 422, "cannot be issued after a training",
		`value="laser laser-user"`)
	w := h.post("/trainings", url.Values{"what": {"laser laser-user"}})
	expect(t, w, 303, "done=training-opened")
	path, _, _ := strings.Cut(w.Header().Get("Location"), "?")
	body := expect(t, h.get(path), 200, "Tap the cards", "The machine must be free",
		`name="member" value="m-lea" form="award"`,
		"has this badge already", `href="`+path+`?tap=u-1#add"`, `action="`+path+`/close"`, `name="check" value="2" required`)
	if n := strings.Count(body, `form="award"`); n != 12 {
		t.Errorf("%d people receive the badge, want the 12 who lack it", n)
	}
	expect(t, h.post(path+"/remove", url.Values{"member": {"m-lea"}}), 303, path+"?done=training-removed")
	body = expect(t, h.get(path), 200, "Taken off the list")
	if strings.Contains(body, `name="member" value="m-lea" form="award"`) {
		t.Error("a person off the list receives the badge")
	}
	expect(t, h.post(path+"/join", url.Values{"member": {"m-lea"}}), 303, path+"?done=training-joined")
	expect(t, h.get(path+"?q=tom&tap=u-1"), 200, "Whose card is K7QD2M?",
		`name="member" value="m-tom"><input type="hidden" name="tap" value="u-1"`, `name="tap" value="u-1"`)
	form := url.Values{"name": {"Nina Roy"}, "email": {"nina"}, "tap": {"u-1"}}
	expect(t, h.post(path+"/new", form), 422, "an e-mail address is needed", `value="Nina Roy"`, `value="u-1"`)
	form.Set("email", "nina@example.org")
	expect(t, h.post(path+"/new", form), 303, path+"?done=training-joined")
	expect(t, h.get(path), 200, "Nina Roy")
	expect(t, h.post(path+"/close", nil), 303, path+"?done=training-closed")
	expect(t, h.get(path), 200, "no more cards")
	award := url.Values{"member": {"m-lea", "m-tom"}, "check": {"0", "1", "1"}}
	expect(t, h.post(path+"/award", award), 422, "a part of the check list is not confirmed")
	award.Set("check", "0")
	award["check"] = []string{"0", "1", "2"}
	expect(t, h.post(path+"/award", award), 303, path+"?done=training-awarded")
	expect(t, h.post(path+"/award", award), 422, "the training has ended")
	if body := expect(t, h.get(path), 200, "badge issued"); strings.Contains(body, path+"/award") {
		t.Error("the badges of a training can be issued twice")
	}
	expect(t, h.get("/trainings/t-none"), 404)
	h.who = webtest.MaintName
	expect(t, h.get("/trainings"), 403)
}

func TestCheckListsAreWrittenByAdministrators(t *testing.T) {
	h := open(t, 0)
	expect(t, h.get("/trainings"), 200, "Check lists", "Matières interdites")
	form := url.Values{"version": {"0"}, "items": {strings.Repeat("x\n", 21)}}
	expect(t, h.post("/badge-classes/laser-user/checks", form), 422, "21 items", "at most 20")
	form.Set("items", "Fire\nFocus")
	expect(t, h.post("/badge-classes/laser-user/checks", form), 303, "/trainings?done=checks-saved")
	expect(t, h.get("/trainings"), 200, "Fire\nFocus")
	form.Set("version", "7")
	expect(t, h.post("/badge-classes/laser-user/checks", form), 412)
	h.who = webtest.MentorName
	if body := expect(t, h.get("/trainings"), 200); strings.Contains(body, "Check lists") {
		t.Error("a mentor sees the forms of check lists")
	}
	h.options.Trainings = web.Trainings(nil)
	h.build()
	expect(t, h.get("/trainings"), 404)
}
