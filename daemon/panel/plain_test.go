package panel

import (
	"regexp"
	"testing"
	"time"

	"portillon/policy"
)

// On a machine whose policy grants nobody the role of mentor or maintainer, no state of the panel may mention that
// role.
func TestPanelNeverNamesARoleThatNobodyHas(t *testing.T) {
	role := regexp.MustCompile(`(?i)mentor|mainten`)
	// These states exist only in a session with a maintainer or a mentor.
	theirs := map[string]bool{"supervised": true, "maintenance": true, "maintenance with a helper": true, "dark": true}
	m := &policy.Machine{Grants: []policy.Grant{{Role: policy.User}, {Role: policy.Learner}}}
	p := New(Config{Now: func() time.Time { return noon }})
	p.SetWording(m.Plain)
	for _, x := range Gallery(noon) {
		if theirs[x.Name] {
			continue
		}
		p.Show(x.View)
		p.SetNote(x.View.Note)
		v := p.Current()
		for _, s := range []policy.Text{v.Line, v.Next} {
			if role.MatchString(s.FR) || role.MatchString(s.EN) {
				t.Errorf("%s: %+v", x.Name, s)
			}
		}
	}
	for _, r := range []Refusal{
		NotNow, CardFirst, AnotherCardTapped, OnlyHere, TooMany, CardToReport, CardToReportInUse, FormOver,
		ChooseFromList, NotSaved, ScanCode, NoScreen, TooManyForms, TooManyWait, p.server.noScreenRefusal(),
	} {
		if s := m.Plain(policy.Text(r)); role.MatchString(s.FR) || role.MatchString(s.EN) {
			t.Errorf("%+v", s)
		}
	}
	if role.MatchString(p.server.noScreenRefusal().FR) {
		t.Errorf("%+v", p.server.noScreenRefusal())
	}
}
