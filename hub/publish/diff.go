package publish

import "strings"

// DiffLine is a line of the difference between two texts.
type DiffLine struct {
	Kind string // one of same, removed, added, gap; a gap stands for lines that both texts have
	Line int    // number of the line, from 1: in the old text if the line was removed, otherwise in the new text
	Text string
}

// Limits of Diff: the lines shown around a change, and the work for a difference, in pairs of lines. Above the limit,
// Diff shows all lines of the changed part as removed and added.
const (
	diffContext = 2
	maxDiffWork = 4_000_000
)

// Diff returns the difference between two texts, line by line, with some unchanged lines around each change.
func Diff(before, after string) []DiffLine {
	a, b := splitLines(before), splitLines(after)
	head := 0
	for head < len(a) && head < len(b) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < len(a)-head && tail < len(b)-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	var all []DiffLine
	same := func(i int) { all = append(all, DiffLine{"same", i + 1, b[i]}) }
	for i := range head {
		same(i)
	}
	x, y := a[head:len(a)-tail], b[head:len(b)-tail]
	common := commonLines(x, y)
	for i, j := 0, 0; i < len(x) || j < len(y); {
		switch {
		case len(common) > 0 && i == common[0][0] && j == common[0][1]:
			same(head + j)
			common, i, j = common[1:], i+1, j+1
		case i < len(x) && (len(common) == 0 || i < common[0][0]):
			all = append(all, DiffLine{"removed", head + i + 1, x[i]})
			i++
		default:
			all = append(all, DiffLine{"added", head + j + 1, y[j]})
			j++
		}
	}
	for i := len(b) - tail; i < len(b); i++ {
		same(i)
	}
	return nearChanges(all)
}

// splitLines returns the lines of a text without their ends.
func splitLines(s string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(s, "\n"), "\n")
}

// commonLines returns the indices of a longest common subsequence, or nothing if the work would exceed maxDiffWork.
func commonLines(a, b []string) (out [][2]int) {
	if len(a)*len(b) > maxDiffWork {
		return nil
	}
	width := len(b) + 1
	longest := make([]int32, (len(a)+1)*width) // longest[i*width+j] is the length for a[i:] and b[j:]
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				longest[i*width+j] = longest[(i+1)*width+j+1] + 1
			} else {
				longest[i*width+j] = max(longest[(i+1)*width+j], longest[i*width+j+1])
			}
		}
	}
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			out = append(out, [2]int{i, j})
			i, j = i+1, j+1
		case longest[(i+1)*width+j] >= longest[i*width+j+1]:
			i++
		default:
			j++
		}
	}
	return out
}

// nearChanges replaces unchanged lines that are not near a change by gaps.
func nearChanges(all []DiffLine) (out []DiffLine) {
	near := make([]bool, len(all))
	for i, l := range all {
		if l.Kind == "same" {
			continue
		}
		for j := max(0, i-diffContext); j <= min(len(all)-1, i+diffContext); j++ {
			near[j] = true
		}
	}
	for i, l := range all {
		switch {
		case near[i]:
			out = append(out, l)
		case len(out) > 0 && out[len(out)-1].Kind != "gap":
			out = append(out, DiffLine{Kind: "gap"})
		}
	}
	if n := len(out); n > 0 && out[n-1].Kind == "gap" {
		out = out[:n-1]
	}
	return out
}
