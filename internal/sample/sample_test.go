package sample

import "testing"

func TestSampleIsAQuarterOrEveryThirdCaseUnlessAllAreWanted(t *testing.T) {
	defer func(was bool) { *thorough = was }(*thorough)
	for _, c := range []struct {
		thorough      bool
		mutant        string
		count, listed int
	}{
		{false, "", 3, 4},
		{true, "", 10, 10},
		{false, "7", 10, 10},
	} {
		*thorough = c.thorough
		t.Setenv("PORTILLON_MUTANT", c.mutant)
		listed := 0
		for i := range 10 {
			if Has(i) {
				listed++
			}
		}
		if got := Count(10); got != c.count || listed != c.listed {
			t.Errorf("thorough %t, mutant %q: %d and %d of 10 cases, want %d and %d", c.thorough, c.mutant, got, listed, c.count,
				c.listed)
		}
	}
	if *thorough = false; Count(1) != 1 || Count(0) != 0 {
		t.Errorf("Count(1) is %d, want 1; Count(0) is %d, want 0", Count(1), Count(0))
	}
}
