package web_test

import (
	"strings"
	"testing"

	"portillon/hub/web/webtest"
)

// BenchmarkPage measures how long a page takes to render for a site with 10,000 members, without the time of the
// services: `go test -bench Page ./hub/web`.
func BenchmarkPage(b *testing.B) {
	for _, path := range []string{"/members", "/members?after=Membre+05000", "/cards", "/members/m-lea", "/today",
		"/reports", "/policy"} {
		b.Run(path, func(b *testing.B) {
			h := open(b, 10_000)
			for b.Loop() {
				if w := h.as(webtest.OwnerName).get(path); w.Code != 200 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}

// A page that shows a long list contains a limited number of rows.
func TestPagesShowAPartOfLongLists(t *testing.T) {
	h := open(t, 10_000)
	for _, path := range []string{"/members", "/members?after=Membre+05000", "/members?q=membre", "/cards",
		"/members/m-lea/merge", "/cards/unknown/u-1", "/today"} {
		if n := h.get(path).Body.Len(); n > 40_000 {
			t.Errorf("%s: %d bytes at 10,000 members", path, n)
		}
	}
	expect(t, h.get("/members"), 200, "after=")
	expect(t, h.get("/cards?state=active"), 200, "/cards?after=")
	if strings.Contains(expect(t, h.get("/cards?state=lost"), 200), "/cards?after=") {
		t.Error("a page of one card has a next one")
	}
}

// For a year with many machines, the page of reports shows only some rows, and the CSV file contains all rows.
func TestReportPagesLimitTheirRows(t *testing.T) {
	h := open(t, 0)
	h.site.ManyWeeks(1040)
	body := expect(t, h.get("/reports"), 200, "more rows in the file")
	if len(body) > 60_000 {
		t.Errorf("%d bytes", len(body))
	}
}
