package setup

import "strings"

// maxDiff is the maximum number of lines of a text that Diff compares. The limit is enough, because a machine.yaml or a
// config.txt has at most a few hundred lines.
const maxDiff = 1000

// Diff returns the lines that differ between two texts. A line that exists only in the old text is marked -, and a line
// that exists only in the new text is marked +. If a text has more than maxDiff lines, Diff returns the whole text.
func Diff(was, is string) string {
	a, b := lines(was), lines(is)
	var out strings.Builder
	put := func(mark, line string) { out.WriteString(mark + line + "\n") }
	if len(a) > maxDiff || len(b) > maxDiff {
		for _, l := range b {
			put("+ ", l)
		}
		return out.String()
	}
	common := commonLines(a, b)
	i, j := 0, 0
	for i < len(a) || j < len(b) {
		switch {
		case i < len(a) && j < len(b) && a[i] == b[j]:
			i, j = i+1, j+1
		case j == len(b) || i < len(a) && common[i+1][j] >= common[i][j+1]:
			put("- ", a[i])
			i++
		default:
			put("+ ", b[j])
			j++
		}
	}
	return out.String()
}

// commonLines returns a table: entry [i][j] is the number of lines that a[i:] and b[j:] have in common, in order
// (longest common subsequence).
func commonLines(a, b []string) [][]int {
	common := make([][]int, len(a)+1)
	for i := range common {
		common[i] = make([]int, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			common[i][j] = max(common[i+1][j], common[i][j+1])
			if a[i] == b[j] {
				common[i][j] = common[i+1][j+1] + 1
			}
		}
	}
	return common
}

// lines splits a text into lines.
func lines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}
