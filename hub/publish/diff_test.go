package publish_test

import (
	"fmt"
	"strings"
	"testing"

	"portillon/hub/publish"
)

func TestDiffShowsChangedLinesWithTheirNeighbours(t *testing.T) {
	mark := map[string]string{"same": " ", "removed": "-", "added": "+", "gap": "~"}
	for _, c := range []struct{ before, after, want string }{
		{"", "", ""},
		{"a\nb\n", "a\nb\n", ""},
		{"", "a\n", "+1a"},
		{"a\n", "", "-1a"},
		{"a\nb\nc\n", "a\nx\nc\n", " 1a -2b +2x  3c"},
		{"a\nb\nc\nd\ne\nf\ng\n", "a\nb\nc\nd\ne\nf\nh\n", " 5e  6f -7g +7h"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "0\n2\n3\n4\n5\n6\n7\n8\n0\n", "-11 +10  22  33 ~0  77  88 -99 +90"},
		{"a\nb\nc\n", "b\nc\na\n", "-1a  1b  2c +3a"},
		{"a\nb", "a\nb\n", ""},
	} {
		var got []string
		for _, l := range publish.Diff(c.before, c.after) {
			got = append(got, fmt.Sprint(mark[l.Kind], l.Line, l.Text))
		}
		if s := strings.Join(got, " "); s != c.want {
			t.Errorf("%q and %q: %q, want %q", c.before, c.after, s, c.want)
		}
	}
}

// The work must stay bounded for two large texts without a common line.
func TestDiffOfLargeTextsIsBounded(t *testing.T) {
	var a, b strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&a, "a %d\n", i)
		fmt.Fprintf(&b, "b %d\n", i)
	}
	if got := publish.Diff(a.String(), b.String()); len(got) != 20_000 || got[0].Kind != "removed" {
		t.Errorf("%d lines", len(got))
	}
}
