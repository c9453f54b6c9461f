// Package fold converts texts to a form in which searches compare them.
package fold

import (
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// Text returns a text in lower case without accents and repeated blanks: "Le Goff" and "LE GÔFF" give the same text.
// Text removes the combining marks (category Mn) from the decomposed form NFKD.
func Text(s string) string {
	var b strings.Builder
	blank := false
	for _, r := range norm.NFKD.String(strings.ToLower(s)) {
		switch {
		case unicode.Is(unicode.Mn, r):
		case unicode.IsSpace(r):
			blank = true
		default:
			if blank && b.Len() > 0 {
				b.WriteByte(' ')
			}
			blank = false
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Contains reports whether the texts together contain each word of a search, without regard to case and accents.
// Contains returns false for a search without words.
func Contains(search string, texts ...string) bool {
	words := strings.Fields(Text(search))
	text := Text(strings.Join(texts, "\n"))
	for _, w := range words {
		if !strings.Contains(text, w) {
			return false
		}
	}
	return len(words) > 0
}
