//go:build linux

package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"portillon/cmd/internal/acceptance"
)

func TestAMissingOrOutdatedAcceptanceTestIsANoteAndNoFault(t *testing.T) {
	for _, c := range []struct {
		wiring string
		err    error
		want   State
		fact   string
	}{
		{"ab", nil, Well, "Acceptance test passed on 2026-11-23"},
		{"cd", nil, Unknown, "has changed since"},
		{"", fmt.Errorf("none: %w", fs.ErrNotExist), Unknown, "No acceptance test"},
		{"", fs.ErrPermission, Unknown, "cannot be read"},
		{"", errors.New("bad key"), Unknown, "cannot be verified: bad key"},
	} {
		conf, s := pi(t)
		s.Accepted = func() (acceptance.Protocol, string, error) {
			return acceptance.Protocol{Wiring: "ab", Ended: noon}, c.wiring, c.err
		}
		seen := false
		for _, f := range Examine(t.Context(), conf, s) {
			if f.Look != "acceptance" {
				continue
			}
			seen = true
			if f.State != c.want || !strings.Contains(f.Fact.EN,
				c.fact) || f.Fact.FR == "" || (f.Cure.FR == "") != (c.want == Well) {
				t.Errorf("%q %v: %+v", c.wiring, c.err, f)
			}
		}
		if !seen {
			t.Errorf("%q %v: nothing is said", c.wiring, c.err)
		}
	}
}
