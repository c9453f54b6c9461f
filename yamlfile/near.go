package yamlfile

import (
	"fmt"
	"unicode/utf8"
)

// DidYouMean returns a hint with the most similar of words. The hint is empty if no word is similar, or if the file's
// limit for hints is reached.
func (x Node) DidYouMean(given string, words []string) string {
	n := utf8.RuneCountInString(given)
	best, dist := "", n/3+2 // allow one wrong letter in a short word, and more in a long word
	if len(given) > 100 || x.d.full() || x.d.letters > maxLetter {
		return ""
	}
	for _, w := range words {
		if far := utf8.RuneCountInString(w) - n; far >= dist || -far >= dist {
			continue
		}
		if x.d.letters += len(given) * len(w); x.d.letters > maxLetter {
			return ""
		}
		if d := distance(given, w); d < dist {
			best, dist = w, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", best)
}

// distance returns the number of insertions, deletions, substitutions and swaps of neighbours that turn a into b
// (restricted Damerau–Levenshtein distance).
func distance(a, b string) int {
	x, y := []rune(a), []rune(b)
	two, one, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range one {
		one[j] = j
	}
	for i := 1; i <= len(x); i++ {
		row[0] = i
		for j := 1; j <= len(y); j++ {
			cost := 1
			if x[i-1] == y[j-1] {
				cost = 0
			}
			// Insert, delete or replace a letter.
			row[j] = min(row[j-1]+1, one[j]+1, one[j-1]+cost)
			// Exchange two neighbouring letters.
			if i > 1 && j > 1 && x[i-1] == y[j-2] && x[i-2] == y[j-1] {
				row[j] = min(row[j], two[j-2]+1)
			}
		}
		two, one, row = one, row, two
	}
	return one[len(y)]
}
