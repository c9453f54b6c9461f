package web_test

import (
	"net/url"
	"regexp"
	"strings"
	"testing"
)

func TestPreviewNamesTheProgramAndLetsColumnsBeChanged(t *testing.T) {
	h := open(t, 0)
	w := h.upload("/members/import", "file", "export.csv", "Nadia Ferrand\n")
	expect(t, w, 200, "Galette", "Compte", "Téléphone", "17", "31", "Annulé")
	id := regexp.MustCompile(`name="preview" value="([^"]+)"`).FindStringSubmatch(w.Body.String())
	if id == nil {
		t.Fatal("no preview")
	}
	chosen := func(body, header string) string {
		_, rest, _ := strings.Cut(body, `value="`+header+`"`)
		m := regexp.MustCompile(`<option value="([^"]+)" selected`).FindStringSubmatch(rest)
		if m == nil {
			t.Fatalf("no field is selected for %s", header)
		}
		return m[1]
	}
	if got := chosen(w.Body.String(), "Téléphone"); got != "-" {
		t.Errorf("Téléphone is read as %s", got)
	}
	w = h.post("/members/import/columns", url.Values{"preview": {id[1]}, "header.0": {"Nom"}, "field.0": {"last"},
		"header.1": {"Téléphone"}, "field.1": {"note"}, "header.2": {"Date d’échéance"}, "field.2": {"-"}})
	expect(t, w, 200)
	if got := chosen(w.Body.String(), "Téléphone"); got != "note" {
		t.Errorf("Téléphone is read as %s, want note", got)
	}
	// Without a column of last days, the page asks for one day for all rows.
	if !strings.Contains(w.Body.String(), `name="until"`) {
		t.Error("the page asks for no last day")
	}
	for name, v := range map[string]url.Values{
		"an unknown field": {"preview": {id[1]}, "header.0": {"Nom"}, "field.0": {"salary"}},
		"an unknown day":   {"preview": {id[1]}, "until": {"2027-02-31"}},
	} {
		if w := h.post("/members/import/columns", v); w.Code != 422 {
			t.Errorf("%s: %d", name, w.Code)
		}
	}
	expect(t, h.post("/members/import/columns", url.Values{"preview": {"i-none"}}), 404)
}
