package main

import (
	"bytes"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"portillon/hub/evidence"
	"portillon/policy"
)

// Léa has the badge of users of the laser, and Zoé does not. The command does not mark Malik, whose badge has expired,
// or a member whose file is not a badge.
func TestEvidenceListMarksMembersWhoAlreadyHaveTheBadge(t *testing.T) {
	all := func() []evidence.Progress {
		return []evidence.Progress{
			{Member: "m-020dc2", Badge: "laser-user", Needed: 3, Complete: true},
			{Member: "m-020dc2", Badge: "laser-maintainer", Needed: 3, Complete: true},
			{Member: "m-9d017e", Badge: "laser-user", Needed: 3, Complete: true},
			{Member: "m-2063d1", Badge: "laser-user", Needed: 3},
			{Member: "m-nobody", Badge: "laser-user", Needed: 3},
		}
	}
	fr, en := policy.French, policy.English
	now := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for lang, words := range map[*policy.Language][3]string{
		&en: {", already holds it", ", complete", ""},
		&fr: {", a déjà le badge", ", complet", ""},
	} {
		var errs bytes.Buffer
		got := all()
		d := evidenceQuery{site: "../../site-example", lang: lang, now: now}
		d.holders(stdio{strings.NewReader(""), &errs, &errs, nil}, got)
		for i, want := range []string{words[0], words[1], words[1], words[2], words[2]} {
			said := progressWords(got[i], *lang)
			if got[i].AlreadyHolds != (i == 0) || !strings.HasSuffix(said, "3"+want) {
				t.Errorf("%s %s: %q, want the end %q", got[i].Member, got[i].Badge, said, want)
			}
		}
		if errs.Len() > 0 {
			t.Error(errs.String())
		}
	}
	var errs bytes.Buffer
	d := evidenceQuery{site: filepath.Join(t.TempDir(), "gone"), lang: &en, now: now}
	got := all()
	d.holders(stdio{strings.NewReader(""), &errs, &errs, nil}, got)
	if got[0].AlreadyHolds || !strings.Contains(errs.String(), "who holds the badge already is not known") {
		t.Errorf("%+v, %s", got[0], errs.String())
	}
}
