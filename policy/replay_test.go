package policy

import (
	"strings"
	"testing"
	"time"
)

// replayed is a policy of one machine whose users need a badge of one issuer.
func replayed(t *testing.T, needs BadgeID, key string) *Policy {
	return mustNew(t, Model{Site: "s", Issuers: []Issuer{{ID: "i", Profile: "did:x", Keys: []string{key}}},
		Badges:   []Badge{{ID: needs, Name: Text{FR: "B"}, Issuer: "i", Achievement: "urn:" + string(needs)}},
		Machines: []Machine{{ID: "m", Name: Text{FR: "M"}, Grants: []Grant{{Role: User, Needs: Need{Badge: needs}}}}}})
}

func TestReplayAsksOnlyWhatTheBasisCanTell(t *testing.T) {
	at := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	before := replayed(t, "a", "k")
	holder := &Member{
		ID:       "m-1",
		Holdings: []Holding{{Badge: "a", Standing: Verified, From: at}, {Badge: "gone", Standing: Verified, From: at}},
	}
	q := Question{At: at, Clock: Trusted, Machine: "m", Member: holder}
	basis := BasisOf(q, before.Decide(q))
	stranger := Question{At: at, Clock: Trusted, Machine: "m"}
	cut := basis
	cut.Truncated = true
	for name, c := range map[string]struct {
		basis Basis
		after *Policy
		would Verdict
		why   string
	}{
		"the same policy":                {basis, replayed(t, "a", "k"), Allow, ""},
		"a stranger":                     {BasisOf(stranger, before.Decide(stranger)), replayed(t, "a", "k"), Deny, ""},
		"a badge that nobody knew":       {basis, replayed(t, "b", "k"), Deny, "did not name: deny without them, allow with them ([b])"},
		"an issuer whose keys differ":    {basis, replayed(t, "a", "k2"), Deny, "depends on badges"},
		"a basis that could not hold it": {cut, replayed(t, "a", "k"), Deny, "did not hold all badges"},
	} {
		got := c.basis.Replay("m", c.after, before)
		if got.Why == "" && got.Would != c.would || !strings.Contains(got.Why, c.why) || c.why == "" && got.Why != "" {
			t.Errorf("%s: %+v", name, got)
		}
		if got.Changed() != (got.Why == "" && got.Was != c.would) {
			t.Errorf("%s: changed %v", name, got.Changed())
		}
	}
}

func TestABasisOfAStrangerFitsWithoutPeople(t *testing.T) {
	b := Basis{Policy: strings.Repeat("x", 100)}.Fit(10)
	if !b.Truncated || b.Member != nil || b.Supervisor != nil {
		t.Errorf("%+v", b)
	}
}

func TestIssuersWithoutANameAreCalledByTheirId(t *testing.T) {
	p := replayed(t, "a", "k")
	if got := p.issuerName("i"); got != "i" {
		t.Errorf("%q", got)
	}
}

// A journal that began anew counts on with what was practised before, and days and weeks that are over do not come
// back.
func TestPracticeGoesOnAfterANewJournal(t *testing.T) {
	monday := time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)
	hour := time.Hour
	for name, c := range map[string]struct{ now, before, want Practice }{
		"nothing since":    {Practice{}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}},
		"the same day":     {Practice{Last: monday.Add(hour), Logged: hour, Day: hour, Week: hour}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}, Practice{Last: monday.Add(hour), Logged: 6 * hour, Day: 2 * hour, Week: 3 * hour}},
		"another day":      {Practice{Last: monday.AddDate(0, 0, 1), Logged: hour, Day: hour, Week: hour}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}, Practice{Last: monday.AddDate(0, 0, 1), Logged: 6 * hour, Day: hour, Week: 3 * hour}},
		"another week":     {Practice{Last: monday.AddDate(0, 0, 8), Logged: hour, Day: hour, Week: hour}, Practice{Last: monday, Logged: 5 * hour, Day: hour, Week: 2 * hour}, Practice{Last: monday.AddDate(0, 0, 8), Logged: 6 * hour, Day: hour, Week: hour}},
		"a clock that ran": {Practice{Last: monday, Logged: hour, Day: hour, Week: hour}, Practice{Last: monday.AddDate(0, 0, 8), Logged: 5 * hour, Day: 2 * hour, Week: 2 * hour}, Practice{Last: monday.AddDate(0, 0, 8), Logged: 6 * hour, Day: 2 * hour, Week: 2 * hour}},
	} {
		if got := c.now.After(c.before); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}
