package policy

import (
	"strings"
	"testing"
	"time"
)

// A week that is written and read again must be open at the same times.
func TestWeekIsWrittenAsTheSameHours(t *testing.T) {
	holidays := NewHolidays(Date{Month: time.December, Day: 25}, Date{Year: 2026, Month: time.November, Day: 24})
	for in, want := range map[string]string{
		"Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off": "Mo-Fr 09:00-21:00; Sa 10:00-18:00; PH off",
		"24/7":                                              "Mo-Su 00:00-24:00",
		"Mo,We,Fr 08:00-12:00,14:00-18:00":                  "Mo,We,Fr 08:00-12:00,14:00-18:00",
		"Fr,Sa 20:00-02:00; Su 10:00-12:00":                 "Fr-Sa 20:00-02:00; Su 10:00-12:00",
		"Mo-Su 09:00-33:00":                                 "Mo-Su 09:00-33:00",
		"Mo-Su 09:00-18:00; We off":                         "Mo-Tu,Th-Su 09:00-18:00",
		"Sa-Mo 09:00-18:00; Su,PH 10:00-12:00":              "Mo,Sa 09:00-18:00; Su 10:00-12:00; PH 10:00-12:00",
		"Mo-Fr 09:00-12:00; Tu 09:00-12:00; Su 09:00-12:00": "Mo-Fr,Su 09:00-12:00",
	} {
		h, err := ParseHours(in, holidays)
		if err != nil {
			t.Fatal(err)
		}
		w, ok := h.Week()
		if got := w.String(); !ok || got != want {
			t.Errorf("%q: %q, %v, want %q", in, got, ok, want)
			continue
		}
		again, err := ParseHours(want, holidays)
		if err != nil {
			t.Fatal(err)
		}
		for at := time.Date(2026, 11, 16, 0, 0, 0, 0, time.UTC); at.Year() == 2026; at = at.Add(15 * time.Minute) {
			if h.Open(at) != again.Open(at) {
				t.Fatalf("%q and %q differ at %v", in, want, at)
			}
		}
	}
}

func TestHoursWithDatesAreNoWeek(t *testing.T) {
	holidays := NewHolidays(Date{Month: time.December, Day: 25})
	for _, in := range []string{"Mo-Fr 09:00-21:00; Dec 24 off", "Jul-Aug 09:00-12:00", "PH off; Mo-Fr 09:00-21:00"} {
		h, err := ParseHours(in, holidays)
		if err != nil {
			t.Fatal(err)
		}
		if w, ok := h.Week(); ok {
			t.Errorf("%q is the week %q", in, w)
		}
	}
	if s := (Week{OnHolidays: true}).String(); s != "" {
		t.Errorf("a week that never opens is written as %q", s)
	}
}

func TestTimesAreReadAsTyped(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "fermé": "", "Closed": "", "–": "",
		"9-21": "09:00-21:00", "9h - 12h30": "09:00-12:30", "9 h – 21 h": "09:00-21:00",
		"09:00-12:00, 14:00-18:00": "09:00-12:00,14:00-18:00",
		"9h-12h et 14h-18h":        "09:00-12:00,14:00-18:00", "10 to 12 and 14 to 16": "10:00-12:00,14:00-16:00",
		"20:00-02:00": "20:00-02:00",
		"0-24":        "00:00-24:00",
	} {
		got, err := ParseSpans(in)
		if err != nil || FormatSpans(got) != want {
			t.Errorf("%q: %q, %v, want %q", in, FormatSpans(got), err, want)
		}
	}
	for _, in := range []string{"9", "matin", "25-26", "9:5-10", "21-21", "9-12-14", "9h-", "12:60-13"} {
		if got, err := ParseSpans(in); err == nil {
			t.Errorf("%q is read as %q", in, FormatSpans(got))
		}
	}
}

func TestLongTextIsNoTimesOfADay(t *testing.T) {
	long := strings.Repeat("9-10,", 101)
	if spans, err := ParseSpans(long + "11-12"); err == nil || !strings.Contains(err.Error(), "…") {
		t.Errorf("%v %v, want an error that quotes the begin of the text", spans, err)
	}
	if spans, err := ParseSpans(strings.Repeat("9-10,", 90) + "11-12"); err != nil || len(spans) != 91 {
		t.Errorf("%d times, %v, want 91", len(spans), err)
	}
}
