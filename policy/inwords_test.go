package policy

import (
	"strings"
	"testing"
)

// A French sentence has no word of the policy file for a role or a day.
func TestEveryRoleReasonAndDayHasAFrenchWord(t *testing.T) {
	if len(frenchRoles) != len(roleWords) {
		t.Fatalf("%d roles in French, want %d", len(frenchRoles), len(roleWords))
	}
	seen := map[string]bool{}
	for i, en := range roleWords {
		r := Role(i)
		fr := r.In(French)
		if r.In(English) != en || fr == "" || strings.EqualFold(fr, en) || seen[fr] {
			t.Errorf("%s: %q in French, %q in English", en, fr, r.In(English))
		}
		seen[fr] = true
	}
	for _, c := range Codes() {
		fr := c.In(French)
		if c.In(English) != string(c) || fr == "" || fr == string(c) || seen[fr] {
			t.Errorf("%s: %q in French, %q in English", c, fr, c.In(English))
		}
		seen[fr] = true
	}
	if OutsideHours.In(French) != "hors des horaires" || TaggedOut.In(French) != "machine hors service" ||
		Code("newer").In(French) != "newer" {
		t.Error("the codes in French stand in another order than codeList")
	}
	for _, c := range []struct{ given, fr string }{
		{"Mo-Fr 09:00-21:00", "lun.-ven. 09:00-21:00"}, {"Sa,Su 10:00-12:00", "sam.,dim. 10:00-12:00"},
		{"Tu", "mar."}, {"We", "mer."}, {"Th", "jeu."},
		{"2026-12-01 – 2026-12-04 09:00-21:00", "2026-12-01 – 2026-12-04 09:00-21:00"},
	} {
		if fr, en := timesIn(c.given, French), timesIn(c.given, English); fr != c.fr || en != c.given {
			t.Errorf("%q: %q in French, %q in English", c.given, fr, en)
		}
	}
	for _, day := range weekOrder {
		if fr := timesIn(day, French); fr == day || !strings.HasSuffix(fr, ".") {
			t.Errorf("%s: %q", day, fr)
		}
	}
}
