package directory

import (
	"time"
	"unicode"
	"unicode/utf8"

	"portillon/policy"
)

// isSlug reports whether a text has the form of an id, as yamlfile.SlugForm describes it: at most 64 lower-case
// letters, digits and hyphens, without a hyphen at either end.
func isSlug(s string) bool {
	for i, r := range s {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' && i > 0 && i < len(s)-1 {
			continue
		}
		return false
	}
	return s != "" && len(s) <= 64
}

// isDay reports whether a date is a valid calendar day between the years 1900 and 9999.
func isDay(d policy.Date) bool {
	t := time.Date(d.Year, d.Month, d.Day, 0, 0, 0, 0, time.UTC)
	return d.Year >= 1900 && d.Year <= 9999 && t.Month() == d.Month && t.Day() == d.Day
}

// isPlain reports whether a text is UTF-8 without control characters other than tab and line feed, and without marks
// that change the writing direction (Unicode Standard Annex #9, 2.1 to 2.4). A text with such marks could look like a
// different text.
func isPlain(s string) bool {
	for _, r := range s {
		if r == utf8.RuneError || unicode.IsControl(r) && r != '\n' && r != '\t' || turnsDirection(r) {
			return false
		}
	}
	return utf8.ValidString(s)
}

// turnsDirection reports whether a character is a mark that changes the writing direction.
func turnsDirection(r rune) bool { return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 }

// clip shortens a text to at most most bytes without splitting a character, and appends "…" to a shortened text.
func clip(s string, most int) string {
	if len(s) <= most {
		return s
	}
	for most > 0 && !utf8.RuneStart(s[most]) {
		most--
	}
	return s[:most] + "…"
}
