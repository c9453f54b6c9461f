package fold_test

import (
	"testing"

	"portillon/hub/fold"
)

func TestSearchIgnoresCaseAndAccents(t *testing.T) {
	for _, c := range []struct {
		search, text string
		want         bool
	}{
		{"decoupe", "Découpe laser", true},
		{"DÉCOUPE  Laser", "Découpe laser", true}, {"laser decoupe", "Découpe laser", true},
		{"decoupe vinyle", "Découpe laser", false}, {"œuvre", "ŒUVRE", true}, {"e\u0301te", "Été", true}, {"", "x", false},
		{" \t", "x", false}, {"\xff", "x", false},
	} {
		if got := fold.Contains(c.search, "other", c.text); got != c.want {
			t.Errorf("%q in %q: %t, want %t", c.search, c.text, got, c.want)
		}
	}
}
