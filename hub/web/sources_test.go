package web_test

import (
	"net/url"
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

func TestImportPageShowsTheListsOfOtherPrograms(t *testing.T) {
	h := open(t, 0).as(webtest.AdminName)
	w := h.get("/members/import")
	expect(t, w, 200, "helloasso", "Waits for you", "3 added, 0 changed, 41 missing from the list.",
		"9 members lose access.", "the program refuses the credentials (status 401)", "Not received yet",
		`action="/members/import/sources/fab"`, "Fetch it now")
}

func TestListOfAnotherProgramIsPreviewedOnRequest(t *testing.T) {
	h := open(t, 0).as(webtest.AdminName)
	expect(t, h.post("/members/import/sources/helloasso", url.Values{}), 200, "Ada Exemple", "/members/import/apply")
	expect(t, h.post("/members/import/sources/"+webtest.SilentList, url.Values{}), 422, "the program cannot be reached",
		`name="file"`, "helloasso")
	expect(t, h.post("/members/import/sources/none", url.Values{}), 404)
}

func TestTodayShowsListsThatNeedAnAdministrator(t *testing.T) {
	h := open(t, 0).as(webtest.AdminName)
	w := h.get("/today")
	expect(t, w, 200, "Lists of members to look at", "helloasso", webtest.SilentList)
	if strings.Contains(w.Body.String(), "<strong>fab</strong>") {
		t.Error("a list that needs nobody is shown")
	}
	if w := h.as(webtest.MaintName).get("/today"); strings.Contains(w.Body.String(), "helloasso") {
		t.Error("a maintainer sees the lists")
	}
}
