package main

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"portillon/daemon/control"
	"portillon/openbadge"
	"portillon/policy"
)

// If the policy pins a key by a web address, the command accepts any signing key, because the command does not fetch
// the document at this address.
func TestIssuerKeyPinnedByWebAddressIsAcceptedWithoutFetching(t *testing.T) {
	k, _ := openbadge.GenerateKey("a test's")
	other, _ := openbadge.GenerateKey("a test's")
	for pin, want := range map[string]bool{
		k.DID():                      true,
		k.Multikey():                 true,
		"did:web:lab.example":        true,
		"https://lab.example/issuer": true,
		other.DID():                  false,
		"":                           false,
		"http://lab.example":         false,
	} {
		if mayBePinned([]string{pin}, k) != want {
			t.Errorf("%q: %v", pin, !want)
		}
	}
}

func TestControlCharactersInABadgeAreNotPrinted(t *testing.T) {
	for in, want := range map[string]string{
		"Découpe\nlaser\t1":           "Découpe laser 1",
		"\x1b[2J\x1b]0;valid\x07gone": "[2J]0;validgone",
		"\u202evalid\u200b":           "valid",
		"a\rvalide":                   "avalide",
		"\u009b31m":                   "31m",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// Reasons of tags, ids of commands and names of files come from outside, and appear in errors, warnings and the status.
func TestControlCharactersInErrorsWarningsAndStatusAreNotPrinted(t *testing.T) {
	const hostile = "a\x1b]0;x\ab\u009b2Jc\u202ed"
	var out, errs bytes.Buffer
	w := stdio{out: &out, err: &errs}
	report(w, &failure{code: 1, err: errors.Join(errors.New(hostile), errors.New("second")), hint: hostile})
	w.warn([]string{hostile})
	printStatus(
		&out,
		control.Status{
			Machine:      "laser",
			Tags:         []string{hostile},
			Faults:       []string{hostile},
			BundleDamage: hostile,
			Denied:       []string{hostile},
		},
	)
	for _, text := range []string{out.String(), errs.String()} {
		if strings.ContainsFunc(
			text,
			func(r rune) bool { return r != '\n' && (unicode.IsControl(r) || unicode.Is(unicode.Cf, r)) },
		) ||
			!strings.Contains(text, "a]0;xb2Jcd") {
			t.Errorf("%q", text)
		}
	}
	if !strings.Contains(errs.String(), "\nsecond\n") {
		t.Errorf("the lines of an error are joined: %q", errs.String())
	}
}

func TestDurationsInDaysAreParsed(t *testing.T) {
	for in, want := range map[string]time.Duration{
		"30d":   720 * time.Hour,
		"12h":   12 * time.Hour,
		"1h30m": 90 * time.Minute,
		"0d":    0,
	} {
		if got, err := span(in); err != nil || got != want {
			t.Errorf("%q: %v %v", in, got, err)
		}
	}
	for _, in := range []string{"", "d", "-1d", "-5h", "1.5d", "30", "40000d", "30 d", "1d12h"} {
		if got, err := span(in); err == nil {
			t.Errorf("%q: %v", in, got)
		}
	}
}

func TestDatesAreWrittenInFrenchAndEnglish(t *testing.T) {
	at := time.Date(2027, 8, 1, 23, 30, 0, 0, time.FixedZone("", -3600))
	for l, want := range map[policy.Language]string{policy.French: "2 août 2027", policy.English: "2 August 2027"} {
		if got := day(l, at); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	if got := day(policy.French, at.AddDate(0, 0, -1)); got != "1er août 2027" {
		t.Error(got)
	}
}

func TestLongTextIsWrappedBetweenWords(t *testing.T) {
	if got := wrapped("un deux trois quatre", 9); !slices.Equal(got, []string{"un deux", "trois", "quatre"}) {
		t.Errorf("%q", got)
	}
	if got := wrapped("https://lab.example/very/long", 9); !slices.Equal(got, []string{"https://lab.example/very/long"}) {
		t.Errorf("%q", got)
	}
}

func TestRemainingValidityOfABadgeIsPrinted(t *testing.T) {
	at := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	for days, want := range map[float64]string{
		10:   " (10 days left)",
		1:    " (1 day left)",
		0.5:  " (less than a day)",
		-0.5: ": expired today",
		-1:   ": expired 1 day ago",
		-40:  ": expired 40 days ago",
	} {
		if got := (page{lang: policy.English,
			at: at}).remaining(at.Add(time.Duration(days * 24 * float64(time.Hour)))); got != want {
			t.Errorf("%v: %q, want %q", days, got, want)
		}
	}
}
