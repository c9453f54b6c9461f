package api

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// FuzzRequest sends arbitrary requests to all routes. No handler may panic or return an internal error, and every
// refusal must contain problem details.
func FuzzRequest(f *testing.F) {
	f.Add("GET", "/members?limit=2&cursor=bS1s", "", "text/csv;q=0.1, */*", `"7"`, "")
	f.Add("PATCH", "/members/m-lea", mergePatchType, "", `"7"`, `{"name": null}`)
	f.Add(
		"POST",
		"/imports",
		`multipart/form-data; boundary="x"`,
		"",
		"",
		"--x\r\nContent-Disposition: form-data; name=\"file\"\r\n\r\nid\r\n--x--",
	)
	f.Add("POST", "/policy", jsonType, "", `W/"3"`, `{"text": "a", "signature": "!!"}`)
	f.Add("GET", "/reports/uses?from=2026-02-30&to=x", "", "", "", "")
	h, err := New(
		Options{
			Directory: directoryFake{newFakes()}.all(),
			Machines:  machinesFake{newFakes()},
			Codes:     codesFake{newFakes()},
			Orders:    ordersFake{newFakes()},
			CardKeys:  cardKeysFake{newFakes()},
			Issuing:   issuingFake{newFakes()},
			Policies:  policiesFake{newFakes()},
			Drafts:    draftsFake{newFakes()},
			Bundles:   bundlesFake{newFakes()},
			Accounts:  accountsFake{newFakes()}.all(),
			Reports:   reportsFake{newFakes()},
			Hub:       hubFake{newFakes()},
			Search:    searchFake{newFakes()},
			Visitors:  visitsFake{newFakes()},
			Status:    statusOfFake,
		},
	)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, method, target, kind, accept, match, body string) {
		r, err := http.NewRequest(
			method,
			"http://localhost"+Prefix+"/"+strings.TrimPrefix(target, "/"),
			strings.NewReader(body),
		)
		if err != nil {
			return // skip a path that no HTTP client can send
		}
		r.Header.Set("Authorization", "Bearer owner")
		for name, value := range map[string]string{"Content-Type": kind, "Accept": accept, "If-Match": match} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code == http.StatusInternalServerError {
			t.Errorf("%s %s: %s", method, target, w.Body)
		}
		if w.Code >= 400 && w.Header().Get("Content-Type") != "application/problem+json" {
			t.Errorf("%s %s: %d as %s", method, target, w.Code, w.Header().Get("Content-Type"))
		}
	})
}
