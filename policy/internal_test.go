package policy

import (
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"
)

// A French sentence must not contain the English words of the policy file for a role or a day.
func TestEveryRoleAndReasonHasAFrenchWord(t *testing.T) {
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
		t.Error("frenchCodes is in another order than codeList")
	}
}

func TestLanguageWordsRoundTrip(t *testing.T) {
	for a := range Assurance(3) {
		b, _ := a.MarshalText()
		var back Assurance
		if err := back.UnmarshalText(b); err != nil || back != a || string(b) != a.String() {
			t.Errorf("%v: %s %v", a, b, err)
		}
	}
	if c, err := ParseCardStrength("aes"); err != nil || c != AES || c.String() != "aes" {
		t.Error(c, err)
	}
	if !slices.Contains(kindWords[:], "learners") || new(Assurance).UnmarshalText([]byte("sure")) == nil {
		t.Error("an unknown word was accepted")
	}
}

// A day begins at the first moment with the date of the day, also if the clock changes at midnight.
func TestDaysBeginAtTheirFirstMoment(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	wall := func(text string) time.Time {
		t.Helper()
		at, err := time.ParseInLocation("2006-01-02 15:04", text, paris)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	for _, zone := range []string{"Europe/Paris", "America/Havana", "America/Asuncion", "Africa/Casablanca",
		"Australia/Lord_Howe", "Pacific/Apia", "Asia/Beirut", "UTC"} {
		z, err := time.LoadLocation(zone)
		if err != nil {
			t.Fatal(err)
		}
		for year := 2010; year < 2027; year++ {
			for at := time.Date(year, 1, 1, 13, 0, 0, 0, z); at.Year() == year; at = at.Add(11*time.Hour + 17*time.Minute) {
				began := dayBegan(at)
				if began.After(at) || !sameDay(began, at) || sameDay(began.Add(-1), at) {
					t.Fatalf("%s: the day of %v began %v", zone, at, began)
				}
			}
		}
	}
	for _, at := range []string{"2026-11-23 10:00", "2026-11-29 23:59", "2026-10-25 10:00", "2027-01-03 00:00"} {
		began := weekBegan(wall(at))
		if began.Weekday() != time.Monday || !sameWeek(began, wall(at)) || sameWeek(began.Add(-1), wall(at)) {
			t.Errorf("the week of %s began %v", at, began)
		}
	}
}

func TestTextFormsOfEnumerationsRoundTrip(t *testing.T) {
	for _, r := range append(Roles(), NoRole) {
		b, err := r.MarshalText()
		var back Role
		if err2 := back.UnmarshalText(b); err != nil || err2 != nil || back != r || string(b) != r.String() {
			t.Error(r, err, err2)
		}
	}
	for _, v := range []Verdict{Deny, Await, Allow} {
		b, err := v.MarshalText()
		var back Verdict
		if err2 := back.UnmarshalText(b); err != nil || err2 != nil || back != v || string(b) != v.String() {
			t.Error(v, err, err2)
		}
	}
	for k := range ReasonKind(len(kindWords)) {
		b, err := k.MarshalText()
		var back ReasonKind
		if err2 := back.UnmarshalText(b); err != nil || err2 != nil || back != k || string(b) != k.String() {
			t.Error(k, err, err2)
		}
	}
	for _, l := range []Language{French, English} {
		b, err := l.MarshalText()
		var back Language
		if err2 := back.UnmarshalText(b); err != nil || err2 != nil || back != l || string(b) != l.String() {
			t.Error(l, err, err2)
		}
	}
}

func TestParsersRefuseUnknownWords(t *testing.T) {
	if _, err := ParseRole("User"); err == nil || !strings.Contains(err.Error(), `"User" is not a role`) {
		t.Error(err)
	}
	if _, err := Role(9).MarshalText(); err == nil || Role(9).String() != "none" {
		t.Error("an invalid role has a word")
	}
	if _, err := ParseVerdict("yes"); err == nil {
		t.Error("yes")
	}
	if _, err := ParseLanguage("de"); err == nil {
		t.Error("de")
	}
	for place, code := range map[uint8]Code{unknownCard: UnknownCard, cardBlocked: CardBlocked, machineFault: MachineFault,
		membershipLapsed: MembershipLapsed, noBadge: NoBadge,
		badgeRevoked: BadgeRevoked, badgeUnverified: BadgeUnverified, badgeExpired: BadgeExpired,
		notEnoughHours: NotEnoughHours, notRecent: NotRecent,
		clockUntrusted: ClockUntrusted, taggedOut: TaggedOut, outsideHours: OutsideHours, needsSupervisor: NeedsSupervisor} {
		if codeList[place] != code {
			t.Errorf("place %d is %s, not %s", place, codeList[place], code)
		}
	}
	if v, err := ParseVerdict(""); v != Deny || err != nil {
		t.Error("the empty word must mean deny")
	}
	if Code("").Known() || !NoBadge.Known() || len(Codes()) != 16 {
		t.Error("the list of codes must have exactly 16 codes")
	}
}

func TestDurationsAreWrittenInBothLanguages(t *testing.T) {
	const days = 24 * time.Hour
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]Text{
		365 * days: {"1 an", "1 year"}, 730 * days: {"2 ans", "2 years"}, 30 * days: {"1 mois", "1 month"},
		180 * days: {"6 mois", "6 months"},
		14 * days:  {"2 semaines", "2 weeks"}, 7 * days: {"1 semaine", "1 week"}, days: {"1 jour", "1 day"},
		100 * days:     {"100 jours", "100 days"},
		36 * time.Hour: {"36 h", "36 h"}, 90 * time.Minute: {"1 h 30", "1 h 30 min"}, 20 * time.Minute: {"20 min", "20 min"},
	} {
		if got := lengthOf(d); got != want {
			t.Errorf("%v: %v", d, got)
		}
	}
	w := wording{zone: time.UTC, now: monday}
	if got := w.moment(monday.AddDate(0, 0, 7)); got != (Text{"le 30 novembre à 9 h 00", "on 30 November at 9:00"}) {
		t.Error(got)
	}
	if got := w.moment(monday.AddDate(0, 0, 1)); got != (Text{"demain à 9 h 00", "tomorrow at 9:00"}) {
		t.Error(got)
	}
}

func TestIssuersWithoutANameAreNamedByTheirID(t *testing.T) {
	p := &Policy{Model: Model{Issuers: []Issuer{{ID: "i"}}}}
	if got := p.issuerName("i"); got != "i" {
		t.Errorf("%q", got)
	}
}

// TestPageFitsTheLargestAllocationWithoutAHeader checks the size of the type page. The comment of page gives the
// reason.
func TestPageFitsTheLargestAllocationWithoutAHeader(t *testing.T) {
	if n := unsafe.Sizeof(page{}); n > 512 {
		t.Errorf("page has %d bytes, want at most 512", n)
	}
}
