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

func TestMissingOrOutdatedAcceptanceTestIsReportedAsANote(t *testing.T) {
	for _, c := range []struct {
		wiring string
		steps  []acceptance.Verdict
		err    error
		want   State
		fact   string
	}{
		{"ab", []acceptance.Verdict{"passed"}, nil, Well, "Acceptance test passed on 2026-11-23"},
		{"ab", []acceptance.Verdict{"passed", "skipped", "skipped"}, nil, Well, "passed on 2026-11-23, 2 step(s) skipped"},
		{"ab", []acceptance.Verdict{"passed", "failed"}, nil, Ill, "of 2026-11-23 was not passed: 1 step(s) failed"},
		{"cd", []acceptance.Verdict{"passed"}, nil, Unknown, "has changed since"},
		{"", nil, fmt.Errorf("none: %w", fs.ErrNotExist), Unknown, "No acceptance test"},
		{"", nil, fs.ErrPermission, Unknown, "cannot be read"},
		{"", nil, errors.New("bad key"), Unknown, "cannot be verified: bad key"},
	} {
		conf, s := healthyPi(t)
		s.Accepted = func() (acceptance.Protocol, string, error) {
			p := acceptance.Protocol{Wiring: "ab", Ended: noon}
			for _, v := range c.steps {
				p.Results = append(p.Results, acceptance.Result{Verdict: v})
			}
			return p, c.wiring, c.err
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
